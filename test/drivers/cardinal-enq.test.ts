import { expect, test } from '@jest/globals'
import { bytesOf, textOf } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'
import { heardBy } from './heard.ts'

const heard = await heardBy('cardinal-enq')
const kg = (n: number, s: number) => ({ measured: { 'body-weight': { n, s, u: 'kg' } } })

// Built after the grammar of the Detecto 758C manual p.32 (compact), the Cardinal 185 manual p.25 (blanks
// between) and the 758 manual p.7 (five digits); no maker prints a record. 1 lb = 0.45359237 kg.
test.each([
  [' 0072.4kgG  ', kg(724, 1)],
  ['   72.4 KG G MO ', 'unstable'],
  ['   72.4 KG G    ', kg(724, 1)],
  ['   72.4 KG G   ', kg(724, 1)],
  [' 0250.4kgGOC', 'overload'],
  [' 0072.4kgGee', 'no-value'],
  [' 0072.4kgGEE', 'no-value'],
  ['   72.4 KG G ee ', 'no-value'],
  [' 0000.0kgGCZ', 'zero'],
  [' 0000.0kgG  ', 'zero'],
  ['   72.4kgN  ', kg(724, 1)],
  [' 07240gG  ', kg(724, 2)],
  ['+0072.4kgG  ', kg(724, 1)],
  ['-0013.8kgN  ', 'negative'],
  [' -013.8kgN  ', 'negative'],
  ['-  13.8kgN  ', 'negative'],
  ['-0013.8kgNCZ', 'negative'],
  [' 0072.40kgG  ', kg(7240, 2)],
  [' 072.4kgG  ', kg(724, 1)], // five characters: the old 758
  [' 0159.6lbG  ', kg(7239, 2)], // 72.393342252 kg
  ['  159.6 LB G    ', kg(7239, 2)],
  [' 0400.0ozG  ', kg(1134, 2)], // 11.33980925 kg
  [' 0011.5stG  ', kg(7303, 2)], // 73.02837157 kg
])('%s', (record, expected) => {
  expect(heard(`${record}\r`)).toEqual([expected])
})

test.each([
  ' 0072.4G  ', // no unit, no weight
  '   72.4  G    ',
  ' 0072.4KgG  ',
  ' 0072.4PCG  ',
  ' 0072.4kg  ',
  ' 0072.4kgT  ',
  ' 0072.4kgG', // no status
  ' 0072.4kgG ',
  '   72.4 KG G ',
  '   72.4 KG G  ', // MO may have been lost
  ' 0072.4kgGXX',
  ' 0072.4kgGmo',
  ' 0072.4kgGCZ', // centre of zero, and a weight
  '0072.4kgG  ', // its beginning was not heard
  '2.4kgG  ',
  ' 72.4kgG  ',
  '  2.4 KG G    ',
  ' 000072.4kgG  ',
  ' 0072,4kgG  ',
  ' 00 2.4kgG  ',
  ' 0072.kgG  ',
  ' 0072.4 kgG  ', // blanks between some fields only
  ' 0072.4kgG  x',
])('%s is refused', record => {
  expect(heard(`${record}\r`)).toEqual(['frame.malformed'])
})

const driver = (await loadDrivers()).of('cardinal-enq').driver

test('it is asked with ENQ a second after the last answer', () => {
  const session = openSession(setUp(driver, {}), 0)
  session.rest(0)
  expect(session.sends().map(textOf)).toEqual(['\x05'])
  session.hear(bytesOf(' 0072.4kgGMO\r'), 80)
  expect(session.due()).toBe(1080)
  session.rest(1080)
  expect(session.sends().map(textOf)).toEqual(['\x05'])
  // no answer: it is switched off, which is no fault
  expect(session.rest(1580)).toEqual([])
  expect(session.due()).toBe(2580)
})

test('one that sends by itself is never asked, and its weighings count once', () => {
  const session = openSession(setUp(driver, { mode: 'continuous' }), 0)
  session.rest(5000)
  expect(session.due()).toBeUndefined()
  const told = [' 0041.0kgGMO', ' 0072.4kgG  ', ' 0072.4kgG  ', ' 0072.4kgG  '].map(
    (record, at) => session.hear(bytesOf(`${record}\r`), 5000 + at * 200)[0]?.said,
  )
  expect(told).toEqual([undefined, undefined, kg(724, 1), undefined])
  expect(session.sends()).toEqual([])
})
