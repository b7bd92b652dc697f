import { expect, test } from '@jest/globals'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'
import { heardBy } from './heard.ts'

const id = 'healthometer-d7e4'
const hears = await heardBy(id)
/** One character a byte. */
const bytes = (frames: string): Uint8Array => Uint8Array.from(Buffer.from(frames, 'latin1'))
const heard = (frames: string, options: object = {}): unknown[] => hears(bytes(frames), options)
const kg = (n: number, s: number) => ({ measured: { 'body-weight': { n, s, u: 'kg' } } })
const frame = (status: number, weight: string, start = 2): string =>
  `${String.fromCharCode(start, status, 0xd7, 0xe4)}${weight}\r`

// The first three as printed by the maker (Pelstar, REV20230711); the status bytes of Doran DS8030 manual p.11.
// 123.4 lb = 55.973298458 kg, 98.6 lb = 44.724207682 kg.
test.each([
  ['chair, pounds', frame(0x80, '123.4'), kg(5597, 2)],
  ['baby scale', frame(0x82, '004.990'), kg(4990, 3)],
  ['baby scale, SOH', frame(0x82, '004.990', 1), kg(4990, 3)],
  ['Doran, kilograms', frame(0x82, '0098.6'), kg(986, 1)],
  ['Doran, blanks', frame(0x80, '  98.6'), kg(4472, 2)],
  ['pounds below zero', frame(0xb0, '0001.2'), 'negative'],
  ['kilograms below zero', frame(0xb2, '0001.2'), 'negative'],
  ['zero', frame(0x80, '000.0'), 'zero'],
  ['zero with a minus', frame(0xb2, '0000.0'), 'zero'],
  ['another status', frame(0x84, '123.4'), 'frame.malformed'],
  ['no sign of the protocol', '\x02\x80\xd7\xe5123.4\r', 'frame.malformed'],
  ['another start', frame(0x80, '123.4', 3), 'frame.malformed'],
  ['a start in the middle', '3.4\r', 'frame.malformed'],
  ['4 characters', frame(0x80, '23.4'), 'frame.malformed'],
  ['8 characters', frame(0x80, '00123.40'), 'frame.malformed'],
  ['no point', frame(0x80, '01234'), 'frame.malformed'],
  ['a comma', frame(0x80, '123,4'), 'frame.malformed'],
  ['dashes', frame(0x80, '---.-'), 'frame.malformed'],
  ['a sign in the weight', frame(0x80, '-23.4'), 'frame.malformed'],
  ['a blank inside', frame(0x80, '1 3.4'), 'frame.malformed'],
  ['cut', frame(0x82, '30').slice(0, -1), 'frame.malformed'],
])('%s', (_what, sent, expected) => {
  expect(heard(sent)).toEqual([expected])
})

const { driver } = (await loadDrivers()).of(id)
/** What counts of frames that came half a second apart. */
const counted = (frames: string[], options: object): unknown[] => {
  const session = openSession(setUp(driver, options), 0)
  return frames.flatMap((one, at) => session.hear(bytes(one), at * 500).flatMap(({ said }) => said ?? []))
}
const pounds = (...weights: string[]): string[] => weights.map(weight => frame(0x80, weight))

test('a weight that is sent again and again counts once, and not where nobody came', () => {
  const stays = pounds('123.4', '123.4', '123.4', '123.4')
  expect(counted(stays, {})).toEqual([])
  expect(counted([...pounds('000.0'), ...stays], {})).toEqual([kg(5597, 2)])
  expect(counted(pounds('000.0', '123.4', '145.2', '123.4'), {})).toEqual([])
  expect(counted(stays, { mode: 'once' })).toEqual([kg(5597, 2)])
})

test('twice the same is one weighing of a baby scale', () => {
  const twice = [frame(0x82, '004.990'), frame(0x82, '004.990')]
  expect(counted(twice, { mode: 'once' })).toEqual([kg(4990, 3)])
  const other = frame(0x82, '005.120')
  expect(counted([...twice, other, other], { mode: 'once' })).toEqual([kg(4990, 3), kg(5120, 3)])
})

test('a Doran weight counts when it stood still for eight frames', () => {
  const doran = { model: 'doran' }
  const still = (weight: string, times: number): string[] => Array(times).fill(frame(0x82, weight))
  const [one] = [kg(986, 1)]
  expect(heard(still('0098.6', 2).join(''), doran)).toEqual([one, one])
  const load = [...still('0000.0', 1), ...still('0040.2', 7), ...still('0098.6', 8)]
  expect(heard(load.join(''), doran)).toEqual(['zero', ...Array(14).fill('unstable'), one])
  expect(counted(load, doran)).toEqual([])
  expect(counted([...load, ...still('0098.6', 3)], doran)).toEqual([one])
  // Who sat there when listening began is not weighed.
  expect(counted(still('0098.6', 20), doran)).toEqual([])
})

test('a Doran sends two stop bits', () => {
  expect(setUp(driver, {}).link).toMatchObject({ serial: { baud: 2400, stopBits: 1 } })
  expect(setUp(driver, { model: 'doran' }).link).toMatchObject({ serial: { baud: 2400, stopBits: 2 } })
})
