import { expect, test } from '@jest/globals'
import { concat, hex, unhex } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { setUp } from '../../src/driver/setup.ts'
import { heardBy } from './heard.ts'

const heard = await heardBy('and-tm2655')

// The record that a hospital note quotes of a TM-2655P (116, 86, 60, 89 of 2026-06-04), its frame and check
// byte put together by hand: exclusive or of SOH to ETX, 33.
const quoted =
  '161601303002544d323635351e323630363034313533321e411e424d1e4530301e533131361e4d2038361e442036301e502038391e4930301e4c3134330333'
const said = {
  measured: {
    systolic: { n: 116, s: 0, u: 'mm[Hg]' },
    diastolic: { n: 60, s: 0, u: 'mm[Hg]' },
    'mean-arterial-pressure': { n: 86, s: 0, u: 'mm[Hg]' },
    'pulse-rate': { n: 89, s: 0, u: '/min' },
  },
  deviceTime: '2026-06-04T15:32',
}
const moved =
  '161601303002544d323635351e323630363034313534301e411e424d1e4534341e533030301e4d3030301e443030301e503030301e4930301e4c303030032f'

test('a record, a failed measurement, an acknowledgement, half a record', () => {
  expect(heard(unhex(quoted))).toEqual([said])
  expect(heard(unhex(moved))).toEqual(['error'])
  expect(heard(unhex('161601303006'))).toEqual(['ack'])
  expect(heard(unhex(quoted.slice(0, 66)))).toEqual(['frame.malformed'])
})

/** A frame of these fields, RS written as `|`. The check byte is the exclusive or of SOH to ETX. */
function frame(fields: string): Uint8Array<ArrayBuffer> {
  const body = Buffer.from(`\x0100\x02${fields.replaceAll('|', '\x1e')}\x03`, 'latin1')
  let bcc = 0
  for (const byte of body) bcc ^= byte
  return Uint8Array.from([0x16, 0x16, ...body, bcc])
}
const good = 'TM2655|2606041532|A|BM|E00|S116|M 86|D 60|P 89|I00|L143'

test('the check byte may be 03 like the ETX: exactly one byte follows the ETX', () => {
  // 33 with one `0` (30) more is 03
  const three = frame(good.replace('E00', 'E000'))
  expect([...three.slice(-2)]).toEqual([3, 3])
  const next = frame(good.replace('1532', '1540'))
  expect(heard(concat(three, next))).toEqual([said, { ...said, deviceTime: '2026-06-04T15:40' }])
})

test.each([
  ['TM-2657|2606041532|A|BM|E00|S116|M 86|D 60|P 89|I00|L143|i0|m0|r0|t0', said],
  ['TM2657P|2606041532||ABM|E00|S116|M086|D060|P089', said],
  [good.replace('2606041532', '0000000000'), { measured: said.measured }],
  [good.replace('2606041532', '2602301532'), { measured: said.measured }],
  [good.replace('E00', 'E12'), 'error'],
  [good.replace('E00|S116', 'E12|x'), 'error'],
  ['TM2655|2606041532|A|BM|E00|S   |M   |D   |P   |I00|L000', 'no-value'],
  ['TM2655|2606041532|A|BM|E00|S000|M000|D000|P000|I00|L000', 'no-value'],
])('%s', (fields, expected) => {
  expect(heard(frame(fields))).toEqual([expected])
})

test.each([
  good.replace('P 89', 'P   '),
  good.replace('S116', 'S000'),
  good.replace('S116|M 86', 'M 86|S116'),
  good.replace('M 86', 'M 60'), // mean not above diastole
  good.replace('M 86', 'M116'),
  good.replace('D 60', 'D 90'),
  good.replace('P 89', 'P89'),
  good.replace('P 89', 'P 8 '),
  good.replace('P 89', 'P-89'),
  good.replace('P 89', 'P 089'),
  good.replace('P 89', 'p 89'),
  good.replace('E00', 'X00'),
  good.replace('|E00', ''),
  good.replace('E00', 'E0'),
  good.replace('2606041532', '260604153'),
  good.replace('TM2655', 'UA767'),
  good.replace('|P 89|I00|L143', ''),
  'RB',
  '',
])('%s is refused', fields => {
  expect(heard(frame(fields))).toEqual(['frame.malformed'])
})

test('a damaged check byte or field is no value, and the frame after it is whole again', () => {
  const damaged = unhex(quoted.replace('533131', '533231'))
  expect(heard(concat(damaged, unhex(quoted)))).toEqual(['frame.check', 'noise', said])
  expect(heard(unhex(`${quoted.slice(0, -2)}32`))).toEqual(['frame.check', 'noise'])
})

test('a frame that another one cuts off is noise, and costs only itself', () => {
  expect(heard(unhex(quoted.slice(0, 60) + quoted))).toEqual(['noise', said])
  expect(heard(unhex(quoted.slice(40) + quoted))).toEqual(['noise', said])
})

test('a record without end is given up', () => {
  const endless = concat(unhex('161601303002'), new Uint8Array(200).fill(0x41))
  expect(heard(concat(endless, unhex(quoted)))).toEqual(['frame.too-long', 'noise', said])
})

test('the same record again is a repeat; without a clock that cannot be told', () => {
  const other = frame(good.replace('S116', 'S118'))
  expect(heard(concat(unhex(quoted), unhex(moved), unhex(quoted)))).toEqual([said, 'error', 'repeat'])
  expect(heard(concat(unhex(quoted), other, unhex(quoted)))).toMatchObject([said, {}, said])
  const unset = frame(good.replace('2606041532', '0000000000'))
  expect(heard(concat(unset, unset))).toMatchObject([{ measured: {} }, { measured: {} }])
})

test('the cuff is started by a scan only where that was set, with the command that is published', async () => {
  const { driver } = (await loadDrivers()).of('and-tm2655')
  expect(setUp(driver, {}).feedback).toEqual({})
  const { feedback } = setUp(driver, { start: 'on-scan' })
  expect(Object.keys(feedback)).toEqual(['scanned'])
  expect(hex(Buffer.from(feedback.scanned!, 'latin1'))).toBe('16160130300253540307')
})
