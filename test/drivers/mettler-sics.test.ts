import { expect, test } from '@jest/globals'
import { bytesOf, textOf } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'
import { heardBy } from './heard.ts'

const heard = await heardBy('mettler-sics')
const kg = (n: number, s: number) => ({ measured: { 'body-weight': { n, s, u: 'kg' } } })

// Lines as printed in Mettler-Toledo operating instructions (AT p.87, GA42 p.31, JS p.30) and as in the tests
// of an open MT-SICS project. Conversions by hand: 1 lb = 0.45359237 kg.
test.each([
  ['S S     100.00 g', kg(10, 2)],
  ['S D     129.07 g', 'unstable'],
  ['S +', 'overload'],
  ['S -', 'underload'],
  ['S S    -100.00 g', 'negative'],
  ['ES', 'error'],
  ['ET', 'error'],
  ['EL', 'error'],
  ['S I', 'no-value'],
  ['S L', 'error'],
  ['I4 A "1234567"', 'unasked'],
  ['I2 A "ICS469 OU 60.18 kg"', 'unasked'],
  ['I0 B 3 "CLR"', 'unasked'],
  ['I0 A', 'unasked'],
  [' 1 "D"', 'frame.malformed'], // the tail of a line
])('%s', (line, expected) => {
  expect(heard(`${line}\r\n`)).toEqual([expected])
})

test.each([
  ['S S      72.40 kg', kg(7240, 2)],
  ['S S      72.40 kg ', kg(7240, 2)],
  ['S S     159.60 lb', kg(7239, 2)], // 72.393342252 kg
  ['S S      400.0 oz', kg(1134, 2)], // 11.33980925 kg
  ['S S 1234567.89 g', kg(123457, 2)],
  ['S S       0.00 kg', 'zero'],
  ['S S      -0.00 kg', 'zero'],
  ['S D      -1.20 kg', 'unstable'],
])('%s', (line, expected) => {
  expect(heard(`${line}\r\n`)).toEqual([expected])
})

test.each([
  'S A      72.40 kg', // in public tests of another project, in no text of the maker
  'S S      72.40', // no unit, no weight
  'S S      72.40 ',
  'S S      72.40 ozt',
  'S S      72.40 KG',
  'S S      72.40 %',
  'S S      72.40 PCS',
  'S S     72.40 kg', // a blank is lost
  'S S       72.40 kg',
  'S S      72,40 kg',
  'S S      72.40kg',
  'S S     - 2.40 kg',
  'S S     +72.40 kg',
  'S S ---------- kg',
  'S S',
  'S',
  'SS      72.40 kg',
  'S  S     72.40 kg',
  'SU S      72.40 kg',
  's s      72.40 kg',
  'S X',
  'EX',
  '2.40 kg',
  '     N       0.3749 g   ', // print mode: the same maker, another format
])('%s is refused', line => {
  expect(heard(`${line}\r\n`)).toEqual(['frame.malformed'])
})

const driver = (await loadDrivers()).of('mettler-sics').driver

test('it is asked with SI a second after the last answer', () => {
  const session = openSession(setUp(driver, {}), 0)
  session.rest(0)
  expect(session.sends().map(textOf)).toEqual(['SI\r\n'])
  // the line of power-on takes the place of the answer, which then comes unasked and is understood
  const outcomes = session.hear(bytesOf('I4 A "0000417"\r\nS D      41.00 kg\r\n'), 60)
  expect(outcomes.map(one => one.heard)).toMatchObject([{ silent: 'unasked' }, { silent: 'unstable' }])
  expect(session.due()).toBe(1060)
})

test.each([
  ['continuous', [undefined, undefined, kg(7240, 2), undefined]],
  ['push', [undefined, kg(7240, 2), kg(7240, 2), kg(7240, 2)]],
])('%s: nothing is asked, and what counts', (mode, expected) => {
  const session = openSession(setUp(driver, { mode }), 0)
  session.rest(5000)
  const lines = ['S D      41.00 kg', 'S S      72.40 kg', 'S S      72.40 kg', 'S S      72.40 kg']
  const told = lines.map((line, at) => session.hear(bytesOf(`${line}\r\n`), 5000 + at * 250)[0]?.said)
  expect(told).toEqual(expected)
  expect([session.due(), session.sends()]).toEqual([undefined, []])
})
