import { afterAll, beforeAll, expect, jest } from '@jest/globals'
import { goal } from '../history/goals.ts'
import { countCalls, type Ended, foundOf, interfere } from '../power/inject.ts'
import { type Ground, makeGround } from '../power/recording.ts'
import { announce, grouped, seed, tracedTest } from '../power/suite.ts'
import { isRelease } from '../size.ts'

// A disk that fails with EIO at one call, or at one and all after it (R7): custody as the daemon runs it.
jest.setTimeout(1_200_000)
announce('errors of the disk')

/** How long a program may go on with a disk that it can no longer believe (R7). */
const boundMs = 5_000

/** Readings of the small plan. */
const allTaken = 5

let ground: Ground
beforeAll(() => {
  ground = makeGround()
})
afterAll(() => ground.remove())

let points = 0
const bad: string[] = []

/** Syncs of what is chained: of the database, its journals and not of the ballast. */
const isStore = (line: string): boolean => !/\.ballast>/.test(line) && /outbox\.db/.test(line)

/** What is wrong with an end after a failed call. */
function wrongOf(calls: string, ended: Ended): string[] {
  const wrong = foundOf(ground, ended.told)
  const { failed, code, signal, toldAfter, msAfter } = ended
  if (failed === undefined) return [...wrong, 'nothing was made to fail']
  if (signal !== null) wrong.push(`it died of ${signal}`)
  const isSync = calls.includes('fsync')
  // a write or sync of the store that failed is never got over
  if ((isSync || calls === 'pwrite64') && isStore(failed)) {
    // at its end all is told and synced: a journal that cannot be folded in stays for the next start
    if (code !== 1 && ended.told.taken.length < allTaken) wrong.push(`it went on after ${failed}`)
    if (toldAfter > 0) wrong.push(`${toldAfter} taken were told after ${failed}`)
  }
  if (code !== 0 && ended.told.failed.length === 0) wrong.push('it ended without a fault')
  if (code !== 0 && msAfter > boundMs) wrong.push(`it ended ${Math.round(msAfter)} ms after ${failed}`)
  return wrong
}

/** Every so manieth call is tried where time is short: `[name, step]`. */
const kinds: [string, number][] = [
  ['fsync,fdatasync', 1],
  ['pwrite64', 8],
  ['pread64', 4],
  ['ftruncate', 1],
  ['unlink', 1],
]

tracedTest.each(kinds)('a disk that fails at %s is believed no more', async (calls, often) => {
  ground.clear()
  const count = await countCalls(ground, 'small', seed, calls)
  expect(count).toBeGreaterThan(0)
  const before = bad.length
  const step = isRelease ? 1 : often
  for (let when = 1 + (seed % step); when <= count; when += step) {
    // once and for good in turn, in a release both
    for (const end of isRelease ? ['', '+'] : [['', '+'][((seed + (when - 1) / step) % 2) | 0]!]) {
      ground.clear()
      const ended = await interfere(ground, 'small', seed, {
        calls,
        what: 'error=EIO',
        when: `${when}${end}`,
      })
      bad.push(...wrongOf(calls, ended).map(one => `seed ${seed}, ${calls} ${when}${end}: ${one}`))
      points++
    }
  }
  expect(bad.slice(before)).toEqual([])
})

afterAll(() => {
  const size = `${grouped(points)} failing calls of custody`
  if (points > 0) goal({ id: 'R7', size, figure: `${bad.length} believed`, pass: bad.length === 0 })
})
