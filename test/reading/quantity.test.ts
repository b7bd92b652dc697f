import { expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import type { Unit } from '../../src/reading/kinds.ts'
import { type ForeignUnit, quantity } from '../../src/reading/quantity.ts'

const codeOf = (text: string, unit: Unit | ForeignUnit): string => {
  try {
    quantity(text, unit)
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
  return 'none'
}

// WIRE 1.5: a number has at most nine digits and six decimals
test('nine digits and six decimals are a number, one more of either is a malformed frame', () => {
  expect(quantity('123.456789', 'kg')).toEqual({ n: 123_456_789, s: 6, u: 'kg' })
  expect(quantity('-999999999', 'kg')).toEqual({ n: -999_999_999, s: 0, u: 'kg' })
  for (const text of ['0.1234567', '1.0000000', '1234567890', '1234.567890']) {
    expect(codeOf(text, 'kg')).toBe('frame.malformed')
  }
})

test('a converted value that no longer fits is a malformed frame too', () => {
  // 22,046,226 lb × 0.45359237 = 9,999,999.90… kg; one pound more is 10,000,000.36 kg: ten digits at 0.01
  expect(quantity('22046226', 'lb')).toEqual({ n: 999_999_990, s: 2, u: 'kg' })
  expect(codeOf('22046227', 'lb')).toBe('frame.malformed')
  expect(codeOf('999999999', 'lb')).toBe('frame.malformed')
  expect(codeOf('-999999999', 'st')).toBe('frame.malformed')
})
