import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Custody, Place } from '../../src/daemon/custody.ts'
import { removed, type Scene, scene, weight } from './scene.ts'

let at: Scene
beforeEach(() => {
  at = scene({ quotaBytes: 1_000_000, intakeBytes: 600_000, graceMs: 0 })
})
afterEach(() => at.clear())

/** Takes readings until one is refused; the last place and the refusal. */
async function fill(custody: Custody): Promise<{ last: Place; refusal: unknown; count: number }> {
  let last: Place | undefined
  for (let count = 0; ; ) {
    const all = await Promise.allSettled(
      Array.from({ length: 50 }, () => custody.take(weight(count, 'ab'.repeat(1000)))),
    )
    for (const one of all) {
      if (one.status === 'rejected') return { last: last!, refusal: one.reason, count }
      last = one.value
      count += 1
    }
  }
}

const confirm = async (custody: Custody, last: Place): Promise<number> => {
  const receipt = at.receipt(last)
  await custody.receipt(receipt.body, receipt.statement)
  const welcome = at.welcome([{ epoch: last.epoch, seq: last.seq, head: last.head, holes: [] }])
  return (await custody.welcome(welcome.body, welcome.statement)).forgotten
}

test('at the intake quota readings are refused; events, receipts and deletions go on, and intake comes back', async () => {
  const custody = await at.start()
  const { last, refusal, count } = await fill(custody)
  expect(refusal).toMatchObject({ code: 'outbox.full' })
  expect((refusal as Error).message).toContain('600000')
  const full = await custody.stats()
  expect(full.usedBytes).toBeGreaterThanOrEqual(600_000)
  expect(full.usedBytes).toBeLessThan(620_000)
  // beside the readings: the opening of the epoch, and that the intake is nearly full, and then that it refuses
  expect(full.queued).toBe(count + 3)
  // A refused reading took no number
  const event = await custody.take(removed(1))
  expect(event.seq).toBe(last.seq + 2)
  await expect(custody.take(weight(2))).rejects.toMatchObject({ code: 'outbox.full' })
  expect(await confirm(custody, event)).toBe(event.seq)
  expect((await custody.stats()).usedBytes).toBeLessThan(200_000)
  expect(await custody.take(weight(3))).toMatchObject({ seq: event.seq + 1 })
  expect((await custody.verify()).problems).toEqual([])
})

test('at the hard quota an event is refused too, but what frees space is not', async () => {
  const custody = await at.start()
  let last = (await fill(custody)).last
  let refusal: unknown
  while (refusal === undefined) {
    const all = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => custody.take(removed(n))))
    for (const one of all) {
      if (one.status === 'fulfilled') last = one.value
      else refusal = one.reason
    }
  }
  expect(refusal).toMatchObject({ code: 'outbox.full' })
  expect((await custody.stats()).usedBytes).toBeLessThanOrEqual(1_000_000)
  expect(await confirm(custody, last)).toBe(last.seq)
  expect(await custody.take(weight(3))).toMatchObject({ seq: last.seq + 1 })
  expect((await custody.verify()).problems).toEqual([])
})

test('rows that are kept only for the grace period make room before intake is refused', async () => {
  const custody = await at.start({ graceMs: 1_000_000 })
  const { last } = await fill(custody)
  const receipt = at.receipt(last)
  await custody.receipt(receipt.body, receipt.statement)
  const place = await custody.take(weight(1))
  // between them: that readings were refused
  expect(place.seq).toBe(last.seq + 2)
  const stats = await custody.stats()
  expect(stats.usedBytes).toBeLessThan(600_000)
  expect(stats.receipted).toBeGreaterThan(0)
  expect((await custody.verify()).problems).toEqual([])
})

test('a disk that is really full loses nothing, and receipts free the outbox again', async () => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', at.folder], { stdio: 'pipe' })
  } catch {
    console.log('skipped: a small file system can only be mounted by root')
    return
  }
  try {
    const custody = await at.start({ quotaBytes: 64_000_000, intakeBytes: 48_000_000 })
    await custody.take(weight(0))
    writeFileSync(join(at.folder, 'filler'), Buffer.alloc(2_500_000))
    const { last, refusal } = await fill(custody)
    expect(refusal).toMatchObject({ code: 'outbox.full' })
    expect((await custody.verify()).problems).toEqual([])
    expect(await confirm(custody, last)).toBe(last.seq)
    expect(await custody.take(weight(1))).toMatchObject({ seq: last.seq + 1 })
    await custody.stop()
    const again = await at.start()
    expect((await again.verify()).problems).toEqual([])
    await again.stop()
    expect(readdirSync(at.folder)).toContain('outbox.db')
  } finally {
    await at.clear().catch(() => undefined)
    execFileSync('umount', ['-l', at.folder])
  }
})
