import { afterEach, expect, test } from '@jest/globals'
import { type ClockQuality, type Moments, watchMoments } from '../../src/daemon/moment.ts'
import type { Moment } from '../../src/reading/reading.ts'

const boot = 'ab'.repeat(16)
const none: ClockQuality = { source: 'none', uncertainty: null }
const ntp: ClockQuality = { source: 'ntp', uncertainty: 1000 }
const morning = Date.UTC(2026, 6, 11, 9)

let moments: Moments | undefined
afterEach(() => moments?.stop())

/** A clock and what it comes from, as the test sets them; `looked` resolves after two more looks at it. */
async function watched(wall: number, quality: ClockQuality) {
  const set = { wall, mono: 60_000, quality }
  const anchors: Moment[] = []
  let looks = 0
  moments = await watchMoments(
    { now: () => set.wall, mono: () => set.mono },
    boot,
    moment => anchors.push(moment),
    async () => {
      looks++
      return set.quality
    },
    1,
  )
  const looked = async (): Promise<void> => {
    const until = looks + 2
    while (looks < until) await new Promise(resolve => setTimeout(resolve, 1))
  }
  return { set, anchors, looked, moments }
}

test('the clock anchors when it becomes good, once', async () => {
  const { set, anchors, looked } = await watched(5_000, none)
  await looked()
  expect(anchors).toEqual([])
  Object.assign(set, { wall: morning, quality: ntp })
  await looked()
  await looked()
  expect(anchors).toEqual([{ wall: morning, mono: 60_000, boot, ...ntp }])
})

test('a clock that jumps from 2090 to now and back anchors each time that it is said to be good', async () => {
  const far = Date.UTC(2090, 0, 1)
  const { set, anchors, looked } = await watched(far, ntp)
  await looked()
  for (const wall of [morning, far, morning]) {
    set.wall = wall
    await looked()
  }
  expect(anchors.map(one => one.wall)).toEqual([morning, far, morning])
})

test('what an NTP client slews is no jump, and a jump of a clock that nobody vouches for anchors nothing', async () => {
  const { set, anchors, looked } = await watched(morning, ntp)
  set.wall += 5_000
  await looked()
  Object.assign(set, { wall: 0, quality: none })
  await looked()
  expect(anchors).toEqual([])
})

test('no moment lies before 1970 or after 9999, where no statement could tell it', async () => {
  const { set, moments } = await watched(2_000, none)
  expect(moments.at(10_000).wall).toBe(0)
  expect(moments.at()).toEqual({ wall: 2_000, mono: 60_000, boot, ...none })
  set.wall = 8_640_000_000_000_000
  expect(moments.at().wall).toBe(Date.UTC(9999, 11, 31, 23, 59, 59, 999))
})
