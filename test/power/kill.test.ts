import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest } from '@jest/globals'
import { goal } from '../history/goals.ts'
import { isRelease } from '../size.ts'
import { cutEverywhere, type Plan } from './images.ts'
import { countCalls, foundOf, interfere } from './inject.ts'
import { type Ground, makeGround, record } from './recording.ts'
import { faultsOf } from './sound.ts'
import { announce, grouped, seed, tracedTest } from './suite.ts'
import { hearWord, nothingTold, wordsIn } from './told.ts'

// SIGKILL at each system call that writes or syncs, of the whole standard workload (R2).
const seeds = Array.from({ length: isRelease ? 5 : 1 }, (_, n) => seed + n)
jest.setTimeout(seeds.length * 600_000)
announce('kill at every call')

let ground: Ground
beforeAll(() => {
  ground = makeGround()
})
afterAll(() => ground.remove())

let points = 0
const bad: string[] = []

tracedTest.each(['fsync,fdatasync', 'pwrite64'])(
  'killed at every single %s, nothing that was told is lost',
  async calls => {
    for (const one of seeds) {
      ground.clear()
      const count = await countCalls(ground, 'small', one, calls)
      expect(count).toBeGreaterThan(15)
      let taken = 0
      // a write is two calls, and a replay below leaves no call out: one of three is killed here by a real signal
      const step = isRelease || calls !== 'pwrite64' ? 1 : 3
      for (let when = 1 + (one % step); when <= count; when += step) {
        ground.clear()
        const ended = await interfere(ground, 'small', one, {
          calls,
          what: 'signal=SIGKILL',
          when: String(when),
        })
        const found = foundOf(ground, ended.told)
        if (found.length > 0) bad.push(`seed ${one}, ${calls} ${when}: ${found.join('; ')}`)
        expect([when, ended.signal]).toEqual([when, 'SIGKILL'])
        taken = Math.max(taken, ended.told.taken.length)
        points++
      }
      // the last of them came when all was told
      expect(taken).toBe(5)
    }
    expect(bad).toEqual([])
  },
)

let replayed = 0

tracedTest('what a dying program leaves after any call that it makes has all that was told', () => {
  ground.clear()
  const { folder, state: root, settings, receiptKey } = ground
  const calls = record(ground, [ground.words('small', seed)])
  const told = nothingTold()
  const hear = (text: string): void => {
    for (const word of wordsIn(text)) hearWord(told, word)
  }
  const plan: Plan = { count: calls.length, seed, cuts: ['all'] }
  const { images, bad: wrong } = cutEverywhere({ calls, root, folder, ...plan }, hear, image =>
    faultsOf(
      { settings: { ...settings, path: join(image, 'outbox.db') }, receiptKey, epochs: new Set() },
      told,
    ),
  )
  bad.push(...wrong)
  replayed = images
  expect(wrong).toEqual([])
  expect(told.taken.length).toBe(5)
})

afterAll(() => {
  const size = `${grouped(points)} kills, ${grouped(replayed)} points replayed, ${seeds.length} seed${seeds.length === 1 ? '' : 's'}`
  if (points > 0) goal({ id: 'R2', size, figure: `${bad.length} violations`, pass: bad.length === 0 })
})
