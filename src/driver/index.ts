/** All that a file under drivers/ may import. */
export { type Bytes, bytesOf } from '../base/bytes.ts'
export { Fault } from '../base/fault.ts'
export type { Kind } from '../reading/kinds.ts'
export { type ForeignUnit, type Quantity, quantity } from '../reading/quantity.ts'
export type { Values } from '../reading/reading.ts'
export { type Check, closing, linkCrc, none, parity, sum8, sumText, xor8 } from './checks.ts'
export {
  driver,
  type Measured,
  type Round,
  type Said,
  type Scanned,
  type Sign,
  type Silence,
  type Silent,
  type Step,
  type Told,
  type Understands,
} from './driver.ts'
export { calendar, fields, malformed, text } from './fields.ts'
export type { Framing } from './framing.ts'
export { type Decimal, floatOf, type GattValue, gattValue, type Special, sfloatOf } from './gatt.ts'
export type { BleStep } from './gatt-link.ts'
export { heightOf, massOf, type WeightCount, weightMeasurement } from './gatt-weight.ts'
export type { Settle } from './settle.ts'
export type { Steady } from './steady.ts'
