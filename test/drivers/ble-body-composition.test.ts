import { expect, test } from '@jest/globals'
import driver from '../../drivers/ble-body-composition/driver.ts'
import { setUp } from '../../src/driver/setup.ts'
import { vetted } from '../../src/driver/vet.ts'
import { heardValues } from './values.ts'

const heard = heardValues(driver)
const one = (bytes: string): unknown => heard([['2a9c', bytes]])[0]
const fat = (n: number) => ({ 'body-fat': { n, s: 1, u: '%' } })
const kg = (n: number, s: number) => ({ 'body-weight': { n, s, u: 'kg' } })

test('the card is valid with every option', () => {
  expect(vetted('ble-body-composition', driver)).toBe(driver)
})

// Beurer BF 720 and BF 788, and other values, as quoted in the open project ble-scale-sync
test.each([
  ['9803c200df1a9701cc2fca21a811', { measured: fat(194) }],
  ['0000c800', { measured: fat(200) }],
  ['0104c800e544', { measured: { ...fat(200), ...kg(8000, 2) } }], // 176.37 lb are 80.00009 kg
  ['9803000096230000000000000000', 'no-value'], // a placeholder of the history
  ['9803c200', 'frame.malformed'],
])('%s', (bytes, expected) => {
  expect(one(bytes)).toEqual(expected)
})

// Xiaomi sends its own form on this characteristic: control bytes, then a year where the fat would be.
test.each(['02a4b2070101023a38fdfff03c', '02a4b2070213063335fdffec09', '0624b2070101002e3800004c04'])(
  'another maker’s form is refused: %s',
  bytes => {
    expect(one(bytes)).toBe('frame.malformed')
  },
)

test.each([
  ['0000ffff', 'error'],
  ['0004c800ffff', 'error'],
  ['00000000', 'no-value'],
  ['00040000b036', { measured: kg(70_000, 3) }], // 14,000 × 0.005 kg, and no fat
  ['0004c8000000', { measured: fat(200) }],
  [
    '000cc800b036d606',
    { measured: { ...fat(200), ...kg(70_000, 3), 'body-height': { n: 1750, s: 1, u: 'cm' } } },
  ],
  ['0008c8000000', { measured: fat(200) }],
  ['00080000d606', 'no-value'], // a height alone is the user's, nothing was measured
  ['0000e803', { measured: fat(1000) }],
  ['0000e903', 'frame.malformed'],
  ['0010c800', 'frame.malformed'], // goes on in a second value
  ['00e0c800', { measured: fat(200) }], // reserved flags
  ['0202c800b2070101000000', 'frame.malformed'], // bit 9 says that an impedance follows
])('%s', (bytes, expected) => {
  expect(one(bytes)).toEqual(expected)
})

test('each of the fields that are passed over has its place', () => {
  // all of them: fat, time, user, then 7 × 2 bytes, weight, height
  const all = 'fe0fc800ea07010f09050001'.concat('1111222233334444555566667777', 'b036', 'd606')
  expect(one(all)).toEqual({
    measured: { ...fat(200), ...kg(70_000, 3), 'body-height': { n: 1750, s: 1, u: 'cm' } },
    deviceTime: '2026-01-15T09:05:00',
  })
  for (let length = 0; length < all.length; length += 2) {
    expect(one(all.slice(0, length))).toBe('frame.malformed')
  }
  expect(one(`${all}ff`)).toEqual(one(all))
})

const weight = ['2a9d', '02b036ea07010f090500'] as const
const later = ['2a9d', '02b036ea07010f090700'] as const
const failed = ['2a9d', '02ffffea07010f090900'] as const
const composition = ['2a9c', '0000c800'] as const
const weighed = (deviceTime: string) => ({ measured: kg(70_000, 3), deviceTime })
const at5 = '2026-01-15T09:05:00'
const at7 = '2026-01-15T09:07:00'

test('a composition without a time has that of its weight', () => {
  expect(heard([weight, composition, later, composition])).toEqual([
    weighed(at5),
    { measured: fat(200), deviceTime: at5 },
    weighed(at7),
    { measured: fat(200), deviceTime: at7 },
  ])
})

test('where nobody can tell to which weight it belongs, it has none', () => {
  const alone = { measured: fat(200) }
  expect(heard([composition, weight])[0]).toEqual(alone)
  expect(heard([weight, later, composition, composition]).slice(2)).toEqual([alone, alone])
  expect(heard([weight, composition, composition])[2]).toEqual(alone)
  expect(heard([weight, failed, composition])[2]).toEqual(alone)
  expect(heard([failed, composition])[1]).toEqual(alone)
})

test('one with a time or a user of its own keeps to itself', () => {
  expect(heard([weight, ['2a9c', '0200c800ea07010f090700']])[1]).toEqual({
    measured: fat(200),
    deviceTime: at7,
  })
  expect(heard([weight, ['2a9c', '0400c80003']])[1]).toEqual({ measured: fat(200) })
})

test('a weight that was said by itself is not said again', () => {
  expect(heard([weight, ['2a9c', '0004c800b036']])[1]).toEqual({ measured: fat(200), deviceTime: at5 })
  expect(heard([weight, later, ['2a9c', '0004c800b036']])[2]).toEqual({ measured: fat(200) })
})

test('consent: the user and its code, little-endian, last of all; none where the scale has no users', () => {
  const begin = (options: object) => {
    const { link } = setUp(driver, options)
    return 'ble' in link ? link.ble.begin : []
  }
  // 1234 is 0x04d2, 9999 is 0x270f
  expect(begin({ user: 2, pin: 1234 }).at(-1)).toEqual({ write: '2a9f', bytes: '0202d204', answer: '200201' })
  expect(begin({ user: 8, pin: 9999 }).at(-1)).toMatchObject({ bytes: '02080f27' })
  expect(begin({ user: 1 }).at(-1)).toMatchObject({ bytes: '02010000' })
  expect(begin({}).at(-1)).toEqual({ hear: '2a9c', must: true })
})

test.each([
  ['2a9f', '200201', 'ack'],
  ['2a9f', '200205', 'frame.malformed'],
  ['2a9f', '2002', 'frame.malformed'],
  ['2a9b', 'ff7f0000', 'no-value'],
  ['2a9e', '07000000', 'no-value'],
  ['2a35', '00780050005d00', 'frame.malformed'],
])('%s %s is %s', (char, bytes, expected) => {
  expect(heard([[char, bytes]])).toEqual([expected])
})
