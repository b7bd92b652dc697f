import { describe, expect, test } from '@jest/globals'
import driver from '../../drivers/ble-weight/driver.ts'
import { setUp } from '../../src/driver/setup.ts'
import { vetted } from '../../src/driver/vet.ts'
import { heardValues } from './values.ts'

const heard = heardValues(driver)
const one = (bytes: string, options = {}): unknown => heard([['2a9d', bytes]], options)[0]
const kg = (n: number, s: number) => ({ n, s, u: 'kg' })
const quirk = { quirk: 'resolution-0.05' }
const profile = { profile: true }

test('the card is valid with every option', () => {
  expect(vetted('ble-weight', driver)).toBe(driver)
})

describe('values of real scales, as quoted in public projects', () => {
  // 56.8 lb × 0.45359237 are 25.764 kg
  test('A&D without a clock, display 56.8 lb', () => {
    expect(one('013016')).toEqual({ measured: { 'body-weight': kg(2576, 2) } })
  })

  test('Beurer BF 720: 79.96 kg, BMI 23.8 at 1.83 m (ble-scale-sync issue 168)', () => {
    expect(one('0e783eea07050c12353601ee002607', profile)).toEqual({
      measured: {
        'body-weight': kg(79_960, 3),
        bmi: { n: 238, s: 1, u: 'kg/m2' },
        'body-height': { n: 1830, s: 1, u: 'cm' },
      },
      deviceTime: '2026-05-12T18:53:54',
    })
  })

  test('a scale that counts 0.05 kg (AccessibleScale): BMI 24.8 at 1.62 m are 65.1 kg', () => {
    expect(one('2e1605e507021407161b03f800a200', { ...quirk, ...profile })).toEqual({
      measured: {
        'body-weight': kg(6510, 2),
        bmi: { n: 248, s: 1, u: 'kg/m2' },
        'body-height': { n: 162, s: 0, u: 'cm' },
      },
      deviceTime: '2021-02-20T07:22:27',
    })
    expect(one('0e1605e50702140719380300000000', quirk)).toEqual({
      measured: { 'body-weight': kg(6510, 2) },
      deviceTime: '2021-02-20T07:25:56',
    })
    expect(one('2e1605e507021407161b03f800a200')).toBe('frame.malformed')
  })
})

test.each([
  ['00b036', undefined], // 14,000 × 0.005
  ['02b036e7070c190e1e2d', '2023-12-25T14:30:45'],
  ['02b036b207010102030405', undefined],
])('70 kg: %s', (bytes, deviceTime) => {
  const said = { measured: { 'body-weight': kg(70_000, 3) } }
  expect(one(bytes)).toEqual(deviceTime === undefined ? said : { ...said, deviceTime })
})

// 70 / (24.5 × 1.75²) is 0.93: the library's test does not compute its BMI, and is not contradicted
test('70 kg with a BMI of 24.5 at 1.75 m, and without them where users may be shared', () => {
  const said = {
    'body-weight': kg(70_000, 3),
    bmi: { n: 245, s: 1, u: 'kg/m2' },
    'body-height': { n: 1750, s: 1, u: 'cm' },
  }
  expect(one('0cb03605f500d606', { profile: true })).toEqual({ measured: said })
  expect(one('0cb03605f500d606')).toEqual({
    measured: { 'body-weight': said['body-weight'] },
  })
})

test.each([
  ['02ffffea070102030405', 'error'],
  ['01ffff', 'error'],
  ['000000', 'zero'],
  ['10b036', 'negative'],
  ['100000', 'zero'],
])('%s is no weight: %s', (bytes, silence) => {
  expect(one(bytes)).toBe(silence)
})

// at 1.75 m (0x06d6) 70 kg have a BMI of 22.86; a factor of 1.5 either way is 15.2 to 34.3
test.each([
  ['08b0369a00d606', false], // 15.4
  ['08b0369600d606', true], // 15.0
  ['08b0365501d606', false], // 34.1
  ['08b0365901d606', true], // 34.5
  ['08b036e5000000', false], // no height
  ['08b0360000d606', false], // no BMI
])('BMI and height: %s is refused: %s', (bytes, refused) => {
  expect(one(bytes) === 'frame.malformed').toBe(refused)
})

// 70.00 kg are 15,432 (0x3c48) hundredths of a pound; 68.9 inch (689, 0x02b1) are 175.006 cm
test('pounds and inches', () => {
  expect(one('09483ce500b102', profile)).toEqual({
    measured: {
      'body-weight': kg(7000, 2),
      bmi: { n: 229, s: 1, u: 'kg/m2' },
      'body-height': { n: 17_501, s: 2, u: 'cm' },
    },
  })
  // The kilograms of one and the pounds of the other: a BMI computed in kg tells. 70 lb are 31.75 kg.
  expect(one('09581be500b102')).toBe('frame.malformed')
  expect(one('01483c', quirk)).toBe('frame.malformed')
})

// 7,000 and 7,001 counts of 0.05 kg
test('with 0.05 kg a count no scale takes more than 350 kg', () => {
  expect(one('00581b', quirk)).toEqual({ measured: { 'body-weight': kg(35_000, 2) } })
  expect(one('00591b', quirk)).toBe('frame.malformed')
})

// bits 3 to 6: 0x20 is code 4, 0.05 kg; 0x38 is code 7; 0x07 has none
test.each([
  ['27000000', false],
  ['07000000', false],
  ['3f000000', true],
  ['37000000', true],
])('a scale whose feature is %s is doubted with 0.05 kg a count: %s', (feature, doubted) => {
  const values = [
    ['2a9e', feature],
    ['2a9d', '007805'],
  ] as const
  const said = (n: number, s: number) => ({ measured: { 'body-weight': kg(n, s) } })
  expect(heard(values, quirk)).toEqual(['no-value', doubted ? 'frame.malformed' : said(7000, 2)])
  // The resolution is how exact a scale is, never what a count is by the specification.
  expect(heard(values)).toEqual(['no-value', said(7000, 3)])
})

test('other characteristics, and values that are cut short', () => {
  expect(heard([['2a08', 'ea07010f090500']])).toEqual(['no-value'])
  expect(heard([['2a35', '00780050005d00']])).toEqual(['frame.malformed'])
  expect(heard([['2a9e', '070000']])).toEqual(['frame.malformed'])
  const whole = '0e783eea07050c12353601ee002607'
  for (let length = 0; length < whole.length; length += 2) {
    expect(one(whole.slice(0, length))).toBe('frame.malformed')
  }
  expect(one(`${whole}ff`)).toEqual(one(whole))
})

test('A&D is listened to before its clock is set', () => {
  const { link } = setUp(driver, { begin: 'and' })
  expect('ble' in link && link.ble.begin).toEqual([{ hear: '2a9d', must: true }, { clock: '2a08' }])
})
