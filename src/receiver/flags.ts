import { Fault } from '../base/fault.ts'
import { type Flag, flags, type Outcome } from '../wire/flags.ts'
import type { ActRow } from './registry-acts.ts'
import { appendReview, provenReviews, type Reviewer, type Reviews, signedAs, unreviewed } from './reviews.ts'
import { type Cell, dayOf, type Store } from './store.ts'
import { countedOnly, type Room, raiseSampled, sampleLimit } from './suspicion.ts'

/** A refusal of the broker, as it is told. */
export interface RefusalTold {
  /** The gateway whose certificate it was, proven. */
  gateway: string | null
  detail: string
  at: number
  /** What was refused and from where: each has a few places of its own among the samples. */
  kind?: string
  /** Somebody claimed the name of an enrolled gateway: kept beside the noise of all others. */
  claimsEnrolled?: boolean
}

/** Refusals of one kind that are kept a day. */
const kindLimit = 10

/**
 * Tells that the broker refused somebody. Noise cannot hide an intruder: of each kind only some are kept, and
 * whoever claims the name of an enrolled gateway is counted apart. A transaction of its own.
 */
export function noteRefusal(store: Store, refusal: RefusalTold): void {
  const { gateway, detail, at, kind, claimsEnrolled } = refusal
  const who = claimsEnrolled === true ? 'BROKER_REFUSED enrolled' : 'BROKER_REFUSED'
  const rooms: Room[] = [{ name: who, limit: sampleLimit }]
  if (kind !== undefined) rooms.push({ name: `${who} ${kind}`, limit: kindLimit })
  store.write(() => raiseSampled(store, { flag: 'BROKER_REFUSED', gateway, detail, at }, rooms))
}

/** A flag as people and `--json` see it. */
export interface FlagLine {
  id: number
  flag: Flag
  outcome: Outcome
  gateway: string | null
  device: string | null
  reading: { epoch: string; seq: number } | null
  at: string
  detail: string
  /** What operators signed of it, last; what nobody signed leaves it open (WIRE 9.13). */
  state: 'open' | 'released' | 'reviewed'
  /** How many like it came since, up to the next one listed, and were only counted. */
  more?: number
  by?: string
  comment?: string
  /** The operator whose key signed that. */
  operator?: string
  /** Acts about it that nobody signed. */
  unsigned?: number
}

interface FlagRow {
  id: number
  flag: Flag
  gateway: string | null
  device: string | null
  epoch: string | null
  seq: number | null
  at: number
  detail: string
  acts: number
}

/** Which flags to list, newest first in choice, oldest first in order. */
export interface FlagFilter {
  gateway?: string
  flag?: string
  open?: boolean
  id?: number
  limit?: number
}

const isOutcomeFlag = (word: string): word is Flag => Object.hasOwn(flags, word)

/** The flags that fit, oldest first; the newest `limit` of them. Without `reviews` all of them are open. */
export function listFlags(store: Store, filter: FlagFilter, reviews: Reviews = unreviewed): FlagLine[] {
  const where: string[] = ["raised.act = 'raised'"]
  const cells: Cell[] = []
  const wants = (condition: string, cell: Cell | undefined): void => {
    if (cell === undefined) return
    where.push(condition)
    cells.push(cell)
  }
  wants('raised.gateway GLOB ?', filter.gateway === undefined ? undefined : `${filter.gateway}*`)
  wants('raised.flag = ?', filter.flag)
  wants('raised.id = ?', filter.id)
  const rows = store.each<FlagRow>(
    `SELECT raised.id, raised.flag, raised.gateway, raised.device, raised.at, raised.detail,
            readings.epoch, readings.seq, (SELECT count(*) FROM flag_acts WHERE about = raised.id) AS acts
     FROM flag_acts AS raised LEFT JOIN readings ON readings.id = raised.reading
     WHERE ${where.join(' AND ')} ORDER BY raised.id DESC`,
    ...cells,
  )
  const found: { row: FlagRow; line: FlagLine }[] = []
  for (const row of rows) {
    if (found.length === filter.limit) break
    const line = flagLine(store, row, reviews)
    if (filter.open !== true || line.state === 'open') found.push({ row, line })
  }
  return withCounts(store, found).reverse()
}

