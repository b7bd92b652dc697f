import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import type { Custody, Place } from '../../src/daemon/custody.ts'
import { openOutbox } from '../../src/outbox/outbox.ts'
import { isCorrupt, isSuspect, salvage } from '../../src/outbox/salvage.ts'
import { verifying } from '../../src/outbox/verify.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { type Scene, scene, weight } from '../custody/scene.ts'
import { goal } from '../history/goals.ts'
import { cutEverywhere } from '../power/images.ts'
import { type Ground, makeGround, record } from '../power/recording.ts'
import { grouped, seed, tracedTest } from '../power/suite.ts'
import type { Call } from '../power/trace.ts'
import { isRelease } from '../size.ts'
import { seededRandom } from '../way/random.ts'

// Damage to the outbox's files at rest (R8): what is changed is noticed, what is whole is sent.
jest.setTimeout(1_800_000)
process.stdout.write(`damage: VITALGATE_SEED=${seed} repeats it\n`)

const rows = 400
const pageSize = 4096
const random = seededRandom(seed)

let at: Scene
let places: Place[]
let frames: { seq: number; bytes: Buffer }[]
const file = () => at.settings.path
const kept = () => join(at.folder, 'kept')

beforeAll(async () => {
  at = scene()
  const custody = await at.start()
  places = await Promise.all(Array.from({ length: rows }, (_, n) => custody.take(weight(n))))
  frames = (await custody.due(0, 1_000)).map(({ parcel }) => ({
    seq: parcel.seq,
    bytes: Buffer.from(parcel.envelope),
  }))
  // as it lies there while the daemon runs: most of it in the journal
  for (const end of ['', '-wal']) copyFileSync(file() + end, `${kept()}.live${end}`)
  await custody.stop()
  copyFileSync(file(), kept())
})
afterAll(() => at.clear())

