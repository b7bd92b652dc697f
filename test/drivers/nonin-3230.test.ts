import { expect, test } from '@jest/globals'
import driver from '../../drivers/nonin-3230/driver.ts'
import { vetted } from '../../src/driver/vet.ts'
import { heardValues } from './values.ts'

const oximetry = '0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b'
const heard = heardValues(driver)
const one = (bytes: string, char = oximetry): unknown => heard([[char, bytes.replace(/\s/g, '')]])[0]
const values = (spo2: number, pulse: number) => ({
  measured: { spo2: { n: spo2, s: 0, u: '%' }, 'pulse-rate': { n: pulse, s: 0, u: '/min' } },
})

test('the card is valid', () => {
  expect(vetted('nonin-3230', driver)).toBe(driver)
})

// Layout of Nonin's sample code: length, status, battery, amplitude (2), seconds (2), SpO2, pulse rate (2).
test.each([
  ['0a 04 1c 007b 002a 61 0048', values(97, 72)],
  ['0a 04 1c 007b 002a 5d 008d', values(93, 141)],
  ['0a 04 1c 007b 002a 5d 012c', values(93, 300)],
  ['0a 76 1c 007b 002a 61 0048', values(97, 72)], // encrypted, low battery, b4, weak signal
  ['0c 04 1c 007b 002a 61 0048 0000', values(97, 72)], // a later, longer format
  ['0a 08 1c 0000 002b 7f 01ff', 'no-value'],
  ['0a 0c 1c 007b 002a 61 0048', 'no-value'],
  ['0a 04 1c 007b 002a 7f 0048', 'no-value'],
  ['0a 04 1c 007b 002a 61 01ff', 'no-value'],
  ['0a 00 1c 007b 002a 7f 01ff', 'no-value'],
  ['0a 00 1c 007b 002a 61 0048', 'unstable'],
  ['0a 10 1c 007b 002a 61 0048', 'unstable'],
  ['0a 04 1c 007b 002a 65 0048', 'frame.malformed'],
  ['0a 04 1c 007b 002a 00 0048', 'frame.malformed'],
  ['0a 04 1c 007b 002a 61 0000', 'frame.malformed'],
  ['0a 04 1c 007b 002a 61 4800', 'frame.malformed'],
  ['0a 04 1c 007b 002a 61 00', 'frame.malformed'],
  ['0b 04 1c 007b 002a 61 0048', 'frame.malformed'],
  ['09 04 1c 007b 002a 61 00', 'frame.malformed'],
  ['', 'frame.malformed'],
])('%s', (bytes, expected) => {
  expect(one(bytes)).toEqual(expected)
})

test('another characteristic holds no value', () => {
  expect(one('0a041c007b002a610048', '1447af80-0d60-11e2-88b6-0002a5d5c51b')).toBe('no-value')
})
