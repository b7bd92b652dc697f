import { expect, test } from '@jest/globals'
import { acceptanceOf } from '../../src/daemon/acceptance.ts'
import type { Book } from '../../src/identity/registry-book.ts'
import { makePair, signingKey } from '../../src/wire/keys.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { publish } from '../../src/wire/statement.ts'

const operator = signingKey(makePair('ed25519').secret)
const list = signRegistry(
  'device-list',
  {
    gateway: 'a'.repeat(26),
    version: 1,
    before: null,
    devices: [{ device: 'scale', driver: 'and-line', station: 'room-1', proposal: 'ab'.repeat(32) }],
  },
  operator,
)
const bookWith = (devices: object | null): Book => ({ file: { devices } }) as unknown as Book
const device = (id: string, driver: string) => ({
  ...{ id, driver, port: '/dev/ttyUSB0', station: 'room-1', options: {} },
})

test('a device list tells which devices are accepted, and which wait or have another driver', () => {
  const book = bookWith(publish(list))
  expect(acceptanceOf(device('scale', 'and-line'), book)).toBe('accepted')
  expect(acceptanceOf(device('scale', 'tanita-csv'), book)).toBe('changed')
  expect(acceptanceOf(device('cuff', 'and-tm2655'), book)).toBe('waiting')
})

test('without a list nothing is said', () => {
  expect(acceptanceOf(device('scale', 'and-line'), undefined)).toBeUndefined()
  expect(acceptanceOf(device('scale', 'and-line'), bookWith(null))).toBeUndefined()
})
