import type { Bytes } from '../base/bytes.ts'
import { calendar, malformed } from './fields.ts'

// How the Bluetooth SIG writes numbers and times into the value of a characteristic: GATT Specification
// Supplement (Bluetooth SIG), little-endian throughout; SFLOAT and FLOAT after IEEE 11073-20601.

/** What stands in the place of a number where there is none (IEEE 11073-20601). */
export const specials = ['NaN', 'NRes', '+INFINITY', '-INFINITY', 'reserved'] as const
export type Special = (typeof specials)[number]

/** A number with exactly the digits that were sent (`36.40`), for `quantity`; or the special in its place. */
export type Decimal = { digits: string; special?: never } | { digits?: never; special: Special }

/** The five words are special as they stand: with another exponent the same mantissa is a number. */
const sfloatSpecials = new Map<number, Special>([
  [0x07ff, 'NaN'],
  [0x0800, 'NRes'],
  [0x07fe, '+INFINITY'],
  [0x0802, '-INFINITY'],
  [0x0801, 'reserved'],
])
const floatSpecials = new Map<number, Special>([
  [0x007fffff, 'NaN'],
  [0x00800000, 'NRes'],
  [0x007ffffe, '+INFINITY'],
  [0x00800002, '-INFINITY'],
  [0x00800001, 'reserved'],
])

/** A word of so many bits as the signed number that it is in two's complement. */
const signed = (word: number, bits: number): number => (word >= 2 ** (bits - 1) ? word - 2 ** bits : word)

/** mantissa × 10^exponent in full, no digit added behind the point and none lost. */
function decimal(mantissa: number, exponent: number): Decimal {
  const sign = mantissa < 0 ? '-' : ''
  const whole = String(Math.abs(mantissa))
  if (exponent >= 0) return { digits: mantissa === 0 ? '0' : sign + whole + '0'.repeat(exponent) }
  const padded = whole.padStart(1 - exponent, '0')
  return { digits: `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}` }
}

/** The SFLOAT that a 16-bit word is: 12 bits of mantissa, above them 4 of exponent to ten, both signed. */
export function sfloatOf(word: number): Decimal {
  const special = sfloatSpecials.get(word)
  if (special !== undefined) return { special }
  return decimal(signed(word & 0xfff, 12), signed(word >>> 12, 4))
}

/** The FLOAT that a 32-bit word is: 24 bits of mantissa, above them 8 of exponent to ten, both signed. */
export function floatOf(word: number): Decimal {
  const special = floatSpecials.get(word)
  if (special !== undefined) return { special }
  return decimal(signed(word & 0xffffff, 24), signed(word >>> 24, 8))
}

/**
 * One value of a characteristic, read field by field from its beginning. A field that is not there any more is
 * Fault `frame.malformed`: the value is shorter than its flags say.
 */
export interface GattValue {
  u8(): number
  u16(): number
  u24(): number
  u32(): number
  s8(): number
  s16(): number
  /** Big-endian, which is a fault of some devices and the rule of others; `sfloatOf` takes the word. */
  u16big(): number
  sfloat(): Decimal
  float(): Decimal
  /** Date Time, 7 bytes: `2026-07-11T09:05:30`; undefined where a part is not known or there is no such day. */
  dateTime(): string | undefined
  /** Seconds (uint32) since 1 January of a year, as a Date Time. */
  since(year: number): string | undefined
  /** Passes over so many bytes. */
  skip(count: number): void
  /** How many bytes have not been read. */
  rest(): number
}

const two = (part: number): string => String(part).padStart(2, '0')

/** Begins to read a value. */
export function gattValue(value: Bytes): GattValue {
  let at = 0

  const take = (count: number): Bytes => {
    if (at + count > value.length) throw malformed('value is shorter than its flags say')
    at += count
    return value.subarray(at - count, at)
  }
  const little = (count: number): number => take(count).reduceRight((word, byte) => word * 256 + byte, 0)

  const dateTime = (): string | undefined => {
    const year = little(2)
    const [month, day, hour, minute, second] = take(5) as unknown as [number, number, number, number, number]
    // Year, month and day are 0 where they are not known; there is no such day in a calendar either.
    return calendar(String(year), two(month), two(day), two(hour), two(minute), two(second))
  }

  const since = (year: number): string | undefined => {
    const date = new Date(Date.UTC(year, 0, 1) + little(4) * 1000)
    const [month, day] = [date.getUTCMonth() + 1, date.getUTCDate()]
    const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two)
    return calendar(String(date.getUTCFullYear()), two(month), two(day), time[0]!, time[1]!, time[2])
  }

  return {
    u8: () => little(1),
    u16: () => little(2),
    u24: () => little(3),
    u32: () => little(4),
    s8: () => signed(little(1), 8),
    s16: () => signed(little(2), 16),
    u16big: () => take(2).reduce((word, byte) => word * 256 + byte, 0),
    sfloat: () => sfloatOf(little(2)),
    float: () => floatOf(little(4)),
    dateTime,
    since,
    skip(count) {
      take(count)
    },
    rest: () => value.length - at,
  }
}
