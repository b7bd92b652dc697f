import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { backoff } from '../../src/uplink/backoff.ts'
import type { Row } from '../../src/uplink/custodian.ts'
import { sendWindow } from '../../src/uplink/window.ts'

const epoch = '00000000000000aa'

/** An outbox of `count` rows. */
function outboxOf(count: number) {
  const rows: Row[] = Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    parcel: { epoch, seq: i + 1, envelope: new Uint8Array([i]) },
  }))
  return {
    rows,
    due: async (after: number, limit: number) => rows.filter(row => row.id > after).slice(0, limit),
  }
}

function windowOver(count: number) {
  const outbox = outboxOf(count)
  const published: number[] = []
  const failures: unknown[] = []
  const window = sendWindow(
    outbox,
    async row => {
      published.push(row.parcel.seq)
    },
    error => failures.push(error),
  )
  return { window, published, failures, outbox }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await turn()
}

test('no more are on their way than the window holds, in the order of the outbox', async () => {
  const { window, published } = windowOver(10)
  window.begin(4)
  await settle()
  expect(published).toEqual([1, 2, 3, 4])
  expect(window.taken()).toBe(4)
  expect(window.confirmed(epoch, 2)).toBe(2)
  window.pump()
  await settle()
  expect(published).toEqual([1, 2, 3, 4, 5, 6])
  expect(window.open()).toBe(4)
})

test('a confirmation of another epoch frees nothing', async () => {
  const { window } = windowOver(3)
  window.begin(3)
  await settle()
  expect(window.confirmed('00000000000000bb', 3)).toBe(0)
  expect(window.open()).toBe(3)
})

test('beginning again sends what is still unreceipted, one at a time where that is asked', async () => {
  const { window, published, outbox } = windowOver(5)
  window.begin(5)
  await settle()
  outbox.rows.splice(0, 2) // receipted meanwhile
  window.begin(1)
  await settle()
  expect(published.slice(5)).toEqual([3])
  window.widen(5)
  await settle()
  expect(published.slice(5)).toEqual([3, 4, 5])
})

test('a failure to publish is told once and ends the window', async () => {
  const { outbox } = windowOver(5)
  const failures: unknown[] = []
  const window = sendWindow(
    outbox,
    () => Promise.reject(new Error('gone')),
    error => failures.push(error),
  )
  window.begin(3)
  await settle()
  expect(failures).toHaveLength(1)
  expect(window.taken()).toBe(0)
})

test('the wait doubles up to its limit, by a random part between a half and the whole', () => {
  const least = backoff(1_000, 8_000, () => 0)
  expect([1, 2, 3, 4, 5].map(() => least.next())).toEqual([500, 1_000, 2_000, 4_000, 4_000])
  const most = backoff(1_000, 8_000, () => 1)
  expect([1, 2, 3, 4, 5].map(() => most.next())).toEqual([1_000, 2_000, 4_000, 8_000, 8_000])
  most.reset()
  expect(most.next()).toBe(1_000)
})
