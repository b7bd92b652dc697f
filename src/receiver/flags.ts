import { Fault } from '../base/fault.ts'
import { type Flag, flags, type Outcome } from '../wire/flags.ts'
import { type Cell, count, dayOf, type Store } from './store.ts'

/** A suspicion as it is raised. The detail holds no health data. */
export interface Suspicion {
  flag: Flag
  gateway: string | null
  device?: string
  /** The row of the reading. */
  reading?: number
  detail: string
  at: number
}

/** Samples kept a day and gateway (WIRE 12); what exceeds them is counted. */
export const sampleLimit = 100

/** Raises a flag: appends an act and gives its id. Inside `write`. */
export function raise(store: Store, { flag, gateway, device, reading, detail, at }: Suspicion): number {
  const { lastInsertRowid } = store.run(
    `INSERT INTO flag_acts (act, flag, gateway, device, reading, at, actor, detail)
     VALUES ('raised', ?, ?, ?, ?, ?, 'receiver', ?)`,
    flag,
    gateway,
    device ?? null,
    reading ?? null,
    at,
    detail,
  )
  return Number(lastInsertRowid)
}

/**
 * Raises a flag at most a hundred times a day and gateway, and counts it always; undefined if it was only
 * counted. Inside `write`.
 */
export function raiseSampled(store: Store, suspicion: Suspicion): number | undefined {
  const { flag, gateway, at } = suspicion
  const kept = `kept ${flags[flag]}`
  count(store, flag, gateway, at)
  const sampled = store.get<{ n: number }>(
    'SELECT n FROM counters WHERE day = ? AND name = ? AND gateway = ?',
    dayOf(at),
    kept,
    gateway ?? '',
  )
  if ((sampled?.n ?? 0) >= sampleLimit) return undefined
  count(store, kept, gateway, at)
  return raise(store, suspicion)
}

/** Tells that the broker refused somebody. A transaction of its own. */
export function noteRefusal(
  store: Store,
  refusal: { gateway: string | null; detail: string; at: number },
): void {
  store.write(() => raiseSampled(store, { flag: 'BROKER_REFUSED', ...refusal }))
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
  return rows.reverse().map(flagLine)
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
  store.run(
    `INSERT INTO flag_acts (act, about, flag, gateway, device, reading, at, actor, detail)
     SELECT ?, id, flag, gateway, device, reading, ?, ?, ? FROM flag_acts WHERE id = ?`,
    act,
    at,
    actor,
    detail,
    about,
  )
}
