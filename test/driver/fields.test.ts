import { expect, test } from '@jest/globals'
import { unhex } from '../../src/base/bytes.ts'
import { calendar, fields, text } from '../../src/driver/fields.ts'
import { choiceOf } from '../../src/driver/options.ts'

test('a payload is text byte by byte, whatever its bytes', () => {
  expect(text(unhex('41f800ff'))).toBe('A\xf8\x00\xff')
})

test('fields gives the groups, absent ones empty, or a fault without any value', () => {
  expect(fields(unhex('4131'), /^(A)(\d)(x)?$/)).toEqual(['A', '1', ''])
  expect(() => fields(unhex('4132'), /^(B)$/)).toThrow(
    expect.objectContaining({ code: 'frame.malformed', message: 'frame does not fit its pattern' }),
  )
})

test.each([
  [['2026', '07', '11', '09', '05'], '2026-07-11T09:05'],
  [['2024', '02', '29', '23', '59', '58'], '2024-02-29T23:59:58'],
  [['2025', '02', '29', '09', '05'], undefined],
  [['2026', '13', '01', '09', '05'], undefined],
  [['2026', '00', '01', '09', '05'], undefined],
  [['2026', '07', '11', '24', '00'], undefined],
  [['2026', '07', '11', '09', '60'], undefined],
  [['1999', '07', '11', '09', '05'], undefined],
  [['26', '07', '11', '09', '05'], undefined],
])('calendar %j', (parts, expected) => {
  const [year, month, day, hour, minute, second] = parts as [string, string, string, string, string, string?]
  expect(calendar(year, month, day, hour, minute, second)).toBe(expected)
})

test('a typed word becomes the choice it names', () => {
  const table = { parity: { choices: [false, true, 'even'], default: false, tells: 'x' } } as const
  expect(choiceOf(table, 'parity', 'true')).toBe(true)
  expect(choiceOf(table, 'parity', 'even')).toBe('even')
  expect(choiceOf(table, 'parity', 'both')).toBe('both')
  expect(choiceOf(table, 'other', '1')).toBe('1')
})