/** The lines of rows, the newest first: the last of a gateway, flag and day tells what was only counted. */
function withCounts(store: Store, found: readonly { row: FlagRow; line: FlagLine }[]): FlagLine[] {
  const told = new Map<string, string>()
  return found.map(({ row, line }) => {
    const [name, day] = [`${row.flag} ${row.gateway}`, dayOf(row.at)]
    const next = told.get(name) ?? 'later'
    if (day === next) return line
    told.set(name, day)
    const more = countedOnly(store, row, day, next)
    return more > 0 ? { ...line, more } : line
  })
}

function flagLine(store: Store, row: FlagRow, reviews: Reviews): FlagLine {
  const { id, flag, gateway, device, detail } = row
  const acts = row.acts === 0 ? [] : actsAbout(store, id, reviews)
  const last = acts.findLast(one => one.signed !== null)
  const unsigned = acts.filter(one => one.signed === null).length
  return {
    id,
    flag,
    outcome: isOutcomeFlag(flag) ? flags[flag] : 'flag',
    gateway,
    device,
    reading: row.epoch === null || row.seq === null ? null : { epoch: row.epoch, seq: row.seq },
    at: new Date(row.at).toISOString(),
    detail,
    state: last?.act ?? 'open',
    ...(last === undefined
      ? {}
      : { by: last.actor, comment: last.detail, operator: last.signed?.operator ?? '' }),
    ...(unsigned === 0 ? {} : { unsigned }),
  }
}

/** One thing that was done about a flag. */
export interface FlagAct {
  act: 'raised' | ActRow['act']
  at: string
  actor: string
  detail: string
  /** Who signed it: an operator and his key's id. Null where nobody did; what the receiver raised is not signed. */
  signed: { operator: string; key: string } | null
}

/** What was done about a flag, the oldest first, and who signed it. */
function actsAbout(store: Store, id: number, reviews: Reviews): (ActRow & Pick<FlagAct, 'signed'>)[] {
  const proven = provenReviews(store, reviews, id)
  return store
    .all<ActRow>('SELECT id, act, about, at, actor, detail FROM flag_acts WHERE about = ? ORDER BY id', id)
    .map(row => {
      const review = signedAs(proven, row)
      return { ...row, signed: review === undefined ? null : { operator: review.operator, key: review.kid } }
    })
}

/** One flag with every act about it. A fault `flag.unknown` where there is none of this id. */
export function showFlag(
  store: Store,
  id: number,
  reviews: Reviews = unreviewed,
): { flag: FlagLine; acts: FlagAct[] } {
  const [flag] = listFlags(store, { id }, reviews)
  if (flag === undefined) {
    throw new Fault('flag.unknown', `there is no flag ${id}`, { hint: 'type: vitalgate-receiver flags list' })
  }
  const { at, detail } = flag
  const acts = actsAbout(store, id, reviews).map(({ act, at, actor, detail, signed }) => {
    return { act, at: new Date(at).toISOString(), actor, detail, signed }
  })
  return { flag, acts: [{ act: 'raised', at, actor: 'receiver', detail, signed: null }, ...acts] }
}

/** Appends that a named person looked at a flag, signed by the operator. False if this very review is there already. */
export function reviewFlag(
  store: Store,
  reviews: Reviews,
  reviewer: Reviewer,
  id: number,
  review: { by: string; comment: string; at: number },
): boolean {
  return store.write(() => {
    const { by, comment: words, at } = review
    const { acts } = showFlag(store, id, reviews)
    const there = acts.some(
      one => one.act === 'reviewed' && one.actor === by && one.detail === words && one.signed !== null,
    )
    if (!there) appendReview(store, reviewer, { flag: id, act: 'reviewed', by, words, at })
    return !there
  })
}
