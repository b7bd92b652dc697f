import { type Kind, kinds } from '../reading/kinds.ts'
import { digits, type Quantity } from '../reading/quantity.ts'
import type { Heard, Outcome } from './session.ts'
import type { Setup } from './setup.ts'

/** The form of a text without what it says: `R-00417` and `K-93820` are both `A-00000`. */
const shape = (text: string): string =>
  text.replace(/[0-9]/g, '0').replace(/[A-Z]/g, 'A').replace(/[a-z]/g, 'a')

/** A value without what it says: its decimals, and whether it lies below, in or above what is plausible. */
function side(kind: Kind, value: Quantity, settle: Setup['settle']): string {
  const [low, high] = kinds[kind].plausible
  const number = value.n / 10 ** value.s
  const where = number < low ? 'below' : number > high ? 'above' : 'in'
  // Weigh-once sees an empty platform in a weight, so a weight that is one must stay one.
  const empty = settle !== undefined && 'emptyBelow' in settle && number <= settle.emptyBelow ? ' empty' : ''
  return `${kind}.${value.s} ${where}${empty}`
}

/**
 * What sort of thing a frame says, without the values: two frames of one sort are treated alike everywhere,
 * but for what they say. Scrubbing a capture changes values and keeps the sorts.
 */
export function sortOf(heard: Heard, settle: Setup['settle']): string {
  if ('fault' in heard) return `fault ${heard.fault}`
  if ('scanned' in heard) return `scanned ${shape(heard.scanned)}`
  if ('silent' in heard) {
    const { silent, passing } = heard
    return passing === undefined
      ? `silent ${silent}`
      : `silent ${silent} ${side(settle?.kind ?? 'body-weight', passing, settle)}`
  }
  const values = Object.entries(heard.measured).map(([kind, value]) => side(kind as Kind, value, settle))
  const { deviceTime, deviceId, stored } = heard
  const beside = [deviceTime && shape(deviceTime), deviceId && `id ${shape(deviceId)}`, stored && 'stored']
  return ['measured', ...values, ...beside.filter(Boolean)].join(' ')
}

/**
 * The sorts of outcomes, in order. What a conversation says of its own, without any frame, is no part of what
 * the device sent.
 */
export const sortsOf = (outcomes: readonly Outcome[], { settle }: Setup): string[] =>
  outcomes.filter(({ frame }) => frame.length > 0).map(({ heard }) => sortOf(heard, settle))

/** Everything that outcomes say of a person or a moment, each as a text that names what it is. */
export const saidIn = (outcomes: readonly Outcome[]): string[] =>
  outcomes.flatMap(({ heard }) => {
    if ('scanned' in heard) return [`scanned ${heard.scanned}`]
    if ('fault' in heard) return []
    if ('silent' in heard) {
      // A weight that moves is one too; of an empty platform there is nothing to hide.
      const { passing } = heard
      return passing === undefined || passing.n === 0 ? [] : [`${passing.u} ${digits(passing)}`]
    }
    const values = Object.values(heard.measured).map(value => `${value.u} ${digits(value)}`)
    const { deviceTime, deviceId } = heard
    return [
      ...values,
      ...(deviceTime === undefined ? [] : [`time ${deviceTime}`]),
      ...(deviceId === undefined ? [] : [`id ${deviceId}`]),
    ]
  })
