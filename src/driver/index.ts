/** All that a file under drivers/ may import. */
export { type Bytes, bytesOf } from '../base/bytes.ts'
export { Fault } from '../base/fault.ts'
export type { Kind } from '../reading/kinds.ts'
export { type ForeignUnit, type Quantity, quantity } from '../reading/quantity.ts'
export type { Values } from '../reading/reading.ts'
export { type Check, none, parity, sumText } from './checks.ts'
export {
  driver,
  type Measured,
  type Said,
  type Scanned,
  type Silence,
  type Silent,
  type Step,
} from './driver.ts'
export { calendar, fields, malformed, text } from './fields.ts'
export type { Framing } from './framing.ts'
export type { Settle } from './settle.ts'
