import { expect, test } from '@jest/globals'
import driver from '../../drivers/ble-thermometer/driver.ts'
import { setUp } from '../../src/driver/setup.ts'
import { vetted } from '../../src/driver/vet.ts'
import { heardValues } from './values.ts'

const heard = heardValues(driver)
const one = (bytes: string, char = '2a1c'): unknown => heard([[char, bytes]])[0]
const said = (n: number, s: number, deviceTime?: string) => ({
  measured: { 'body-temperature': { n, s, u: 'Cel' } },
  ...(deviceTime !== undefined && { deviceTime }),
})

test('the card is valid with every option', () => {
  expect(vetted('ble-thermometer', driver)).toBe(driver)
})

// Bytes and values quoted in public questions and in libraries' tests.
test.each([
  ['06680100ffe207030a15340002', said(360, 1, '2018-03-10T21:52:00')],
  ['06700100ffe207030a141b0002', said(368, 1, '2018-03-10T20:27:00')],
  ['065a0100ffe207030a141f0002', said(346, 1, '2018-03-10T20:31:00')],
  ['06d70a00fee107081e082d3504', said(2775, 2, '2017-08-30T08:45:53')], // a finger
  ['06790c00fee107081e082e3504', said(3193, 2, '2017-08-30T08:46:53')],
  ['06e70d00fee107081e08311e01', said(3559, 2, '2017-08-30T08:49:30')],
  ['066b0100ffda070102011f0000', said(363, 1, '2010-01-02T01:31:00')], // FORA IR20, a reserved place
  ['06660100ffda070102011d0000', said(358, 1, '2010-01-02T01:29:00')],
  ['06b00e00fedc070c050b321b04', said(3760, 2, '2012-12-05T11:50:27')],
  ['06b00e00fedc070c050b092704', said(3760, 2, '2012-12-05T11:09:39')],
  ['00c40900fe', said(2500, 2)],
  ['01da0300ff', said(3700, 2)], // 98.6 °F
  ['00ffff7f00', 'error'],
  ['06b00e00fedc070c050b321b', 'frame.malformed'],
])('%s', (bytes, expected) => {
  expect(one(bytes)).toEqual(expected)
})

// 97.5 °F are 65.5 × 5 / 9 = 36.388… °C, 100.4 °F are 38 °C
test.each([
  ['01cf0300ff', 3639],
  ['01ec0300ff', 3800],
])('Fahrenheit %s', (bytes, hundredths) => {
  expect(one(bytes)).toEqual(said(hundredths, 2))
})

test.each([
  ['00640000ff', said(100, 1)], // 10.0
  ['00630000ff', 'frame.malformed'], // 9.9
  ['00f40100ff', said(500, 1)], // 50.0
  ['00f50100ff', 'frame.malformed'],
  ['00da0300ff', 'frame.malformed'], // 98.6 said to be Celsius
  ['01720100ff', 'frame.malformed'], // 37.0 said to be Fahrenheit
  ['00000000ff', 'frame.malformed'],
  ['00ffffff7f', 'frame.malformed'], // -1e127: a library's test has it as infinity
])('what is none of a body is refused: %s', (bytes, expected) => {
  expect(one(bytes)).toEqual(expected)
})

test.each(['ffff7f00', '00008000', 'feff7f00', '02008000', '01008000'])('a special %s is none', word => {
  expect(one(`00${word}`)).toBe('error')
  expect(one(`01${word}`)).toBe('error')
})

test('previews and facts about the thermometer are silent, others are refused', () => {
  expect(one('00680100ff', '2a1e')).toBe('unstable')
  expect(one('02', '2a1d')).toBe('no-value')
  expect(one('3c00', '2a21')).toBe('no-value')
  expect(one('ea07010f090500', '2a08')).toBe('no-value')
  expect(one('00680100ff', '2a35')).toBe('frame.malformed')
})

test('values that are cut short are refused, longer ones and reserved flags are not', () => {
  const whole = '06680100ffe207030a15340002'
  for (let length = 0; length < whole.length; length += 2) {
    expect(one(whole.slice(0, length))).toBe('frame.malformed')
  }
  expect(one(`${whole}ff`)).toEqual(one(whole))
  expect(one(`fe${whole.slice(2)}`)).toEqual(one(whole))
})

test('A&D is listened to before its clock is set', () => {
  const { link } = setUp(driver, { begin: 'and' })
  expect('ble' in link && link.ble.begin).toEqual([{ hear: '2a1c', must: true }, { clock: '2a08' }])
})
