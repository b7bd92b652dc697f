import { type Flag, flags } from '../wire/flags.ts'
import { count, dayOf, type Store } from './store.ts'

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

/** Flags that are kept a day for each gateway and flag (WIRE 12); what exceeds them is counted. */
export const sampleLimit = 100

/** Where flags of one kind are counted apart, and how many are kept there a day. */
export interface Room {
  name: string
  limit: number
}

/** Raises a flag: appends an act and gives its id. Inside `write`. */
export function raise(store: Store, { flag, gateway, device, reading, detail, at }: Suspicion): number {
  count(store, flag, gateway, at)
  count(store, keptName(flag), gateway, at)
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

const keptName = (flag: Flag): string => `kept ${flag}`

/**
 * Raises a flag at most a hundred times a day, gateway and flag, or while there is room in each of `rooms`,
 * and counts it always; undefined if it was only counted. Inside `write`.
 */
export function raiseSampled(
  store: Store,
  suspicion: Suspicion,
  rooms: readonly Room[] = [{ name: suspicion.flag, limit: sampleLimit }],
): number | undefined {
  const { flag, gateway, at } = suspicion
  if (rooms.some(({ name, limit }) => takenOf(store, name, gateway, at) >= limit)) {
    count(store, flag, gateway, at)
    return undefined
  }
  for (const { name } of rooms) count(store, roomName(name), gateway, at)
  return raise(store, suspicion)
}

const roomName = (name: string): string => `room ${name}`

function takenOf(store: Store, name: string, gateway: string | null, at: number): number {
  const row = store.get<{ n: number }>(
    'SELECT n FROM counters WHERE day = ? AND name = ? AND gateway = ?',
    dayOf(at),
    roomName(name),
    gateway ?? '',
  )
  return row?.n ?? 0
}

/**
 * Raises a flag, unless the same is open already: of this gateway and device, and for a reading of the same
 * driver and station. Then it is only counted, until somebody reviews or releases it. Inside `write`.
 */
export function raiseOnce(store: Store, suspicion: Suspicion): number | undefined {
  const { flag, gateway, device, reading, at } = suspicion
  const open = store.get(
    `SELECT 1 FROM flag_acts AS raised
     LEFT JOIN readings AS first ON first.id = raised.reading
     LEFT JOIN readings AS this ON this.id = ?
     WHERE raised.gateway = ? AND raised.flag = ? AND raised.device IS ? AND raised.act = 'raised'
       AND first.driver IS this.driver AND first.station IS this.station
       AND NOT EXISTS (SELECT 1 FROM flag_acts WHERE about = raised.id)
     LIMIT 1`,
    reading ?? null,
    gateway,
    flag,
    device ?? null,
  )
  if (open === undefined) return raiseSampled(store, suspicion)
  count(store, flag, gateway, at)
  return undefined
}

/** How often a flag of a gateway was only counted, from one day on and before another. */
export function countedOnly(
  store: Store,
  { flag, gateway }: Pick<Suspicion, 'flag' | 'gateway'>,
  from: string,
  before: string,
): number {
  if (flags[flag] === 'ignore') return 0
  const row = store.get<{ n: number | null }>(
    `SELECT sum(CASE WHEN name = ? THEN n ELSE -n END) AS n FROM counters
     WHERE name IN (?, ?) AND gateway = ? AND day >= ? AND day < ?`,
    flag,
    flag,
    keptName(flag),
    gateway ?? '',
    from,
    before,
  )
  return row?.n ?? 0
}
