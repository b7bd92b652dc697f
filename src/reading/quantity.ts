import { Fault } from '../base/fault.ts'
import { type Kind, kinds, type Unit } from './kinds.ts'

/** A measured value with its digits: n / 10^s in the unit u. `{"n":7240,"s":2,"u":"kg"}` is 72.40 kg. */
export interface Quantity {
  n: number
  s: number
  u: Unit
}

/** Units that a device may be set to and that a driver may convert from, because the frame says so. */
export type ForeignUnit = 'lb' | 'st' | 'g' | 'oz' | 'in' | 'm' | 'kPa' | 'degF' | 'mmol/L'

/** Exact ratios to the canonical unit: canonical = value × top / bottom (+ shift for temperatures). */
const ratios: Record<ForeignUnit, { u: Unit; top: bigint; bottom: bigint; shift?: [bigint, bigint] }> = {
  lb: { u: 'kg', top: 45359237n, bottom: 100000000n }, // international pound, exact since 1959
  st: { u: 'kg', top: 635029318n, bottom: 100000000n }, // 14 lb
  oz: { u: 'kg', top: 45359237n, bottom: 1600000000n }, // 1/16 lb
  g: { u: 'kg', top: 1n, bottom: 1000n },
  in: { u: 'cm', top: 254n, bottom: 100n },
  m: { u: 'cm', top: 100n, bottom: 1n },
  kPa: { u: 'mm[Hg]', top: 760000n, bottom: 101325n }, // 760 mmHg = 101.325 kPa
  degF: { u: 'Cel', top: 5n, bottom: 9n, shift: [-160n, 9n] }, // (F - 32) × 5 / 9
  'mmol/L': { u: 'mg/dL', top: 180156n, bottom: 10000n }, // glucose, 180.156 g/mol
}

/** The longest number that any device sends, digits without sign and point. */
const digitsLimit = 9

/** What the wire carries at most (WIRE 1.5); one frame beyond it must be a fault, not the end of the gateway. */
const decimalsLimit = 6
const mostNumber = 999_999_999

/** Sign, digits and decimals of a decimal number such as `-012.30`; a fault if it is none. */
function decimal(text: string): { n: number; s: number } {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (match === null) throw new Fault('frame.malformed', 'number expected')
  const [, sign, whole = '', part = ''] = match
  if (whole.length + part.length > digitsLimit || part.length > decimalsLimit)
    throw new Fault('frame.malformed', 'number is too long')
  const n = Number(whole + part)
  return { n: sign === '-' && n !== 0 ? -n : n, s: part.length }
}

/** top / bottom as a whole number, a half rounded to the even neighbour. `bottom` > 0. */
function roundHalfEven(top: bigint, bottom: bigint): bigint {
  const floor = top >= 0n ? top / bottom : -((-top + bottom - 1n) / bottom)
  const twice = 2n * (top - floor * bottom)
  if (twice < bottom) return floor
  if (twice > bottom) return floor + 1n
  return floor % 2n === 0n ? floor : floor + 1n
}

/**
 * The quantity that a device's digits mean. In the kind's own unit the digits stay as they are
 * (`72.40` keeps its zero); a foreign unit is converted exactly and rounded half-even to 0.01.
 */
export function quantity(text: string, unit: Unit | ForeignUnit): Quantity {
  const { n, s } = decimal(text)
  const ratio = ratios[unit as ForeignUnit]
  if (ratio === undefined) return { n, s, u: unit as Unit }
  const scale = 10n ** BigInt(s)
  const [shiftTop, shiftBottom] = ratio.shift ?? [0n, 1n]
  const bottom = ratio.bottom * scale * shiftBottom
  const top = BigInt(n) * ratio.top * shiftBottom + shiftTop * ratio.bottom * scale
  const converted = Number(roundHalfEven(top * 100n, bottom))
  if (Math.abs(converted) > mostNumber) throw new Fault('frame.malformed', 'number is too large')
  return { n: converted, s: 2, u: ratio.u }
}

/** The decimal digits of a quantity: `72.40`. */
export function digits({ n, s }: Quantity): string {
  const sign = n < 0 ? '-' : ''
  const text = String(Math.abs(n)).padStart(s + 1, '0')
  return s === 0 ? sign + text : `${sign}${text.slice(0, -s)}.${text.slice(-s)}`
}

/** What `--json` shows: the number token with its digits, and the unit. */
export const shown = (quantity: Quantity): { value: unknown; unit: Unit } => ({
  value: (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits(quantity)),
  unit: quantity.u,
})

/** What people read: `72.40 kg`, `120 mmHg`. */
export const spoken = (quantity: Quantity): string =>
  `${digits(quantity)} ${quantity.u.replace('mm[Hg]', 'mmHg')}`

/** Whether the value can be that of a person in care, after the table of kinds. */
export function plausible(kind: Kind, { n, s }: Quantity): boolean {
  const [low, high] = kinds[kind].plausible
  const value = n / 10 ** s
  return value >= low && value <= high
}
