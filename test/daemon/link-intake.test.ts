import { expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import type { Place } from '../../src/daemon/custody.ts'
import { makeIntake } from '../../src/daemon/link-intake.ts'

const moment = () => ({ wall: 1, source: 'ntp' as const, uncertainty: 5, boot: 'ab'.repeat(16), mono: 1 })
const place: Place = { epoch: '00'.repeat(8), seq: 1, head: '', hash: '' }
const draft = {
  type: 'event' as const,
  time: moment(),
  members: { event: 'device-removed' as const, detail: { device: 'x' } },
}

test('while no link is open, so many statements wait and so long; more, and later ones, are refused', async () => {
  const timers: (() => void)[] = []
  const intake = makeIntake(
    (_ms, act) => {
      timers.push(act)
      return () => {}
    },
    { count: 2, ms: 1000 },
  )
  const [one, two] = [intake.take(draft), intake.take(draft)]
  await expect(intake.take(draft)).rejects.toMatchObject({ code: 'outbox.reopening' })
  timers[0]!()
  await expect(one).rejects.toMatchObject({ code: 'outbox.reopening' })
  const seen: unknown[] = []
  intake.pass(async taken => {
    seen.push(taken)
    return place
  })
  expect(await two).toBe(place)
  expect(await intake.take(draft)).toBe(place)
  expect(seen).toHaveLength(2)
  intake.hold()
  const held = intake.take(draft)
  intake.refuse(new Fault('interrupted', 'ended'))
  await expect(held).rejects.toMatchObject({ code: 'interrupted' })
})
