import { describe, expect, test } from '@jest/globals'
import driver from '../../drivers/ble-oximeter/driver.ts'
import { setUp } from '../../src/driver/setup.ts'
import { vetted } from '../../src/driver/vet.ts'
import { heardValues } from './values.ts'

const heard = heardValues(driver)
const one = (bytes: string, char = '2a5e', options = {}): unknown =>
  heard([[char, bytes.replace(/\s/g, '')]], options)[0]
const stream = (bytes: string): unknown => one(bytes, '2a5f', { mode: 'continuous' })
const q = (n: number, s: number, u: string) => ({ n, s, u })
const values = (spo2: number, pulse: number, s = 0) => ({
  spo2: q(spo2, s, '%'),
  'pulse-rate': q(pulse, s, '/min'),
})

test('the card is valid with every option', () => {
  expect(vetted('ble-oximeter', driver)).toBe(driver)
})

test('each mode hears its own characteristic', () => {
  const of = (options: object) => {
    const { link, settle } = setUp(driver, options)
    return { ble: 'ble' in link && link.ble, settle }
  }
  expect(of({})).toMatchObject({
    ble: { bond: true, stores: false, begin: [{ clock: '2a2b' }, { hear: '2a5e' }], quietMs: 30_000 },
    settle: undefined,
  })
  expect(of({ mode: 'continuous', bond: false, memory: true })).toMatchObject({
    ble: { bond: false, stores: true, begin: [{ clock: '2a2b' }, { hear: '2a5f' }] },
    settle: { kind: 'spo2' },
  })
})

describe('values of real oximeters, as quoted in public places', () => {
  test('ChoiceMMed, spot check and stream (Stack Overflow 71264072): its clock was not set', () => {
    expect(one('17 6100 6000 e107 01 01 01 22 13 2000 200000')).toEqual({ measured: values(97, 96) })
    expect(stream('0c 6200 4e00 2000 000000')).toEqual({ measured: values(98, 78) })
  })

  // Medisana PM 100 (ChoiceMMed MD300C208S), from the tests of the open project BluetoothEngine.
  test.each([
    ['1c 6200 4000 2000 200000 22f0', { measured: { ...values(98, 64), 'perfusion-index': q(34, 1, '%') } }],
    ['1c 6000 4900 2000 240000 23f0', 'unstable'], // b2, an irregular signal
    ['1c 0000 0000 0000 200800 00f0', 'no-value'],
    ['1c 6100 0000 0000 200800 00f0', 'no-value'],
  ])('Medisana PM 100: %s', (bytes, expected) => {
    expect(stream(bytes)).toEqual(expected)
  })
})

// Values of the tests of SpeziBluetooth.
test.each([
  ['00 e8f3 84f3', { measured: values(1000, 900, 1) }],
  ['00 6400 5a00', { measured: values(100, 90) }],
  ['1c 5f00 5a00 2000 000000 57f0', { measured: { ...values(95, 90), 'perfusion-index': q(87, 1, '%') } }],
])('stream %s', (bytes, expected) => {
  expect(stream(bytes)).toEqual(expected)
})

test('the fast and the slow averages of the stream are passed over', () => {
  const measured = values(93, 141)
  expect(stream('01 5d00 8d00 5c00 8c00')).toEqual({ measured })
  expect(stream('02 5d00 8d00 5e00 8e00')).toEqual({ measured })
  expect(stream('07 5d00 8d00 5c00 8c00 5e00 8e00 0080')).toBe('error')
})

test.each([
  ['00 ff07 4800', 'NaN'],
  ['00 0008 4800', 'NRes'],
  ['00 fe07 4800', '+INFINITY'],
  ['00 0208 4800', '-INFINITY'],
  ['00 0108 4800', 'reserved'],
  ['00 6200 ff07', 'NaN'],
  ['00 6200 0108', 'reserved'],
  ['00 ff07 ff07', 'both NaN'],
  ['00 0000 4800', 'zero'],
  ['00 6200 0000', 'zero'],
])('%s: %s is no value', bytes => {
  expect(one(bytes)).toBe('no-value')
  expect(stream(bytes)).toBe('no-value')
})

