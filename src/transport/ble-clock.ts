import type { Bytes } from '../base/bytes.ts'

/** A wall clock, as people at the site read it and devices show it. */
export interface LocalTime {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  /** Monday is 1, Sunday is 7. */
  weekday: number
}

/** Tells the wall clock at a moment, milliseconds since 1970 UTC. */
export type LocalTimeAt = (ms: number) => LocalTime

/** Date Time, or Current Time, which holds one. */
export type ClockUuid = '2a08' | '2a2b'

/** A wall clock as milliseconds, as if its zone were UTC: what two of them are compared by. */
const wallMs = ({ year, month, day, hour, minute, second }: Omit<LocalTime, 'weekday'>): number =>
  Date.UTC(year, month - 1, day, hour, minute, second)

/**
 * Our time as a device takes it. Date Time: year (little-endian), month, day, hours, minutes, seconds. Current
 * Time: also the day of the week, 1/256 of a second, and no reason for the change, as phones write it.
 */
export function clockBytes(uuid: ClockUuid, now: number, localTime: LocalTimeAt): Bytes {
  const { year, month, day, hour, minute, second, weekday } = localTime(now)
  const dateTime = [year & 255, year >> 8, month, day, hour, minute, second]
  if (uuid === '2a08') return Uint8Array.from(dateTime)
  // zones differ by whole seconds, so the part of the second is everywhere the same
  const fraction = Math.floor(((now % 1000) * 256) / 1000)
  return Uint8Array.from([...dateTime, weekday, fraction, 0])
}

/**
 * How far a device's clock is ahead of ours, milliseconds; undefined where it holds no time: too short, or a
 * part that is 0 for unknown (GATT Specification Supplement, Date Time) or no time at all.
 */
export function clockOff(bytes: Uint8Array, now: number, localTime: LocalTimeAt): number | undefined {
  if (bytes.length < 7) return undefined
  const [low = 0, high = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = bytes
  const year = low | (high << 8)
  if (year < 1582 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  return wallMs({ year, month, day, hour, minute, second }) - wallMs(localTime(now)) - (now % 1000)
}
