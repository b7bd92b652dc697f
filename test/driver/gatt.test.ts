import { expect, test } from '@jest/globals'
import { unhex } from '../../src/base/bytes.ts'
import { isFault } from '../../src/base/fault.ts'
import { floatOf, gattValue, sfloatOf } from '../../src/driver/gatt.ts'
import { quantity } from '../../src/reading/quantity.ts'

const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (isFault(error)) return error.code
    throw error
  }
  return 'none'
}

// Bytes and values of public libraries' own tests and of a maker's document, digits written by hand.
test.each([
  ['6cf1', '36.4'], // gatt-parser, as the next ones: mantissa 0x16c = 364
  ['6ce1', '3.64'],
  ['6c01', '364'],
  ['6c11', '3640'],
  ['940e', '-364'],
  ['01fe', '-51.1'], // blessed-android: mantissa 0xe01 = -511
  ['8000', '128'], // A&D UA-651BLE, 128 mmHg in the maker's document
  ['78f0', '12.0'], // 120 tenths: the zero was sent
  ['00f0', '0.0'],
  ['0070', '0'],
  ['0180', '0.00000001'], // the least exponent, -8
  ['ff77', '20470000000'], // the mantissa of NaN is a number with another exponent: the greatest there is
  ['0088', '-0.00002048'],
])('SFLOAT %s is %s', (bytes, digits) => {
  expect(gattValue(unhex(bytes)).sfloat()).toEqual({ digits })
})

test.each([
  ['6c0100ff', '36.4'],
  ['6c0100fe', '3.64'],
  ['94feffff', '-36.4'],
  ['710e00fe', '36.97'],
  ['68010000', '360'],
  ['100e00fe', '36.00'],
  ['ffff7f01', '83886070'], // 8,388,607 tens
  ['00008001', '-83886080'],
  // A library's test calls this +INFINITY; it is minus one followed by 127 zeros.
  ['ffffff7f', `-1${'0'.repeat(127)}`],
  ['01000080', `0.${'0'.repeat(127)}1`],
])('FLOAT %s is %s', (bytes, digits) => {
  expect(gattValue(unhex(bytes)).float()).toEqual({ digits })
})

// IEEE 11073-20601: the five words that are no number, as they stand on the wire.
test.each([
  ['NaN', 'ff07', 'ffff7f00'],
  ['NRes', '0008', '00008000'],
  ['+INFINITY', 'fe07', 'feff7f00'],
  ['-INFINITY', '0208', '02008000'],
  ['reserved', '0108', '01008000'],
])('%s is no number', (special, short, long) => {
  expect(gattValue(unhex(short)).sfloat()).toEqual({ special })
  expect(gattValue(unhex(long)).float()).toEqual({ special })
})

test('every SFLOAT word is its mantissa times its power of ten, or one of five specials', () => {
  let none = 0
  for (let word = 0; word < 65_536; word++) {
    const { digits } = sfloatOf(word)
    if (digits === undefined) {
      none++
      continue
    }
    const mantissa = ((word & 0xfff) << 20) >> 20
    const exponent = (word << 16) >> 28
    const right = Number(`${mantissa}e${exponent}`)
    if (Number(digits) !== right) throw new Error(`${word} is ${right}, not ${digits}`)
  }
  expect(none).toBe(5)
})

test('what no reading can carry is a malformed frame once it is to be a quantity', () => {
  const far = floatOf(0x7fffffff).digits!
  expect(codeOf(() => quantity(far, 'Cel'))).toBe('frame.malformed')
  expect(codeOf(() => quantity(sfloatOf(0x8001).digits!, 'mm[Hg]'))).toBe('frame.malformed')
  expect(codeOf(() => quantity(sfloatOf(0x77ff).digits!, 'kPa'))).toBe('frame.malformed')
  // 128 tens
  expect(quantity(sfloatOf(0x1080).digits!, 'mm[Hg]')).toEqual({ n: 1280, s: 0, u: 'mm[Hg]' })
})

test('whole numbers are little-endian, and one is big-endian where it must be', () => {
  const value = gattValue(unhex('01020103020104030201fffeff0102'))
  expect([value.u8(), value.u16(), value.u24(), value.u32()]).toEqual([1, 0x0102, 0x010203, 0x01020304])
  expect([value.s8(), value.s16(), value.rest()]).toEqual([-1, -2, 2])
  expect(value.u16big()).toBe(0x0102)
  expect(value.rest()).toBe(0)
  expect(gattValue(unhex('ffffffff')).u32()).toBe(4_294_967_295)
})

test('a field that is not there is a malformed frame, whatever it is', () => {
  const nothing = gattValue(unhex(''))
  expect(codeOf(() => nothing.u8())).toBe('frame.malformed')
  const one = (): ReturnType<typeof gattValue> => gattValue(unhex('00'))
  for (const read of ['u16', 'u24', 'u32', 's16', 'u16big', 'sfloat', 'float', 'dateTime'] as const) {
    expect(codeOf(() => one()[read]())).toBe('frame.malformed')
  }
  expect(codeOf(() => one().since(2000))).toBe('frame.malformed')
  expect(codeOf(() => one().skip(2))).toBe('frame.malformed')
  expect(codeOf(() => gattValue(unhex('dd07081a090a')).dateTime())).toBe('frame.malformed')
})

test.each([
  ['dd07081a090a14', '2013-08-26T09:10:20'], // A&D UA-651BLE, the maker's example
  ['e807060f11111b', '2024-06-15T17:17:27'],
  ['00000000121a20', undefined], // nothing of the date is known
  ['0000041114293b', undefined], // the year is not
  ['dd0700050a0a0a', undefined], // the month is not
  ['dd0708000a0a0a', undefined], // the day is not
  ['b2070101002e38', undefined], // 1970: the clock was never set
  ['e707021d000000', undefined], // 29 February 2023
  ['dd07081a180000', undefined], // hour 24
])('Date Time %s is %s', (bytes, expected) => {
  expect(gattValue(unhex(bytes)).dateTime()).toBe(expected)
})

// 86,400 seconds are a day; 2000 is 36,524 days after 1900 (24 leap days: 1900 was none), 3,155,673,600 seconds.
test('seconds since a year are a Date Time, and none outside this century', () => {
  expect(gattValue(unhex('80510100')).since(2000)).toBe('2000-01-02T00:00:00')
  expect(gattValue(unhex('00c217bc')).since(1900)).toBe('2000-01-01T00:00:00')
  expect(gattValue(unhex('80510100')).since(1900)).toBe(undefined)
  expect(gattValue(unhex('ffffffff')).since(2000)).toBe(undefined)
})
