import { hex } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import type { RegistryType } from '../wire/registry.ts'
import { statementHash } from '../wire/statement.ts'
import type { Registry } from './registry.ts'
import { type RemovalRow, removalHash, removalPlace } from './registry-acts.ts'
import { believe } from './registry-believe.ts'
import { holdsHead, readHead, type SeenHead } from './registry-head.ts'
import { firstHead, type LogAct, type Logged, nextLogHead, readLog } from './registry-log.ts'
import { placeOf, type StatementRow, statementOf } from './registry-rows.ts'
import { checkEnrolments } from './registry-verify-enrolments.ts'
import { checkProposals } from './registry-verify-proposals.ts'
import { checkReviews } from './registry-verify-reviews.ts'
import { chainedRows, type LoggedRow, loggedRows } from './registry-verify-rows.ts'
import type { Store } from './store.ts'

/** Something that is not as it was written: where, and what. */
export interface RegistryProblem {
  place: string
  problem: string
}

/** What was walked, and what is wrong with it. */
export interface RegistryVerified {
  statements: number
  entries: number
  /** Where the log ends: what a person may note outside, to compare later. */
  head: SeenHead | null
  problems: RegistryProblem[]
}

/** The log: numbered without gaps, each entry following the one before. */
function checkLog(log: readonly Logged[]): RegistryProblem[] {
  const problems: RegistryProblem[] = []
  let [number, head] = [0, firstHead]
  for (const entry of log) {
    const place = `log ${entry.number}`
    if (entry.number !== number + 1) {
      const problem =
        entry.number === number + 2
          ? `entry ${number + 1} is missing`
          : `entries ${number + 1} to ${entry.number - 1} are missing`
      problems.push({ place, problem })
    } else if (nextLogHead(head, entry) !== entry.head) {
      problems.push({ place, problem: 'the entry, or the one before, was changed' })
    }
    ;[number, head] = [entry.number, entry.head]
  }
  return problems
}

/** Whether the log still holds what was seen of it. */
function checkSeen(
  store: Store,
  seen: SeenHead | undefined,
  noted: NotedHead | undefined,
): RegistryProblem[] {
  const problem = ({ number, head }: SeenHead, who: string): RegistryProblem => ({
    place: `log ${number}`,
    problem: `${who} head ${head.slice(0, 16)} here, and it is not: ${setBack}`,
  })
  const who = noted?.by === undefined ? 'you noted' : `${noted.by} saw`
  return [
    ...(seen === undefined || holdsHead(store.db, seen) ? [] : [problem(seen, 'registry.head saw')]),
    ...(noted === undefined || holdsHead(store.db, noted) ? [] : [problem(noted, who)]),
  ]
}

const setBack = 'the registry was set back or rewritten'

/** Whether the log does not hold any more what was seen of it. */
export const isSetBack = ({ problem }: RegistryProblem): boolean => problem.endsWith(setBack)

/** A head that the log must hold; by a person, unless it says by what. */
export type NotedHead = SeenHead & { by?: string }

/** Rows and the entries of the log about them: each has the other, with the same hash. */
export function checkLogged(
  act: LogAct,
  log: readonly Logged[],
  rows: readonly LoggedRow[],
): RegistryProblem[] {
  const entries = new Map(log.filter(one => one.act === act).map(one => [one.subject, one]))
  const problems: RegistryProblem[] = []
  for (const { place, hash, at, actor } of rows) {
    const entry = entries.get(place)
    entries.delete(place)
    if (entry === undefined) problems.push({ place, problem: 'the log has no entry of it' })
    else if (entry.hash !== hash)
      problems.push({ place, problem: `it is not what log ${entry.number} tells` })
    else if (entry.at !== at || entry.actor !== actor) {
      problems.push({ place, problem: `when or by whom is not what log ${entry.number} tells` })
    }
  }
  for (const { subject, number } of entries.values()) {
    problems.push({ place: subject, problem: `it is gone; log ${number} tells of it` })
  }
  return problems
}

