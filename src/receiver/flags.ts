import { Fault } from '../base/fault.ts'
import { type Flag, flags, type Outcome } from '../wire/flags.ts'
import { actHash, actPlace } from './registry-acts.ts'
import { appendLog } from './registry-log.ts'
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
  state: 'open' | 'released' | 'reviewed'
  /** How many like it came since, up to the next one listed, and were only counted. */
  more?: number
  by?: string
  comment?: string
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
  act: 'released' | 'reviewed' | null
  actor: string | null
  comment: string | null
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

/** The flags that fit, oldest first; the newest `limit` of them. */
export function listFlags(store: Store, filter: FlagFilter): FlagLine[] {
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
  if (filter.open === true) where.push('later.id IS NULL')
  const rows = store.all<FlagRow>(
    `SELECT raised.id, raised.flag, raised.gateway, raised.device, raised.at, raised.detail,
            readings.epoch, readings.seq, later.act, later.actor, later.detail AS comment
     FROM flag_acts AS raised
     LEFT JOIN readings ON readings.id = raised.reading
     LEFT JOIN flag_acts AS later ON later.id = (SELECT max(id) FROM flag_acts WHERE about = raised.id)
     WHERE ${where.join(' AND ')} ORDER BY raised.id DESC LIMIT ?`,
    ...cells,
    filter.limit ?? -1,
  )
  return withCounts(store, rows).reverse()
}

/** The lines of rows, the newest first: the last of a gateway, flag and day tells what was only counted. */
function withCounts(store: Store, rows: readonly FlagRow[]): FlagLine[] {
  const told = new Map<string, string>()
  return rows.map(row => {
    const line = flagLine(row)
    const [name, day] = [`${row.flag} ${row.gateway}`, dayOf(row.at)]
    const next = told.get(name) ?? 'later'
    if (day === next) return line
    told.set(name, day)
    const more = countedOnly(store, row, day, next)
    return more > 0 ? { ...line, more } : line
  })
}

function flagLine(row: FlagRow): FlagLine {
  const { id, flag, gateway, device, detail } = row
  return {
    id,
    flag,
    outcome: isOutcomeFlag(flag) ? flags[flag] : 'flag',
    gateway,
    device,
    reading: row.epoch === null || row.seq === null ? null : { epoch: row.epoch, seq: row.seq },
    at: new Date(row.at).toISOString(),
    detail,
    state: row.act ?? 'open',
    ...(row.actor === null ? {} : { by: row.actor }),
    ...(row.comment === null ? {} : { comment: row.comment }),
  }
}

/** One flag with every act about it. A fault `flag.unknown` where there is none of this id. */
export function showFlag(store: Store, id: number): { flag: FlagLine; acts: FlagAct[] } {
  const [flag] = listFlags(store, { id })
  if (flag === undefined) {
    throw new Fault('flag.unknown', `there is no flag ${id}`, { hint: 'type: vitalgate-receiver flags list' })
  }
  const acts = store.all<Omit<FlagAct, 'at'> & { at: number }>(
    'SELECT act, at, actor, detail FROM flag_acts WHERE id = ? OR about = ? ORDER BY id',
    id,
    id,
  )
  return { flag, acts: acts.map(act => ({ ...act, at: new Date(act.at).toISOString() })) }
}

/** One thing that was done about a flag. */
export interface FlagAct {
  act: 'raised' | 'released' | 'reviewed'
  at: string
  actor: string
  detail: string
}

/** Appends that a named person looked at a flag. False if this very review is there already. */
export function reviewFlag(
  store: Store,
  id: number,
  review: { by: string; comment: string; at: number },
): boolean {
  return store.write(() => {
    const { acts } = showFlag(store, id)
    const there = acts.some(
      one => one.act === 'reviewed' && one.actor === review.by && one.detail === review.comment,
    )
    if (!there) appendAct(store, id, 'reviewed', review.by, review.comment, review.at)
    return !there
  })
}

/** Appends an act about a flag that was raised. Inside `write`. */
export function appendAct(
  store: Store,
  about: number,
  act: 'released' | 'reviewed',
  actor: string,
  detail: string,
  at: number,
): void {
  const { lastInsertRowid } = store.run(
    `INSERT INTO flag_acts (act, about, flag, gateway, device, reading, at, actor, detail)
     SELECT ?, id, flag, gateway, device, reading, ?, ?, ? FROM flag_acts WHERE id = ?`,
    act,
    at,
    actor,
    detail,
    about,
  )
  const row = { id: Number(lastInsertRowid), act, about, at, actor, detail }
  appendLog(store.db, { at, actor, act, subject: actPlace(row), hash: actHash(row) })
}