describe('status', () => {
  // Bits of PLXS 1.0.1, measurement status.
  test.each([
    [5, 'measured'],
    [6, 'unstable'],
    [7, 'measured'],
    [8, 'measured'],
    [10, 'error'],
    [11, 'error'],
    [12, 'error'],
    [13, 'no-value'],
    [14, 'unstable'],
    [15, 'error'],
  ])('measurement status b%i', (bit, expected) => {
    const status = (1 << bit)
      .toString(16)
      .padStart(4, '0')
      .replace(/(..)(..)/, '$2$1')
    const said = { measured: values(98, 72) }
    expect(one(`02 6200 4800 ${status}`)).toEqual(expected === 'measured' ? said : expected)
    expect(stream(`04 6200 4800 ${status}`)).toEqual(expected === 'measured' ? said : expected)
  })

  // Bits of PLXS 1.0.1, device and sensor status.
  test.each([
    [0, 'unstable'],
    [1, 'error'],
    [2, 'unstable'],
    [3, 'no-value'],
    [4, 'measured'],
    [5, 'measured'],
    [6, 'unstable'],
    [7, 'no-value'],
    [8, 'unstable'],
    [9, 'unstable'],
    [10, 'unstable'],
    [11, 'no-value'],
    [12, 'error'],
    [13, 'no-value'],
    [14, 'error'],
    [15, 'error'],
    [16, 'measured'],
  ])('device and sensor status b%i', (bit, expected) => {
    const status = (1 << bit)
      .toString(16)
      .padStart(6, '0')
      .replace(/(..)(..)(..)/, '$3$2$1')
    const said = { measured: values(98, 72) }
    expect(one(`04 6200 4800 ${status}`)).toEqual(expected === 'measured' ? said : expected)
    expect(stream(`08 6200 4800 ${status}`)).toEqual(expected === 'measured' ? said : expected)
  })

  test('reserved bits and flags are passed over', () => {
    expect(one('e2 6200 4800 1f00')).toEqual({ measured: values(98, 72) })
  })
})

describe('spot check', () => {
  const time = 'ea07 01 0f 09 05 1e'

  test('a time, unless flag b4 says that the clock was never set or there is no such day', () => {
    const said = { measured: values(98, 72) }
    expect(one(`01 6200 4800 ${time}`)).toEqual({ ...said, deviceTime: '2026-01-15T09:05:30' })
    expect(one(`11 6200 4800 ${time}`)).toEqual(said)
    expect(one('01 6200 4800 0000 00 00 09 05 1e')).toEqual(said)
    expect(one('01 6200 4800 ea07 02 1e 09 05 1e')).toEqual(said)
  })

  test('from storage', () => {
    expect(one(`03 6200 4800 ${time} 0002`)).toEqual({
      measured: values(98, 72),
      deviceTime: '2026-01-15T09:05:30',
      stored: true,
    })
  })

  test('a pulse amplitude of 3.4 %, and one that is none', () => {
    const { spo2, 'pulse-rate': pulse } = values(98, 72)
    expect(one('08 6200 4800 22f0')).toEqual({
      measured: { spo2, 'pulse-rate': pulse, 'perfusion-index': q(34, 1, '%') },
    })
    expect(one('08 6200 4800 ff07')).toEqual({ measured: values(98, 72) })
    expect(one('08 6200 4800 0000')).toEqual({ measured: values(98, 72) })
  })

  test.each([
    [''],
    ['00 6200 48'],
    [`01 6200 4800 ea07 01 0f 09 05`],
    [`07 6200 4800 ${time} 0000 0000`],
    ['08 6200 4800 22'],
    ['00 6500 4800'],
    ['00 6200 9101'], // 401
    ['00 9eff 4800'], // -98
    ['00 6200 b80f'], // -72
    ['00 620f 4800'],
  ])('%s is refused', bytes => {
    expect(one(bytes)).toBe('frame.malformed')
  })

  test('bytes too many at the end are passed over', () => {
    expect(one('00 6200 4800 ffff')).toEqual({ measured: values(98, 72) })
  })
})

test('the features hold no value', () => {
  expect(one('a3004010800100', '2a60')).toBe('no-value')
})