/** What was removed at gateways: each row is what the last entry about it tells, and none is gone. */
function checkRemovals(store: Store, log: readonly Logged[]): RegistryProblem[] {
  const entries = new Map(log.filter(one => one.act === 'removed').map(one => [one.subject, one]))
  const rows = store.all<RemovalRow>('SELECT * FROM removals').map(row => {
    const place = removalPlace(row)
    const { at, actor } = entries.get(place) ?? { at: 0, actor: '' }
    return { place, hash: removalHash(row), at, actor }
  })
  return checkLogged('removed', [...entries.values()], rows)
}

/** Every statement by itself: signed by whoever may, about its very place. */
function checkSigned(registry: Registry, rows: readonly StatementRow[], going: Going): RegistryProblem[] {
  const operators = registry.operators().map(one => one.key)
  const signersOf = (row: StatementRow): Partial<Record<string, typeof operators>> => ({
    binding: [...registry.rootsOf(row)],
    'server-entry': [...registry.rootsOf(row)],
    operator: [...registry.rootsOf(row)],
    'device-list': operators,
    review: operators,
    revocation: [...registry.rootsOf(row), ...operators],
  })
  return rows.flatMap(row => {
    going()
    const keys = signersOf(row)[row.type]
    if (keys === undefined) return [{ place: placeOf(row), problem: 'it has no place in the registry' }]
    try {
      believe(row.type as RegistryType, row, keys)
      return []
    } catch (error) {
      if (!isFault(error, 'store.damaged')) throw error
      return [{ place: placeOf(row), problem: error.message.replace(/^.* is not believed: /, '') }]
    }
  })
}

/** Asked between two steps; throws where the walk is to end. */
export type Going = () => void

/** What the running registry does not believe, beyond single signatures: revoked signers, broken chains. */
function checkBelieved(registry: Registry, going: Going): RegistryProblem[] {
  for (const gateway of registry.gateways()) {
    going()
    registry.gateway(gateway)
    registry.devices(gateway)
  }
  registry.versions('')
  return registry.damage().map(({ message }) => {
    const [place = '', problem = ''] = message.split(' is not believed: ')
    return { place, problem }
  })
}

/**
 * Walks the whole registry: the log and its heads, the signature of every statement, the chains of device lists
 * and revocations, the rows of enrolments with their requests and certificates, and proposals with the signed
 * events behind them, reviews and what they are about. `registry` must have been opened just now: what it remembers
 * hides what was deleted.
 */
export async function verifyRegistryStore(
  state: string,
  store: Store,
  registry: Registry,
  noted?: NotedHead,
  going: Going = () => undefined,
): Promise<RegistryVerified> {
  // read first: whatever is entered meanwhile, what was seen before is in what is walked then
  const seen = readHead(state)
  // one view of all tables, whoever enters something while they are walked
  store.db.exec('BEGIN')
  try {
    return await walkAll(state, store, registry, seen, noted, going)
  } finally {
    store.db.exec('ROLLBACK')
  }
}

async function walkAll(
  state: string,
  store: Store,
  registry: Registry,
  seen: SeenHead | undefined,
  noted: NotedHead | undefined,
  going: Going,
): Promise<RegistryVerified> {
  const log = readLog(store.db)
  going()
  const rows = store.all<StatementRow & { at: number; actor: string }>('SELECT * FROM statements ORDER BY id')
  const entered = rows.map(row => ({
    place: placeOf(row),
    hash: hex(statementHash(statementOf(row))),
    at: row.at,
    actor: row.actor,
  }))
  const found = [
    ...checkLog(log),
    ...checkSeen(store, seen, noted),
    ...checkLogged('entered', log, entered),
    ...loggedRows(store).flatMap(({ act, rows }) => checkLogged(act, log, rows)),
    ...checkRemovals(store, log),
    ...checkSigned(registry, rows, going),
    ...chainedRows(rows, registry.server.id),
    ...checkBelieved(registry, going),
    ...(await checkEnrolments(state, store, registry, rows, going)),
    ...checkProposals(store, registry),
    ...checkReviews(store, registry, log),
  ]
  const problems = [...new Map(found.map(one => [`${one.place}: ${one.problem}`, one])).values()]
  const last = log.at(-1)
  return {
    statements: rows.length,
    entries: log.length,
    head: last === undefined ? null : { number: last.number, head: last.head },
    problems,
  }
}
