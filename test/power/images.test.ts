import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { goal } from '../history/goals.ts'
import { isRelease } from '../size.ts'
import { seededRandom } from '../way/random.ts'
import { type Cut, diskOf } from './disk.ts'
import { type Cuts, cutEverywhere } from './images.ts'
import { allMutants, mutants } from './mutants.ts'
import { type Ground, makeGround, record } from './recording.ts'
import { faultsOf } from './sound.ts'
import { announce, grouped, seed, tracedTest } from './suite.ts'
import { hearWord, nothingTold, wordsIn } from './told.ts'
import type { Call } from './trace.ts'

// Power cuts at any moment of the standard workload of custody, on disks that keep no more than they must (R1).
const count = isRelease ? 100_000 : 3_000
jest.setTimeout(120_000 + count * 100)
announce('power cuts')

let ground: Ground
beforeEach(() => {
  ground = makeGround()
})
afterEach(() => ground.remove())

const tells = (calls: readonly Call[]) =>
  calls.flatMap(call => (call.call === 'tell' ? wordsIn(call.text) : []))

/** Records the workload and cuts the power so often: what is wrong with what the daemon finds afterwards. */
function cutPower(images: number, mutant?: string): Cuts & { taken: number; calls: readonly Call[] } {
  const { folder, state: root, settings, receiptKey } = ground
  const calls = record(
    ground,
    ['first', 'second'].map(plan => ground.words(plan, seed, mutant)),
    mutant,
  )
  const epochs = new Set(tells(calls).flatMap(word => ('taken' in word ? [word.taken.epoch] : [])))
  const told = nothingTold()
  const hear = (text: string): void => {
    for (const word of wordsIn(text)) hearWord(told, word)
  }
  const done = cutEverywhere({ calls, root, folder, count: images, seed }, hear, image =>
    faultsOf({ settings: { ...settings, path: join(image, 'outbox.db') }, receiptKey, epochs }, told),
  )
  return { ...done, taken: told.taken.length, calls }
}

tracedTest(
  `after ${grouped(count)} power cuts all that was told is there or receipted, and nothing is damaged`,
  () => {
    const { images, bad, taken, calls } = cutPower(count)
    goal({
      id: 'R1',
      size: `${grouped(images)} images`,
      figure: `${bad.length} lost or damaged`,
      pass: bad.length === 0,
    })
    expect(bad).toEqual([])
    expect(images).toBe(count)
    // the recording has all that it is made for: what is told, folded under way, forgotten and taken up again
    expect(taken).toBeGreaterThan(80)
    expect(tells(calls).filter(word => 'failed' in word)).toEqual([])
    expect(calls.filter(one => one.call === 'sync').length).toBeGreaterThan(50)
    const pages = calls.flatMap((one, at) => (one.call === 'write' && one.path.endsWith('.db') ? [at] : []))
    const lastTold = calls.findLastIndex(one => one.call === 'tell')
    expect(pages.filter(at => at < lastTold).length).toBeGreaterThan(40)
  },
)

tracedTest.each(Object.keys(mutants))('power cuts show the fault: %s', mutant => {
  expect(cutPower(60, mutant).bad.length).toBeGreaterThan(5)
})

test('every fault that the suites switch on stands once in the source that it changes', () => {
  const source = (file: string): string => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')
  for (const { file, from } of Object.values(allMutants).flat()) {
    expect([file, from, source(file).split(from).length]).toEqual([file, from, 2])
  }
})

const [root, path] = ['/state', '/state/file']
const bytes = (text: string): Buffer => Buffer.from(text)
const make: Call = { call: 'make', path }
const write = (at: number, text: string): Call => ({ call: 'write', path, at, bytes: bytes(text) })
const sync = (what: string): Call => ({ call: 'sync', path: what })

/** What is found at the path after these calls, in a hundred images. */
function foundAfter(calls: Call[], cut: Cut, at = path): Set<string | undefined> {
  const disk = diskOf(root)
  for (const call of calls) disk.do(call)
  const random = seededRandom(1)
  const found = Array.from({ length: 100 }, () => disk.after(cut, random).get(at)?.toString())
  return new Set(found)
}

test('the disk of these tests keeps what was synced and nothing that was not', () => {
  const lasting = [make, write(0, 'one'), sync(path), sync(root)]
  expect(foundAfter([make, write(0, 'one'), sync(path)], 'lost')).toEqual(new Set([undefined]))
  expect(foundAfter([make, write(0, 'one'), sync(root)], 'lost')).toEqual(new Set(['']))
  expect(foundAfter(lasting, 'lost')).toEqual(new Set(['one']))
  expect(foundAfter([...lasting, write(3, 'two')], 'lost')).toEqual(new Set(['one']))
  expect(foundAfter([...lasting, write(3, 'two')], 'kept')).toEqual(new Set(['one', 'onetwo']))
  expect(foundAfter([...lasting, write(3, 'two')], 'all')).toEqual(new Set(['onetwo']))
  const both = foundAfter([...lasting, write(3, 'two'), write(6, 'six')], 'kept')
  expect(both).toEqual(new Set(['one', 'onetwo', 'onetwosix', 'one\0\0\0six']))
  expect(foundAfter([...lasting, { call: 'cut', path, size: 1 }], 'kept')).toEqual(new Set(['one', 'o']))
})

test('the disk of these tests tears writes at 512 bytes, and loses names until their folder is synced', () => {
  const [a, b] = ['a'.repeat(512), 'b'.repeat(512)]
  const torn = foundAfter([make, sync(root), write(0, a + b)], 'torn')
  expect(torn).toEqual(new Set(['', a, `${'\0'.repeat(512)}${b}`, a + b]))
  const to = '/state/other'
  const renamed: Call[] = [make, write(0, 'one'), sync(path), sync(root), { call: 'rename', path, to }]
  expect(foundAfter(renamed, 'lost')).toEqual(new Set(['one']))
  expect(foundAfter(renamed, 'kept')).toEqual(new Set(['one', undefined]))
  expect(foundAfter([...renamed, sync(root)], 'lost', to)).toEqual(new Set(['one']))
  const removed: Call[] = [make, write(0, 'one'), sync(path), sync(root), { call: 'remove', path }]
  expect(foundAfter(removed, 'kept')).toEqual(new Set(['one', undefined]))
  expect(foundAfter([...removed, sync(root)], 'kept')).toEqual(new Set([undefined]))
})
