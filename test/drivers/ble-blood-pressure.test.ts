import { describe, expect, test } from '@jest/globals'
import driver from '../../drivers/ble-blood-pressure/driver.ts'
import { setUp } from '../../src/driver/setup.ts'
import { vetted } from '../../src/driver/vet.ts'
import { heardValues } from './values.ts'

const heard = heardValues(driver)
const one = (bytes: string, options = {}, char = '2a35'): unknown => heard([[char, bytes]], options)[0]
const mmHg = (n: number, s = 0) => ({ n, s, u: 'mm[Hg]' })
const perMinute = (n: number, s = 0) => ({ n, s, u: '/min' })
const swapped = { quirk: 'beurer-swapped' }

test('the card is valid with every option', () => {
  expect(vetted('ble-blood-pressure', driver)).toBe(driver)
})

describe('values of real monitors, as quoted in public projects', () => {
  test('boso medicus: 124/86, mean 97, pulse 51 (blood-pressure-monitor-fl)', () => {
    expect(one('167c0056006100e807060f11111b33000000')).toEqual({
      measured: {
        systolic: mmHg(124),
        diastolic: mmHg(86),
        'mean-arterial-pressure': mmHg(97),
        'pulse-rate': perMinute(51),
      },
      deviceTime: '2024-06-15T17:17:27',
    })
  })

  test('boso medicus shows Err: all NaN, and a status in which nothing is set (issue 80)', () => {
    expect(one('16ff07ff07ff07e80706170e230aff070000')).toBe('error')
  })

  // PR 735: the user is 0, 1 and 1; the third has a reserved bit in its status
  test.each([
    ['566a0047000000ea07080b121f00003f000000', 106, 71, 63, '2026-08-11T18:31:00'],
    ['56710049000000ea07080b1438000041010000', 113, 73, 65, '2026-08-11T20:56:00'],
    ['56770046000000ea07080b1439000057010040', 119, 70, 87, '2026-08-11T20:57:00'],
  ])('Beurer BM 85: %s', (bytes, systolic, diastolic, pulse, deviceTime) => {
    expect(one(bytes, swapped)).toEqual({
      measured: { systolic: mmHg(systolic), diastolic: mmHg(diastolic), 'pulse-rate': perMinute(pulse) },
      deviceTime,
    })
  })

  test('BM 85 read without its quirk, or another monitor with it, is refused', () => {
    expect(one('566a0047000000ea07080b121f00003f000000')).toBe('frame.malformed')
    // Pulse 64 is 0x40 0x00 the wrong way round: a zero, were it not for the byte that is left.
    expect(one('566a0047000000ea07080b121f000040000000')).toBe('frame.malformed')
    expect(one('167c0056006100e807060f11111b33000000', swapped)).toBe('frame.malformed')
    expect(one('1e8a00580078000000041114293b3c00012700', swapped)).toBe('frame.malformed')
  })

  test('tenths, reserved flags and status bits, no mean: nRF Connect shows 127.0 mmHg', () => {
    expect(one('def6f416f3ff07e4070114082b00b2f2018000')).toEqual({
      measured: { systolic: mmHg(1270, 1), diastolic: mmHg(790, 1), 'pulse-rate': perMinute(690, 1) },
      deviceTime: '2020-01-20T08:43:00',
    })
  })

  test('a vendor frame on the same characteristic (flutter_blue issue 687)', () => {
    expect(one('fe202700750055005f00e407091810093a690001')).toBe('frame.malformed')
  })
})

describe('values of other libraries’ own tests', () => {
  test('nothing is known of the year; every status bit set changes no value (Nordic)', () => {
    expect(one('1e8a00580078000000041114293b3c00012700')).toEqual({
      measured: {
        systolic: mmHg(138),
        diastolic: mmHg(88),
        'mean-arterial-pressure': mmHg(120),
        'pulse-rate': perMinute(60),
      },
    })
  })

  test.each(['167c0056006100e807060f11111b33002700', '167c0056006100e807060f11111b33000800'])(
    'status changes no value: %s',
    bytes => {
      expect(one(bytes)).toEqual(one('167c0056006100e807060f11111b33000000'))
    },
  )

  test.each([
    ['00bdf00b009ff0', '18.9 over 11.0 mmHg: that is kPa, and the flag is wrong'],
    ['1f790051006a00e40705150a1e2d4800010600', '121 over 81 kPa: that is mmHg'],
    ['00480051004000', '72 over 81'],
    ['0848005100400001', '72 over 81, with a user'],
    ['1f0048', 'cut short'],
  ])('%s: %s', bytes => {
    expect(one(bytes)).toBe('frame.malformed')
  })

  test('the enhanced measurement, its user facing time two days after the epoch', () => {
    const said = {
      measured: {
        systolic: mmHg(120),
        diastolic: mmHg(80),
        'mean-arterial-pressure': mmHg(100),
        'pulse-rate': perMinute(72),
      },
      deviceTime: '2000-01-03T00:00:00',
    }
    expect(one('7e78005000640080510100480005030000a30200', {}, '2b34')).toEqual(said)
    // The same seconds since 1900 are no time of this century.
    expect(one('3e78005000640080510100480005030000a30200', {}, '2b34')).toEqual({ measured: said.measured })
  })
})

