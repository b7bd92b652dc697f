import type { Bytes } from '../base/bytes.ts'
import type { Part, Parts } from './parts.ts'
import type { Chunk } from './play.ts'
import { type Outcome, openSession } from './session.ts'
import type { Setup } from './setup.ts'
import { sortsOf } from './sort.ts'

/** Parts of a recording that are heard together, apart from the rest of it. */
export interface Unit {
  own: Part[]
  /** Units that say something else without this one: a scale tells once which digits it sends from then on. */
  leaning: Unit[]
  /**
   * How they are heard; undefined where they say something else alone, and behind what came before, than where
   * they stand.
   */
  heard?: Hearing
  /** How they are heard with nothing before them. */
  alone: Hearing
}

/** How parts are heard again and again while they are changed. */
export interface Hearing {
  /** What they say as the bytes are now. */
  now(): Sounding
  /** Of what sorts that was in the original. */
  sorts: string[]
}

/**
 * What was heard, of what sorts it is, equal for two frames that are cut and treated alike, and how often
 * something was sent.
 */
export interface Sounding {
  outcomes: Outcome[]
  sorts: string[]
  sent: number
}

/** How many parts before another one are tried as what it depends on: a state that a driver carries along. */
const contexts = [0, 1, 2, 4, 8, 16, 32, 64]
/** What a device tells once at the beginning of a session: that many parts are tried for all that follow. */
const headLimit = 8
/** How many units that lean on one are looked at. */
const leaningLimit = 4
/** How many answers of one round are heard together. */
const roundLimit = 32

/** Whether two lists of texts are the same. */
export const alike = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one, at) => one === b[at])

/** The chunks that parts came in, as they stand in `bytes` now. */
const chunksIn = (bytes: Bytes, parts: readonly Part[]): Chunk[] =>
  parts.flatMap(part =>
    part.pieces.map(({ t, char, from, to }) => ({
      t,
      in: bytes.slice(from, to),
      ...(char !== undefined && { char }),
    })),
  )

/** Plays chunks as `play` does. The sorts also tell how long frames are and which only the end gave up. */
function sound(setup: Setup, start: number, chunks: readonly Chunk[]): Sounding {
  const session = openSession(setup, start)
  const outcomes: Outcome[] = []
  let now = start
  let sent = 0
  const take = (found: Outcome[]): void => {
    outcomes.push(...found.filter(({ frame }) => frame.length > 0))
    sent += session.sends().length
  }
  for (const { t, in: data, char } of chunks) {
    for (let due = session.due(); due !== undefined && due <= t; due = session.due()) take(session.rest(due))
    now = Math.max(now, t)
    take(session.hear(data, now, char))
  }
  const whole = outcomes.length
  take(session.end(now))
  const sorts = sortsOf(outcomes, setup).map(
    (sort, at) => `${sort}, ${outcomes[at]!.frame.length}${at < whole ? '' : ' late'}`,
  )
  return { outcomes, sorts, sent }
}

/** A setup that listens and asks nothing. */
const unasking = (setup: Setup): Setup =>
  setup.voice.talk === undefined
    ? setup
    : { ...setup, voice: { ...setup.voice, talk: { ...setup.voice.talk, everyMs: 0 } } }

/** The units of a recording in order. Each hears what stands in `bytes` when it is asked. */
export function unitsOf({ parts, rounds, bytes }: Parts, setup: Setup): Unit[] {
  const quiet = unasking(setup)

  const hearing = (own: readonly Part[], before: readonly Part[], asked?: number): Hearing => {
    const all = [...before, ...own]
    const start = asked ?? all[0]?.pieces[0]?.t ?? 0
    const count = own.reduce((sum, { sorts }) => sum + sorts.length, 0)
    const now = (): Sounding => {
      const { outcomes, sorts, sent } = sound(
        asked === undefined ? quiet : setup,
        start,
        chunksIn(bytes, all),
      )
      // What comes before is there for what it leaves behind: only the last words are those of the unit.
      const from = before.length === 0 ? 0 : Math.max(0, sorts.length - count)
      const total = `of ${sorts.length}, ${sent} sent`
      return { outcomes: outcomes.slice(from), sorts: [...sorts.slice(from), total], sent }
    }
    return { now, sorts: now().sorts }
  }

  const unit = (own: Part[], before: readonly Part[], asked?: number): Unit | undefined => {
    const heard = hearing(own, before, asked)
    const there = own.flatMap(part => part.sorts)
    if (!alike(sortsOf(heard.now().outcomes, setup), there)) return undefined
    return { own, leaning: [], heard, alone: before.length === 0 ? heard : hearing(own, []) }
  }

  const units: Unit[] = []

  const isMute = (part: Part): boolean => part.sorts.every(sort => /^silent [a-z-]+$/.test(sort))
  const talks = parts.findIndex(part => !isMute(part))
  /** What a BLE device tells at the beginning of a session: its features, in which values are to be read. */
  const features =
    'ble' in setup.link ? parts.slice(0, talks < 0 ? headLimit : Math.min(talks, headLimit)) : []

  /** Notes which parts must stand before a unit and say no value themselves: they must not become others. */
  const lean = (found: Unit, before: readonly Part[], asked?: number): Unit => {
    for (const part of before.filter(isMute).slice(0, headLimit)) {
      const rest = before.filter(one => one !== part)
      const leans = features.includes(part) || unit(found.own, rest, asked) === undefined
      const under = units.find(one => one.own.includes(part))
      if (leans && under !== undefined && under.leaning.length < leaningLimit) under.leaning.push(found)
    }
    return found
  }

  const lone = (index: number): Unit => {
    const own = [parts[index]!]
    for (const count of contexts) {
      const from = Math.max(0, index - count)
      const before = [...features.slice(0, from), ...parts.slice(from, index)]
      const found = unit(own, before)
      if (found !== undefined) return lean(found, before)
      if (count >= index) break
    }
    const heads = parts.slice(0, Math.min(headLimit, index))
    const found = unit(own, heads)
    return found === undefined ? { own, leaning: [], alone: hearing(own, []) } : lean(found, heads)
  }

  /** The answers of a round, behind earlier rounds where a driver remembers those. */
  const round = (own: Part[], index: number): Unit | undefined => {
    const number = parts[index]!.round
    for (const count of contexts) {
      const first = parts.findIndex(part => part.round >= Math.max(1, number - count))
      const before = parts.slice(first, index)
      const asked = rounds[parts[first]!.round - 1]
      const found = unit(own, before, asked)
      if (found !== undefined) {
        const alone = hearing(own, [], rounds[number - 1])
        return lean({ ...found, alone }, before, asked)
      }
      if (count >= number) break
    }
    return undefined
  }

  for (let index = 0; index < parts.length; ) {
    const number = parts[index]!.round
    let end = index + 1
    while (end < parts.length && end - index < roundLimit && parts[end]!.round === number) end++
    const together = number === 0 ? undefined : round(parts.slice(index, end), index)
    units.push(together ?? lone(index))
    index = together === undefined ? index + 1 : end
  }
  return units
}
