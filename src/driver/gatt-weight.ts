import type { Bytes } from '../base/bytes.ts'
import { type Quantity, quantity } from '../reading/quantity.ts'
import type { Said, Silent } from './driver.ts'
import { malformed } from './fields.ts'
import { gattValue } from './gatt.ts'

// Weight Measurement 0x2A9D (Weight Scale Service 1.0, GATT Specification Supplement), which scales and body
// composition analysers send in the same form.

/** What one count of the weight is: 0.005 kg by the specification, its resolution with some scales. */
export type WeightCount = '0.005' | '0.05'

const decimal = (counts: number, step: number, decimals: number): string =>
  `${Math.floor((counts * step) / 10 ** decimals)}.${String((counts * step) % 10 ** decimals).padStart(decimals, '0')}`

/** So many counts of a weight, with all digits of its field: 0.005 kg or 0.01 lb a count. */
export const massOf = (counts: number, imperial: boolean, count: WeightCount = '0.005'): Quantity => {
  if (!imperial) return quantity(count === '0.005' ? decimal(counts, 5, 3) : decimal(counts, 5, 2), 'kg')
  // What the imperial count of such a scale is, nobody has seen.
  if (count !== '0.005') throw malformed('weight is in pounds: see the option quirk')
  return quantity(decimal(counts, 1, 2), 'lb')
}

/** So many counts of a height: 0.001 m or 0.1 inch a count, 0.01 m where a weight counts 0.05 kg. */
export const heightOf = (counts: number, imperial: boolean, count: WeightCount = '0.005'): Quantity => {
  if (imperial) return quantity(decimal(counts, 1, 1), 'in')
  return quantity(count === '0.005' ? decimal(counts, 1, 1) : String(counts), 'cm')
}

const number = ({ n, s }: Quantity): number => n / 10 ** s

/** More than any scale for persons takes, in kg. A weight that is counted wrongly mostly lies above. */
const heaviest = 350

/**
 * How far a weight may be from what the body mass index and the height beside it make of it. Their roundings
 * are some percent; a wrong count or unit is a factor of two and more.
 */
const contradicted = 1.5

/** A weight that its body mass index and height contradict is counted wrongly: ten times too little, say. */
function agreeing(weight: Quantity, bmi: Quantity | undefined, height: Quantity | undefined): void {
  if (bmi === undefined || height === undefined) return
  const ratio = number(weight) / (number(bmi) * (number(height) / 100) ** 2)
  if (ratio > contradicted || ratio < 1 / contradicted) {
    throw malformed('weight contradicts body mass index and height: see the option quirk')
  }
}

/**
 * Understands a Weight Measurement. Body mass index and height are said where the scale has them; the user is
 * not: a number of the scale is nobody in the house. Reserved flags and bytes at the end are ignored.
 */
export function weightMeasurement(payload: Bytes, count: WeightCount = '0.005'): Said | Silent {
  const value = gattValue(payload)
  const flags = value.u8()
  const has = (bit: number): boolean => ((flags >> bit) & 1) === 1
  const imperial = has(0)
  const counts = value.u16()
  const deviceTime = has(1) ? value.dateTime() : undefined
  if (has(2)) value.skip(1)
  const [bmiCounts, heightCounts] = has(3) ? [value.u16(), value.u16()] : [0, 0]
  if (counts === 0xffff) return { silent: 'error' }
  if (counts === 0) return { silent: 'zero' }
  // Reserved by the specification, "below zero" with Detecto: the count has no sign of its own.
  if (has(4)) return { silent: 'negative' }
  const weight = massOf(counts, imperial, count)
  // Zero is how scales say that they have none.
  const bmi = bmiCounts === 0 ? undefined : quantity(decimal(bmiCounts, 1, 1), 'kg/m2')
  const height = heightCounts === 0 ? undefined : heightOf(heightCounts, imperial, count)
  if (number(weight) > heaviest) throw malformed('weight is none that a scale takes: see the option quirk')
  agreeing(weight, bmi, height)
  return {
    measured: {
      'body-weight': weight,
      ...(bmi !== undefined && { bmi }),
      ...(height !== undefined && { 'body-height': height }),
    },
    ...(deviceTime !== undefined && { deviceTime }),
  }
}
