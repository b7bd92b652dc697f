import { Fault } from '../base/fault.ts'
import { type Quantity, shown } from '../reading/quantity.ts'
import type { Flag } from '../wire/flags.ts'
import { lastWall } from '../wire/members.ts'
import type { Cell, Store } from './store.ts'

/** A reading as `readings list --json` and `readings export` print it (docs/CLI.md). */
export interface ReadingLine {
  gateway: string
  epoch: string
  seq: number
  device: string
  station: string
  band: string | null
  /** By kind; the value is a number token with the digits that were measured. */
  values: Record<string, { value: unknown; unit: string }>
  /** When it was measured, UTC; resolved by a later clock-anchored event of the same boot (DESIGN 9). */
  time: string
  received: string
  verdict: 'accept' | 'flag' | 'quarantine'
  flags: Flag[]
  notes: string[]
  deviceTime?: string
  /** Whether the gateway had compared the device's clock with its own and found it right. */
  deviceClock?: string
  deviceId?: string
}

/** Which readings are wanted. Without a verdict those that are shown as readings: accept and flag. */
export interface ReadingFilter {
  gateway?: string
  device?: string
  band?: string
  /** Received at or after, milliseconds since 1970. */
  since?: number
  verdict?: 'accept' | 'flag' | 'quarantine' | 'all'
  limit?: number
}

interface ReadingRow {
  id: number
  gateway: string
  epoch: string
  seq: number
  device: string
  station: string
  band: string | null
  quantities: string
  device_time: string | null
  device_clock: string | null
  device_id: string | null
  time: number
  received: number
  verdict: ReadingLine['verdict']
  notes: string
  flags: string
}

const columns = `readings.id, readings.gateway, epoch, seq, readings.device, station,
  coalesce(band, claimed) AS band, quantities, device_time, device_clock, device_id,
  received, verdict, notes,
  coalesce((SELECT anchors.wall + readings.mono - anchors.mono FROM anchors
            WHERE anchors.gateway = readings.gateway AND anchors.boot = readings.boot
              AND readings.source IN ('none', 'saved') AND readings.mono < anchors.mono
              AND anchors.wall + readings.mono - anchors.mono BETWEEN 0 AND ${lastWall}), readings.wall) AS time,
  (SELECT json_group_array(DISTINCT flag) FROM flag_acts AS raised
   WHERE raised.reading = readings.id AND raised.act = 'raised'
     AND NOT EXISTS (SELECT 1 FROM flag_acts WHERE about = raised.id AND act = 'released')) AS flags`

/** What a verdict says without a flag of the reading's own: one flag stands for many readings. */
const verdictFlags: Record<ReadingLine['verdict'], Flag[]> = {
  accept: [],
  flag: ['FORK'],
  quarantine: ['DEVICE_UNREGISTERED'],
}

const flagsOf = (row: ReadingRow): Flag[] => [
  ...new Set([...(JSON.parse(row.flags) as Flag[]), ...verdictFlags[row.verdict]]),
]

function lineOf(row: ReadingRow): ReadingLine {
  const quantities = JSON.parse(row.quantities) as Record<string, Quantity>
  return {
    gateway: row.gateway,
    epoch: row.epoch,
    seq: row.seq,
    device: row.device,
    station: row.station,
    band: row.band,
    values: Object.fromEntries(Object.entries(quantities).map(([kind, one]) => [kind, shown(one)])),
    time: new Date(row.time).toISOString(),
    received: new Date(row.received).toISOString(),
    verdict: row.verdict,
    flags: flagsOf(row),
    notes: JSON.parse(row.notes) as string[],
    ...(row.device_time === null ? {} : { deviceTime: row.device_time }),
    ...(row.device_clock === null ? {} : { deviceClock: row.device_clock }),
    ...(row.device_id === null ? {} : { deviceId: row.device_id }),
  }
}

function conditions(filter: ReadingFilter): { where: string; cells: Cell[] } {
  const where: string[] = []
  const cells: Cell[] = []
  const wants = (condition: string, cell: Cell | undefined): void => {
    if (cell === undefined) return
    where.push(condition)
    cells.push(cell)
  }
  wants('readings.gateway GLOB ?', filter.gateway === undefined ? undefined : `${filter.gateway}*`)
  wants('readings.device = ?', filter.device)
  wants('coalesce(band, claimed) = ?', filter.band)
  wants('received >= ?', filter.since)
  if (filter.verdict === undefined) where.push("verdict <> 'quarantine'")
  else if (filter.verdict !== 'all') wants('verdict = ?', filter.verdict)
  return { where: where.length === 0 ? '1' : where.join(' AND '), cells }
}

/** What is done, in the end, about rows that cannot be shown. */
type Tell = (fault: Fault) => void

const refuse: Tell = fault => {
  throw fault
}

/** The line of each row; rows that cannot be shown stop nothing, and are told when all others are. */
function* linesOf(rows: Iterable<ReadingRow>, tell: Tell): Generator<ReadingLine, void, undefined> {
  const damaged: number[] = []
  for (const row of rows) {
    let line: ReadingLine
    try {
      line = lineOf(row)
    } catch {
      damaged.push(row.id)
      continue
    }
    yield line
  }
  if (damaged.length === 0) return
  const named = damaged.slice(0, 8).join(', ')
  tell(
    new Fault('store.damaged', `${damaged.length} readings cannot be shown, in rows ${named}`, {
      hint: 'somebody changed the database by hand or it is damaged; restore it from a backup',
    }),
  )
}

/**
 * The readings that fit, in the order they were received; the newest `limit` of them. `tell` gets a fault
 * `store.damaged` where some cannot be shown; it is thrown if left out.
 */
export function listReadings(store: Store, filter: ReadingFilter, tell = refuse): ReadingLine[] {
  const { where, cells } = conditions(filter)
  const rows = store.all<ReadingRow>(
    `SELECT ${columns} FROM readings WHERE ${where} ORDER BY id DESC LIMIT ?`,
    ...cells,
    filter.limit ?? -1,
  )
  return [...linesOf(rows.reverse(), tell)]
}

/**
 * Every reading that fits, one after the other, in the order they were received. In the end it throws a fault
 * `store.damaged` where some cannot be shown.
 */
export function* eachReading(store: Store, filter: ReadingFilter): Generator<ReadingLine, void, undefined> {
  const { where, cells } = conditions(filter)
  const sql = `SELECT ${columns} FROM readings WHERE ${where} ORDER BY id LIMIT ?`
  yield* linesOf(store.each<ReadingRow>(sql, ...cells, filter.limit ?? -1), refuse)
}