test.each([
  ['2a36', '1e0400000000000000041114293b3c00012700', 'unstable'],
  ['2a36', '00d7f000000000', 'unstable'],
  ['2a36', '004600ff07ff07', 'unstable'],
  ['2b35', '004600ff07ff07', 'unstable'],
  ['2a49', '0100', 'no-value'],
  ['2a08', 'dd07081a090a14', 'no-value'],
  ['2a08', '00000000121a20', 'no-value'],
  ['2a52', '06000101', 'ack'],
  ['2a52', '11000304', 'ack'],
  ['2a52', '06000106', 'no-value'],
  ['2a52', '06000102', 'frame.malformed'],
  ['2a52', '0600', 'frame.malformed'],
  ['2a9d', '00b036', 'frame.malformed'],
  ['', '00780050005d00', 'frame.malformed'],
])('%s %s is %s', (char, bytes, expected) => {
  expect(one(bytes, {}, char)).toBe(expected)
})

// 120/80 mmHg, mean 93 (0x5d); 40 is 0x28, 300 is 0x12c, 20 is 0x14
test.each([
  ['00280014001e00', [40, 20, 30]],
  ['00270014001e00', undefined],
  ['002c015000c800', [300, 80, 200]],
  ['002d015000c800', undefined],
  ['00780077007700', [120, 119, 119]],
  ['00780078007800', undefined],
  ['00780001000000', [120, 1, undefined]],
  ['00780000000000', undefined],
  ['0078009cff0000', undefined], // diastolic -100
  ['00780050004f00', undefined],
  ['00780050007900', undefined],
  ['00780050009cff', undefined],
])('pressures %s', (bytes, expected) => {
  const [systolic, diastolic, mean] = expected ?? []
  expect(one(bytes)).toEqual(
    expected === undefined
      ? 'frame.malformed'
      : {
          measured: {
            systolic: mmHg(systolic!),
            diastolic: mmHg(diastolic!),
            ...(mean !== undefined && { 'mean-arterial-pressure': mmHg(mean) }),
          },
        },
  )
})

test.each([
  ['1300', 'frame.malformed'],
  ['1400', perMinute(20)],
  ['2c01', perMinute(300)],
  ['2d01', 'frame.malformed'],
  ['9cff', 'frame.malformed'], // -100 tenths
  ['0000', undefined],
  ['ff07', undefined],
  ['0008', undefined],
])('pulse %s', (word, expected) => {
  const pulse = typeof expected === 'object' ? { 'pulse-rate': expected } : {}
  const said = { measured: { systolic: mmHg(120), diastolic: mmHg(80), ...pulse } }
  expect(one(`0478005000ff07${word}`)).toEqual(typeof expected === 'string' ? expected : said)
})

test.each(['ff07', '0008', 'fe07', '0208', '0108'])('a special %s is no pressure', word => {
  expect(one(`00${word}50005d00`)).toBe('error')
  expect(one(`007800${word}5d00`)).toBe('error')
  expect(one(`0078005000${word}`)).toEqual({ measured: { systolic: mmHg(120), diastolic: mmHg(80) } })
})

// 760 mmHg are 101.325 kPa: 16.0 kPa are 120.00987, 10.7 are 80.25660, 12.4 are 93.00765
test('kPa are converted, half-even to 0.01', () => {
  expect(one('01a0f06bf07cf0')).toEqual({
    measured: {
      systolic: mmHg(12001, 2),
      diastolic: mmHg(8026, 2),
      'mean-arterial-pressure': mmHg(9301, 2),
    },
  })
})

test('every value that is shorter than its flags say is refused, and one that is longer is not', () => {
  const whole = '1e780050005d00ea07010f09051b4800010000'
  for (let length = 0; length < whole.length; length += 2) {
    expect(one(whole.slice(0, length))).toBe('frame.malformed')
  }
  expect(one(`${whole}00`)).toEqual(one(whole))
})

test('A&D is listened to before its clock is set; the others have theirs set first', () => {
  const begin = (options: object) => {
    const { link } = setUp(driver, options)
    return 'ble' in link ? link.ble.begin : []
  }
  expect(begin({ begin: 'and' })).toEqual([{ hear: '2a35', must: true }, { clock: '2a08' }])
  expect(begin({}).at(-1)).toEqual({ hear: '2a35', must: true })
  expect(begin({ begin: 'omron-all' }).at(-1)).toEqual({ write: '2a52', bytes: '0101' })
  expect(begin({ begin: 'omron-last' }).at(-1)).toEqual({ write: '2a52', bytes: '0106' })
})