/** The file as it was, and nothing beside it. */
function restore(from = kept()): void {
  for (const name of readdirSync(at.folder)) {
    if (name.startsWith('outbox.db')) rmSync(join(at.folder, name))
  }
  copyFileSync(from, file())
  if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${file()}-wal`)
}

function put(bytes: Uint8Array, place: number): void {
  const open = openSync(file(), 'r+')
  writeSync(open, bytes, 0, bytes.length, place)
  closeSync(open)
}

const chain = () => ({
  zero: (epoch: string, server: string, kid: string) =>
    headZero(epoch, { gateway: at.settings.gateway, server, kid }),
  next: nextHead,
})

/** Opens the outbox without the daemon and walks its chain; the places at which something is wrong. */
function problems(): number[] {
  const outbox = openOutbox({ ...at.settings, chain: chain() })
  try {
    const steps = verifying(outbox, 10_000)
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value.problems.map(({ seq }) => seq)
    }
  } finally {
    outbox.close()
  }
}

/** Starts as systemd does, again where a start ends with damage, until something is taken. */
async function back(): Promise<{ custody: Custody; taken: Place; ms: number }> {
  const began = performance.now()
  for (let left = 3; ; left--) {
    try {
      const custody = await at.start()
      return { custody, taken: await custody.take(weight(1_000)), ms: performance.now() - began }
    } catch (error) {
      if (left === 0) throw error
    }
  }
}

/** Rows of the damaged epoch that are sent as they were. */
async function sound(custody: Custody): Promise<number[]> {
  const due = await custody.due(0, 10_000)
  const ours = due.filter(({ parcel }) => parcel.epoch === places[0]!.epoch)
  return ours
    .filter(({ parcel }) => frames[parcel.seq - 1]!.bytes.equals(parcel.envelope))
    .map(({ parcel }) => parcel.seq)
}

test('each single byte of a stored frame that is changed is noticed', () => {
  const { bytes, seq } = frames[random.between(100, 300)]!
  const start = readFileSync(kept()).indexOf(bytes)
  expect(start).toBeGreaterThan(0)
  restore()
  const missed: number[] = []
  // all of them in a release, a third here
  const step = isRelease ? 1 : 3
  let tried = 0
  for (let n = random.between(0, step - 1); n < bytes.length; n += step) {
    put(Uint8Array.of(bytes[n]! ^ random.between(1, 255)), start + n)
    if (problems().join() !== String(seq)) missed.push(n)
    put(bytes.subarray(n, n + 1), start + n)
    tried++
  }
  const figure = `${missed.length} missed`
  goal({ id: 'R8', size: `${grouped(tried)} changed bytes`, figure, pass: missed.length === 0 })
  expect(missed).toEqual([])
  expect(problems()).toEqual([])
})

test('a destroyed page costs the rows that lie on it, and no others', async () => {
  restore()
  const pages = statSync(file()).size / pageSize
  const whole = readFileSync(kept())
  const tries = isRelease ? 200 : 8
  let [least, longest] = [1, 0]
  for (let n = 0; n < tries; n++) {
    // the first page holds the schema, the second the epochs, without which no row has a place: see below
    const page = n === 0 ? 0 : random.between(2, pages - 1)
    restore()
    put(Buffer.alloc(pageSize, random.between(1, 255)), page * pageSize)
    const hit = whole.subarray(page * pageSize, (page + 1) * pageSize)
    const untouched = frames.filter(({ bytes }) => !hit.includes(bytes)).map(({ seq }) => seq)
    const { custody, taken, ms } = await back()
    const sent = new Set(await sound(custody))
    const share = untouched.filter(seq => sent.has(seq)).length / untouched.length
    expect(taken.epoch).not.toBe(places[0]!.epoch)
    await custody.stop()
    least = Math.min(least, share)
    longest = Math.max(longest, ms)
  }
  const figure = `${(least * 100).toFixed(1)} % of untouched rows salvaged, intake back in ${Math.round(longest)} ms`
  goal({ id: 'R8', size: `${tries} destroyed pages`, figure, pass: least >= 0.99 && longest <= 10_000 })
  expect(least).toBeGreaterThanOrEqual(0.99)
  expect(longest).toBeLessThanOrEqual(10_000)
})

/** Other damage, and the least number of rows that must be left by it. */
const matrix: [what: string, least: number, spoil: () => void][] = [
  [
    'one flipped bit anywhere',
    rows - 1,
    () => {
      restore()
      const place = random.between(2 * pageSize, statSync(file()).size - 1)
      put(Uint8Array.of(readFileSync(file())[place]! ^ (1 << random.between(0, 7))), place)
    },
  ],
  [
    'a tail of zeros',
    rows - 20,
    () => {
      restore()
      put(Buffer.alloc(3 * pageSize), statSync(file()).size - 3 * pageSize)
    },
  ],
  [
    'a tail that is gone',
    rows - 20,
    () => {
      restore()
      truncateSync(file(), statSync(file()).size - 3 * pageSize)
    },
  ],
  [
    'a journal that is cut short',
    0,
    () => {
      restore(`${kept()}.live`)
      truncateSync(`${file()}-wal`, Math.floor(statSync(`${file()}-wal`).size * 0.6) + 7)
    },
  ],
  [
    'a journal that is gone',
    0,
    () => {
      restore(`${kept()}.live`)
      rmSync(`${file()}-wal`)
    },
  ],
]

test.each(matrix)(
  'after %s intake is back, and what is left is sent as it was',
  async (_what, least, spoil) => {
    spoil()
    const { custody, taken, ms } = await back()
    expect(ms).toBeLessThanOrEqual(10_000)
    expect(taken.epoch).not.toBe(places[0]!.epoch)
    const sent = await sound(custody)
    expect(sent.length).toBeGreaterThanOrEqual(least)
    // what is missing or altered was declared in the new epoch before that reading
    const { problems: found } = await custody.verify()
    expect(found.filter(one => !one.declared)).toEqual([])
    await custody.stop()
  },
)

test('the database of another gateway is noticed, and none of its numbers is gone on with', async () => {
  const other = scene({ server: at.settings.server })
  const theirs = await other.start()
  const [foreign] = await Promise.all([theirs.take(weight(1)), theirs.take(weight(2))])
  await theirs.stop()
  restore(other.settings.path)
  await other.clear()
  const { custody, taken } = await back()
  expect(taken.epoch).not.toBe(foreign!.epoch)
  const report = await custody.verify()
  expect(report.problems.filter(one => one.epoch === foreign!.epoch).length).toBeGreaterThan(0)
  await custody.stop()
})

/** The files of a folder as calls that made them last. */
const made = ({ state }: Ground): Call[] => [
  ...readdirSync(state).flatMap((name): Call[] => {
    const path = join(state, name)
    return [
      { call: 'make', path },
      { call: 'write', path, at: 0, bytes: readFileSync(path) },
      { call: 'sync', path },
    ]
  }),
  { call: 'sync', path: state },
]

tracedTest('a salvage that the power interrupts at any call is done again, and loses nothing', () => {
  const ground = makeGround()
  try {
    record(ground, [ground.words('small', seed), ground.words('second', seed)])
    const { settings, state: root, folder } = ground
    const open = (path: string): number => {
      const openIt = () => openOutbox({ ...settings, path, chain: { zero: chain().zero, next: nextHead } })
      let outbox: ReturnType<typeof openOutbox> | undefined
      try {
        if (!isSuspect(path)) outbox = openIt()
      } catch (error) {
        if (!isCorrupt(error)) throw error
      }
      if (outbox === undefined) {
        salvage(path, settings.quotaBytes, 1)
        outbox = openIt()
      }
      const count = outbox.db.prepare<[], number>('SELECT count(*) FROM row').pluck().get()!
      outbox.close()
      return count
    }
    const before = open(settings.path)
    writeFileSync(settings.path, Buffer.alloc(64), { flag: 'r+' })
    const begin = made(ground)
    // rows that a receipt covers stay behind: what is left without an interruption is what must be left with one
    cpSync(root, join(folder, 'copy'), { recursive: true })
    const least = open(join(folder, 'copy', 'outbox.db'))
    expect([least > 4, least < before]).toEqual([true, true])
    const calls = [...begin, ...record(ground, [ground.words('salvaged', seed)])]
    const short: number[] = []
    const { images } = cutEverywhere(
      { calls, root, folder, count: 2 * calls.length, seed, cuts: ['lost', 'kept', 'torn', 'all'] },
      () => undefined,
      image => {
        if (readdirSync(image).length < begin.length / 3 - 1) return []
        const count = open(join(image, 'outbox.db'))
        if (count < least) short.push(count)
        return []
      },
    )
    expect(images).toBe(2 * calls.length)
    expect(short).toEqual([])
  } finally {
    ground.remove()
  }
})
