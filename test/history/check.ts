import type { Line } from './history.ts'
import { placeOf, worldAfter } from './world.ts'

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10'

/** What must not be in any history, and the line that shows it where one does. */
export interface Violation {
  invariant: Invariant
  why: string
  line?: Line
}

/** Bounds that differ from suite to suite; what is left out is not bounded. */
export interface Limits {
  /** From the calm until nothing waits any more. */
  drainMs?: number
  fds?: number
  rssMb?: number
  walBytes?: number
  logBytes?: number
}

type Found = Omit<Violation, 'invariant'>[]
type Rule = (history: readonly Line[], limits: Limits) => Found
type Of<Op extends Line['op']> = Extract<Line, { op: Op }>

const only = <Op extends Line['op']>(history: readonly Line[], op: Op): Of<Op>[] =>
  history.filter((line): line is Of<Op> => line.op === op)

/** I1: what was taken is at a server exactly once in the end, or declared lost where its disk was damaged. */
const durable: Rule = history => {
  const world = worldAfter(history)
  const lost: Found = only(history, 'taken')
    .filter(line => world.copies(placeOf(line)).length === 0 && !world.excused.has(placeOf(line)))
    .map(line => ({ why: `${placeOf(line)} was taken and is at no server in the end`, line }))
  const places = new Set([...world.servers.values()].flatMap(held => [...held.keys()]))
  const twice: Found = [...places]
    .filter(place => world.copies(place).length > 1)
    .map(place => ({ why: `${place} is at servers ${world.copies(place).length} times` }))
  return [...lost, ...twice]
}

/** I2: at every instant what was taken is on its gateway's disk or at a server. */
const conserved: Rule = history => {
  const found: Found = []
  const taken = new Map<string, string>()
  // what no server has just now
  let absent = new Map<string, string>()
  worldAfter(history, (line, world) => {
    if (line.op === 'taken') {
      taken.set(placeOf(line), line.gateway)
      if (world.copies(placeOf(line)).length === 0) absent.set(placeOf(line), line.gateway)
    }
    if (line.op === 'stored') absent.delete(placeOf(line))
    if (line.op === 'fault' && line.what === 'restored') {
      absent = new Map([...taken].filter(([place]) => world.copies(place).length === 0))
    }
    if (line.op !== 'held') return
    const here = new Set(line.rows.map(row => placeOf({ gateway: line.gateway, ...row })))
    for (const [place, gateway] of absent) {
      if (gateway !== line.gateway || here.has(place) || world.excused.has(place)) continue
      taken.delete(place) // told once
      absent.delete(place)
      found.push({ why: `${place} was taken and is neither on the disk nor at a server`, line })
    }
  })
  return found
}

/** I3: what a server has was said by a device, and committed by its gateway where commits are written down. */
const noPhantom: Rule = history => {
  const found: Found = []
  const printed = new Map<string, number>()
  const stored = new Map<string, Set<string>>()
  const committed = new Set<string>()
  const speaking = new Set(only(history, 'committed').map(line => line.gateway))
  const taken = new Map(only(history, 'taken').map(line => [placeOf(line), line.value]))
  for (const line of history) {
    if (line.op === 'produced') printed.set(line.value, (printed.get(line.value) ?? 0) + 1)
    if (line.op === 'committed') committed.add(placeOf(line))
    if (line.op !== 'stored') continue
    const place = placeOf(line)
    if (speaking.has(line.gateway) && !committed.has(place)) {
      found.push({ why: `${place} is stored and was never committed`, line })
    }
    const { value } = line
    if (value === undefined) continue
    const told = taken.get(place)
    if (told !== undefined && told !== value) {
      found.push({ why: `${place} was taken as ${told} and stored as ${value}`, line })
    }
    const places = (stored.get(value) ?? new Set()).add(place)
    stored.set(value, places)
    // a device that was not told `taken` may print it again
    if (places.size > (printed.get(value) ?? 0)) {
      found.push({ why: `${value} is stored at more places than it was printed`, line })
    }
  }
  return found
}

/** I4: a server's numbers of an epoch go from 1 without gaps, and its heads are the gateway's. */
const inChain: Rule = history => {
  const found: Found = []
  const heads = new Map(only(history, 'committed').map(line => [placeOf(line), line.head]))
  for (const line of only(history, 'stored')) {
    const ours = heads.get(placeOf(line))
    if (line.head === undefined || ours === undefined || line.head === ours) continue
    found.push({ why: `${placeOf(line)} has another head at the server than at the gateway`, line })
  }
  const world = worldAfter(history)
  for (const held of world.servers.values()) {
    const epochs = new Map<string, Set<number>>()
    for (const [place, copies] of held) {
      // without heads it is a list of readings alone, which has gaps by its nature
      if (copies.every(one => one.head === undefined)) continue
      const [gateway, epoch, seq] = place.split(' ') as [string, string, string]
      const name = `${gateway} ${epoch}`
      epochs.set(name, (epochs.get(name) ?? new Set()).add(Number(seq)))
    }
    for (const [name, numbers] of epochs) {
      for (let seq = 1; seq <= Math.max(...numbers); seq++) {
        if (numbers.has(seq) || world.excused.has(`${name} ${seq}`)) continue
        found.push({ why: `${name} has a gap at ${seq} in the end` })
      }
    }
  }
  return found
}

