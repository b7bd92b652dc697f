import { expect, test } from '@jest/globals'
import { heardBy } from './heard.ts'

const heard = await heardBy('healthometer-esc')
/** `␛` as the maker prints it. */
const sent = (packet: string): string => packet.replaceAll('␛', '\x1b')
const kg = (n: number, s: number) => ({ 'body-weight': { n, s, u: 'kg' } })
const one = '␛R␛I1234567890␛W184.5␛H84.0␛B24.1␛T0.0␛Nm␛E'

// Packets as printed by the maker (Pelstar, REV20230711). Its sample numbers do not fit each other, and 84 in at
// 24.1 kg/m2 fits 184.5 lb no better: what was sent is said. By hand: 1 lb = 0.45359237 kg, 1 in = 2.54 cm.
test.each([
  [
    one,
    {
      ...kg(1845, 1),
      'body-height': { n: 840, s: 1, u: 'cm' },
      bmi: { n: 241, s: 1, u: 'kg/m2' },
    },
    '1234567890',
  ],
  [
    one.replace('␛R', '6R'),
    {
      ...kg(1845, 1),
      'body-height': { n: 840, s: 1, u: 'cm' },
      bmi: { n: 241, s: 1, u: 'kg/m2' },
    },
    '1234567890',
  ],
  [
    one.replace('Nm', 'Nc'),
    {
      ...kg(8369, 2), // 83.687792265 kg
      'body-height': { n: 21336, s: 2, u: 'cm' }, // 213.36 cm
      bmi: { n: 241, s: 1, u: 'kg/m2' },
    },
    '1234567890',
  ],
  ['␛R␛I1234567890␛W35.500␛H0.000␛B0.000␛T0.000␛Nc␛E', kg(1610, 2), '1234567890'], // 16.102529135 kg
  ['␛R␛I0000000000␛W123.4␛H0.0␛B0.0␛T0.0␛Nc␛E', kg(5597, 2), undefined], // 55.973298458 kg
  ['␛R␛I0000000000␛W123.4␛H0.0␛B0.0␛Nc␛E', kg(5597, 2), undefined], // no tare: 498KL, 597KL, 600KL
  // Health o meter 1100KL manual p.34: weight 90.98, height 178.70, tare 5.7, BMI 28, metric.
  [
    '␛R␛I1234567890␛W90.98␛H178.70␛T5.7␛B28␛Nm␛E',
    {
      ...kg(9098, 2),
      'body-height': { n: 17870, s: 2, u: 'cm' },
      bmi: { n: 28, s: 0, u: 'kg/m2' },
    },
    '1234567890',
  ],
  ['␛R␛I1234567890␛W200.00␛Nm␛E', kg(20000, 2), '1234567890'], // the same manual, p.33
  ['␛R␛W0210.9␛Nm␛E', kg(2109, 1), undefined], // Rice Lake 160-10-7 manual p.11
])('%s', (packet, measured, deviceId) => {
  expect(heard(sent(packet))).toEqual([{ measured, ...(deviceId !== undefined && { deviceId }) }])
})

test.each([
  ['␛R␛I1234567890␛W999.99␛Nm␛E', 'overload'], // Rice Lake 160-10 and 350-10: over or under
  ['␛R␛W999.9␛Nc␛E', 'overload'], // Rice Lake 140-10
  ['␛R␛W0.0␛Nm␛E', 'zero'],
  ['␛R␛W-0.4␛Nm␛E', 'negative'],
  ['4.5␛H84.0␛B24.1␛T0.0␛Nm␛E', 'frame.malformed'], // a start in the middle
  [one.replace('␛Nm', ''), 'frame.malformed'],
  [one.replace('␛W184.5', ''), 'frame.malformed'],
  [one.replace('␛Nm', '␛Nm␛Nc'), 'frame.malformed'],
  [one.replace('␛T0.0', '␛W72.4'), 'frame.malformed'],
  [one.replace('Nm', 'Nk'), 'frame.malformed'],
  [one.replace('Nm', 'NM'), 'frame.malformed'],
  [one.replace('W184.5', 'W184'), 'frame.malformed'],
  [one.replace('W184.5', 'W184,5'), 'frame.malformed'],
  [one.replace('W184.5', 'W 84.5'), 'frame.malformed'],
  [one.replace('W184.5', 'W184.'), 'frame.malformed'],
  [one.replace('W184.5', 'W'), 'frame.malformed'],
  [one.replace('B24.1', 'B--'), 'frame.malformed'],
  [one.replace('H84.0', 'H-84.0'), 'frame.malformed'],
  [one.replace('␛T0.0', '␛D202601150905'), 'frame.malformed'], // a stored reading: not asked for
  [one.replace('␛R', '␛R72.4'), 'frame.malformed'],
  ['␛R␛E', 'frame.malformed'],
  ['␛O␛E', 'frame.malformed'], // power status of a 1100KL
  [one.slice(0, -2), 'frame.malformed'], // no end
])('%s', (packet, expected) => {
  expect(heard(sent(packet))).toEqual([expected])
})

test('a packet counts from its last beginning', () => {
  const cut = '␛R␛I9999999999␛W300.0␛H8'
  const said = { measured: kg(724, 1) }
  expect(heard(sent(`${cut}␛R␛W72.4␛Nm␛E`))).toEqual([said])
  expect(heard(sent(`${cut}6R␛W72.4␛Nm␛E`))).toEqual([said])
  // An id that ends like a beginning costs the id, not the weight.
  expect(heard(sent('␛R␛IA6R␛W72.4␛Nm␛E'))).toEqual([said])
})

test('without height neither height nor BMI is read', () => {
  expect(heard(sent(one), { height: false })).toEqual([{ measured: kg(1845, 1), deviceId: '1234567890' }])
})

const weight = (word: string, units = 'm'): string => sent(`␛R␛W${word}␛N${units}␛E`)

test('where zeros are streamed, weights may be unlocked and are refused', () => {
  const stream = ['0.0', '72.4', '0.0', '0.0', '72.4', '999.99', '72.4'].map(word => weight(word)).join('')
  const said = { measured: kg(724, 1) }
  expect(heard(stream)).toEqual([
    'zero',
    said,
    'zero',
    'zero',
    'frame.malformed',
    'overload',
    'frame.malformed',
  ])
  expect(heard(stream, { mode: 'once' })).toEqual(['zero', said, 'zero', 'zero', said, 'overload', said])
})

test('the same weight in the other unit is the key UNITS', () => {
  // 159.6 lb = 72.393342252 kg, 160.0 lb = 72.5747792 kg
  const stream = weight('72.4') + weight('159.6', 'c') + weight('72.4') + weight('160.0', 'c')
  const [first, third] = [{ measured: kg(724, 1) }, { measured: kg(7257, 2) }]
  expect(heard(stream, { mode: 'once' })).toEqual([first, 'repeat', 'repeat', third])
  expect(heard(stream)).toEqual([first, { measured: kg(7239, 2) }, first, third])
})
