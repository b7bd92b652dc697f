import { expect, test } from '@jest/globals'
import { bytesOf, textOf } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'
import { heardBy } from './heard.ts'

const heard = await heardBy('sma-scale')
const kg = (n: number, s: number) => ({ measured: { 'body-weight': { n, s, u: 'kg' } } })

// Records as printed by Minebea (PR 5220 p.130-133, PR 5211 p.54) and after the tables there and in the
// Detecto 758C manual p.32, padded to the ten characters that they state. 1 lb = 0.45359237 kg.
test.each([
  [' 1G       5.025lb ', kg(228, 2)], // 2.27930165925 kg
  [' 1g      5.0025lb ', kg(227, 2)], // 2.269095830925 kg
  ['Z1G       0.000lb ', 'zero'],
  [' 1GM      7.650kg ', 'unstable'],
  [' 1G       7.650kg ', kg(7650, 3)],
  [' 1G  ----------   ', 'no-value'],
  ['E1G  ----------   ', 'error'],
  ['T1G  ----------   ', 'error'],
  ['U1G        -3.4kg ', 'underload'],
  ['O1G       250.4kg ', 'overload'],
  ['e1G        72.4kg ', 'no-value'],
  ['W01, 1G        72.4kg ', kg(724, 1)],
  ['W01, 1GM       72.4kg ', 'unstable'],
  ['?', 'error'],
  ['!', 'error'],
  ['SMA:1/1.0', 'unasked'],
  ['END:', 'unasked'],
])('␊%s␍', (record, expected) => {
  expect(heard(`\n${record}\r`)).toEqual([expected])
})

test.each([
  [' 1N        72.4kg ', kg(724, 1)],
  [' 1n       72.40kg ', kg(7240, 2)],
  [' 3G        72.4kg ', kg(724, 1)],
  [' 1G       400.0oz ', kg(1134, 2)], // 11.33980925 kg
  [' 1G       58600g  ', kg(5860, 2)],
  [' 1G        11.5st ', kg(7303, 2)], // 73.02837157 kg
  // Cardinal 190 prints room for 11 characters: the unit is found from the end
  [' 1G         72.4kg ', kg(724, 1)],
  [' 1T        13.8kg ', 'tare'],
  [' 1N       -13.8kg ', 'negative'],
  ['Z1N       -13.8kg ', 'negative'],
  [' 1G         0.0kg ', 'zero'],
  [' 1G        -0.0kg ', 'zero'],
])('%s', (record, expected) => {
  expect(heard(`\n${record}\r`)).toEqual([expected])
})

test.each([
  ' 1G        72.4   ', // no unit, no weight
  ' 1GM       72.4   ',
  ' 1G        72.4KG ',
  ' 1G        72.4PC ',
  ' 1G        72.4 kg', // the unit has its place
  ' 1G        72,4kg ',
  ' 1G      - 72.4kg ',
  ' 1G      72.4.1kg ',
  ' 1G          .4kg ',
  ' 1G            kg ',
  ' 1G      72.4  kg ',
  ' 1G ---72.4kg ',
  'Z1G        72.4kg ', // centre of zero, and a weight
  ' 1X        72.4kg ',
  ' 1GS       72.4kg ',
  ' 1G x      72.4kg ',
  ' 0G        72.4kg ',
  'X1G        72.4kg ',
  ' 1G       72.4kg ', // a byte is lost
  ' 1G           72.4kg ', // too wide
  'W1, 1G        72.4kg ',
  '',
  '??',
])('%s is refused', record => {
  expect(heard(`\n${record}\r`)).toEqual(['frame.malformed'])
})

test('the LF stands at the start: a record ends with its CR, and one cut in front is refused', () => {
  expect(heard('  72.4kg \r\n 1G        72.4kg \r')).toEqual(['frame.malformed', kg(724, 1)])
  expect(heard('\n 1G        72.\n 1G        72.4kg \r')).toEqual(['frame.malformed', kg(724, 1)])
})

test('it is asked with LF W CR a second after the last answer, and half a second is waited', async () => {
  const session = openSession(setUp((await loadDrivers()).of('sma-scale').driver, {}), 0)
  const answer = (record: string, at: number) => session.hear(bytesOf(`\n${record}\r`), at)
  session.rest(0)
  expect(session.sends().map(textOf)).toEqual(['\nW\r'])
  expect(session.due()).toBe(500)
  answer(' 1GM       41.0kg ', 100)
  expect(session.due()).toBe(1100)
  session.rest(1100)
  expect(session.sends().map(textOf)).toEqual(['\nW\r'])
  // two equal stable answers are one weighing; the second comes too late and counts all the same
  expect(answer(' 1G        72.4kg ', 1200)).toMatchObject([{ heard: kg(724, 1) }])
  session.rest(2200)
  session.rest(2700)
  const [late] = answer(' 1G        72.4kg ', 2900)
  expect(late).toEqual({ frame: bytesOf('\n 1G        72.4kg \r'), heard: kg(724, 1), said: kg(724, 1) })
  expect(session.due()).toBe(3700)
})