/** I5: nothing is forgotten before a valid receipt for it was stored: one whose head is the gateway's own. */
const receiptedFirst: Rule = history => {
  const found: Found = []
  const heads = new Map<string, string>()
  const speaking = new Set(only(history, 'committed').map(line => line.gateway))
  const upTo = new Map<string, number>()
  for (const line of history) {
    if (line.op === 'committed') heads.set(placeOf(line), line.head)
    if (line.op === 'receipt') {
      const epoch = `${line.gateway} ${line.epoch}`
      if (speaking.has(line.gateway) && heads.get(placeOf(line)) !== line.head) {
        found.push({ why: `a receipt with a foreign head was stored for ${placeOf(line)}`, line })
      } else upTo.set(epoch, Math.max(upTo.get(epoch) ?? 0, line.seq))
    }
    if (line.op === 'forgotten' && line.seq > (upTo.get(`${line.gateway} ${line.epoch}`) ?? 0)) {
      found.push({ why: `${placeOf(line)} was forgotten without a receipt`, line })
    }
  }
  return found
}

/** I6: session tokens and numbered receipts of a box rise; it carries out a command at most once. */
const inOrder: Rule = history => {
  const found: Found = []
  const highest = new Map<string, number>()
  const obeyed = new Set<string>()
  const rises = (what: string, number: number, line: Line): void => {
    const last = highest.get(what)
    if (last !== undefined && number <= last) found.push({ why: `${what}: ${number} after ${last}`, line })
    highest.set(what, number)
  }
  for (const line of history) {
    // two boxes under one name have two disks: each writes under a name of its own as `actor`, always the same
    if (line.op === 'token') rises(`token of ${line.gateway} at ${line.actor}`, line.token, line)
    if (line.op === 'receipt' && line.number !== undefined) {
      rises(`receipt of ${line.gateway} at ${line.actor}`, line.number, line)
    }
    if (line.op !== 'obeyed') continue
    const intent = `${line.intent} of ${line.gateway} at ${line.actor}`
    if (obeyed.has(intent)) found.push({ why: `${intent} was carried out twice`, line })
    obeyed.add(intent)
  }
  return found
}

/** I7: each attack raises its flag, and no flag is raised but by its attack, or GAP by a declared loss. */
const flagged: Rule = history => {
  const found: Found = []
  const attacked = new Set<string>()
  for (const line of history) {
    if (line.op === 'attack') attacked.add(`${line.gateway} ${line.flag}`)
    if (line.op === 'lost') attacked.add(`${line.gateway} GAP`)
    if (line.op !== 'flag' || attacked.has(`${line.gateway} ${line.flag}`)) continue
    found.push({ why: `${line.flag} accuses ${line.gateway} of what nobody did`, line })
  }
  const raised = new Set(only(history, 'flag').map(line => `${line.gateway} ${line.flag}`))
  for (const line of only(history, 'attack')) {
    if (raised.has(`${line.gateway} ${line.flag}`)) continue
    found.push({ why: `an attack on ${line.gateway} raised no ${line.flag}`, line })
  }
  return found
}

/** I8: where commits are written down, `taken` is told only of what was committed before. */
const committedFirst: Rule = history => {
  const found: Found = []
  const committed = new Set<string>()
  const speaking = new Set(only(history, 'committed').map(line => line.gateway))
  for (const line of history) {
    if (line.op === 'committed') committed.add(placeOf(line))
    if (line.op !== 'taken' || !speaking.has(line.gateway) || committed.has(placeOf(line))) continue
    found.push({ why: `${placeOf(line)} was told as taken before it was committed`, line })
  }
  return found
}

/** I9: after the calm each gateway that took anything drains, and in time. */
const drains: Rule = (history, { drainMs = Number.POSITIVE_INFINITY }) => {
  const at = history.findLastIndex(line => line.op === 'calm')
  if (at < 0) return []
  const calm = history[at]!
  const drained = new Map(only(history.slice(at), 'drained').map(line => [line.gateway, line]))
  return [...new Set(only(history, 'taken').map(line => line.gateway))].flatMap(gateway => {
    const line = drained.get(gateway)
    if (line === undefined) return [{ why: `${gateway} never drained after the calm`, line: calm }]
    const ms = line.at - calm.at
    return ms > drainMs ? [{ why: `${gateway} drained ${ms} ms after the calm, not ${drainMs}`, line }] : []
  })
}

/** I10: nothing grows beyond its bound. */
const bounded: Rule = (history, limits) =>
  only(history, 'resources').flatMap(line =>
    (['fds', 'rssMb', 'walBytes', 'logBytes'] as const).flatMap(what => {
      const [used, most] = [line[what], limits[what]]
      if (used === undefined || most === undefined || used <= most) return []
      return [{ why: `${line.of} uses ${what} ${used}, not ${most}`, line }]
    }),
  )

const rules: Record<Invariant, Rule> = {
  I1: durable,
  I2: conserved,
  I3: noPhantom,
  I4: inChain,
  I5: receiptedFirst,
  I6: inOrder,
  I7: flagged,
  I8: committedFirst,
  I9: drains,
  I10: bounded,
}

/**
 * The one judge of every suite: what this history shows that must never be. Its lines stand in the order in which
 * they happened; a suite that does not see some of the lines leaves them out, and what needs them is not judged.
 */
export const check = (history: readonly Line[], limits: Limits = {}): Violation[] =>
  (Object.keys(rules) as Invariant[]).flatMap(invariant =>
    rules[invariant](history, limits).map(found => ({ invariant, ...found })),
  )
