import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Custody, Place } from '../../src/daemon/custody.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { helloMembers, helloOf, moment, removed, type Scene, scene, weight } from '../custody/scene.ts'

const quota = 1_000_000
let at: Scene
beforeEach(() => {
  at = scene({ quotaBytes: 1_200_000, intakeBytes: quota, graceMs: 0 })
})
afterEach(() => at.clear())

const frame = 'ab'.repeat(1000)

/** Takes readings, one after the other, until this is so. */
async function takeUntil(custody: Custody, enough: () => Promise<boolean>, mono = 1): Promise<Place> {
  for (;;) {
    const place = await custody.take(weight(mono, frame))
    if (await enough()) return place
  }
}

const used = async (custody: Custody): Promise<number> => (await custody.stats()).usedBytes

/** The events that wait on the box, in the order of the chain. */
async function events(custody: Custody, name: string) {
  const rows = await custody.due(0, 10_000)
  return rows
    .map(({ parcel }) => ({ ...at.read(parcel.envelope).body, seq: parcel.seq }) as Record<string, unknown>)
    .filter(({ event }) => event === name)
}

async function confirm(custody: Custody, last: Pick<Place, 'epoch' | 'seq' | 'head'>): Promise<void> {
  const receipt = at.receipt(last)
  await custody.receipt(receipt.body, receipt.statement)
  const { epoch, seq, head } = last
  const welcome = at.welcome([{ epoch, seq, head, holes: [] }])
  await custody.welcome(welcome.body, welcome.statement)
}

/** Fills the intake; the code of the refusal. */
async function fill(custody: Custody, mono: number): Promise<unknown> {
  for (;;) {
    const refusal = await custody.take(weight(mono, frame)).then(
      () => undefined,
      (why: { code: string }) => why.code,
    )
    if (refusal !== undefined) return refusal
  }
}

test('from four fifths of the intake quota on it is told once, and anew only after it fell below seven tenths', async () => {
  const custody = await at.start()
  await takeUntil(custody, async () => (await used(custody)) >= 0.8 * quota - 8192)
  expect(await events(custody, 'intake-near-full')).toEqual([])
  await takeUntil(custody, async () => (await used(custody)) >= 0.9 * quota)
  const [told, ...more] = await events(custody, 'intake-near-full')
  expect(more).toEqual([])
  const { used: then, quota: of } = told!.detail as { used: number; quota: number }
  expect(of).toBe(quota)
  expect(then).toBeGreaterThanOrEqual(0.8 * quota)
  expect(then).toBeLessThan(0.81 * quota)
  // a start is no new crossing
  await custody.stop()
  const again = await at.start()
  const place = await takeUntil(again, async () => true)
  expect(await events(again, 'intake-near-full')).toHaveLength(1)
  // the epoch before is signed for: little waits now, and the next crossing is told
  const hello = helloOf(at, (await again.hello(helloMembers)).envelope)
  for (const epoch of hello.epochs) await confirm(again, epoch)
  expect((await again.stats()).intake.used).toBeLessThan(0.7 * quota)
  const last = await takeUntil(again, async () => (await used(again)) >= 0.85 * quota)
  expect(last.epoch).toBe(place.epoch)
  expect(await events(again, 'intake-near-full')).toHaveLength(1)
})

test('between seven and eight tenths nothing is told anew', async () => {
  const custody = await at.start()
  const half = await takeUntil(custody, async () => (await used(custody)) >= 0.1 * quota)
  await takeUntil(custody, async () => (await used(custody)) >= 0.82 * quota)
  await confirm(custody, half)
  expect((await custody.stats()).intake.used).toBeLessThan(0.8 * quota)
  await takeUntil(custody, async () => (await used(custody)) >= 0.85 * quota)
  expect(await events(custody, 'intake-near-full')).toHaveLength(1)
})

test('rows that are kept for the grace period alone are no reason for alarm', async () => {
  const custody = await at.start({ graceMs: 86_400_000 })
  const last = await takeUntil(custody, async () => (await used(custody)) >= 0.75 * quota)
  await confirm(custody, last)
  await takeUntil(custody, async () => (await used(custody)) >= 0.95 * quota)
  expect(await events(custody, 'intake-near-full')).toEqual([])
  const { intake } = await custody.stats()
  expect(intake.used).toBeLessThan(0.3 * quota)
})

test('that readings are refused is told at most once in ten minutes, and when it is over intake comes back', async () => {
  const custody = await at.start()
  expect(await fill(custody, 1000)).toBe('outbox.full')
  expect(await fill(custody, 600_999)).toBe('outbox.full')
  expect(await events(custody, 'intake-refused')).toHaveLength(1)
  expect(await fill(custody, 601_000)).toBe('outbox.full')
  const told = await events(custody, 'intake-refused')
  expect(told.map(({ time }) => (time as { mono: number }).mono)).toEqual([1000, 601_000])
  const { detail } = told[0] as unknown as { detail: { used: number; quota: number } }
  expect(detail.quota).toBe(quota)
  expect(detail.used).toBeGreaterThanOrEqual(quota)
  expect((await custody.stats()).intake.refusingSince).toBe(moment(1000).wall)
  // a full outbox shakes hands, takes events, and deletes what is signed for
  const [held] = helloOf(at, (await custody.hello(helloMembers)).envelope).epochs
  await custody.take(removed(601_001))
  await confirm(custody, held!)
  await custody.take(weight(601_002))
  expect((await custody.stats()).intake.refusingSince).toBeNull()
})

test('a frame that a device will not send again is refused like a reading, and both leave half of the reserve', async () => {
  const custody = await at.start()
  await fill(custody, 1)
  const detail = {
    device: 'cuff',
    driver: 'ble-blood-pressure',
    char: '2a35',
    raw: frame,
    fault: 'frame.check',
  }
  const kept: Draft = { type: 'event', time: moment(2), members: { event: 'frame-kept', detail } }
  await expect(custody.take(kept)).rejects.toMatchObject({ code: 'outbox.full' })
  for (let round = 1; round < 400; round++) await fill(custody, round * 600_000 + 1)
  // half of the 200,000 bytes above the intake quota is left to what must always fit
  expect(await used(custody)).toBeLessThan(1_100_000 + 8192)
  expect((await events(custody, 'intake-refused')).length).toBeLessThan(200)
  expect(await custody.take(removed(1))).toMatchObject({ seq: expect.any(Number) })
})
