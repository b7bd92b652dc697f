import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isFault } from '../../src/base/fault.ts'
import { chunksOf, setupOf } from '../../src/cli/capture-decode.ts'
import { checkNames, none } from '../../src/driver/checks.ts'
import { cutterOf, type Framing, longest } from '../../src/driver/framing.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { type Chunk, play } from '../../src/driver/play.ts'
import { type Outcome, openSession } from '../../src/driver/session.ts'
import { type Setup, setUp } from '../../src/driver/setup.ts'
import { readCapture } from '../../src/transport/capture.ts'
import { isRelease } from '../size.ts'

// Bytes of any kind must end as said, silent or Fault: never another error, never a hang, never a buffer
// without bound. Half of the inputs are captures with a few bytes changed, which come closest to trouble.

const numRuns = isRelease ? 100_000 : 5_000
const drivers = await loadDrivers()

/** CPU time of this thread alone, milliseconds: what else runs on the machine does not count. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** How many inputs took so long that a port would have waited for them. */
const hangMs = 50

interface Change {
  at: number
  kind: 'flip' | 'drop' | 'double' | 'insert'
  byte: number
}

const change = fc.record<Change>({
  at: fc.nat(4095),
  kind: fc.constantFrom('flip', 'drop', 'double', 'insert'),
  byte: fc.nat(255),
})

/** Bytes with a few changes; every place is taken modulo the length. */
function changed(bytes: Uint8Array, changes: readonly Change[]): Uint8Array {
  let all = [...bytes]
  for (const { at, kind, byte } of changes) {
    const place = all.length === 0 ? 0 : at % all.length
    if (kind === 'flip' && all.length > 0) all[place]! ^= byte || 1
    else if (kind === 'drop') all.splice(place, 1 + (byte % 8))
    else if (kind === 'insert') all.splice(place, 0, byte)
    else all = [...all, ...all.slice(place, place + 64)]
  }
  return Uint8Array.from(all)
}

const randomChunks = fc.array(fc.record({ t: fc.nat(3000), in: fc.uint8Array({ maxLength: 300 }) }), {
  maxLength: 6,
})

/** Chunks in the order of their times, each under one of these characteristics. */
const timed = (chunks: { t: number; in: Uint8Array }[], chars: readonly (string | undefined)[]): Chunk[] =>
  [...chunks]
    .sort((a, b) => a.t - b.t)
    .map(({ t, in: bytes }, index) => {
      const char = chars[index % chars.length]
      return { t, in: Uint8Array.from(bytes), ...(char !== undefined && { char }) }
    })

/** Plays an input. It ends with outcomes, every frame within its limit; what it cost is told. */
function played(setup: Setup, chunks: Chunk[]): { outcomes: Outcome[]; cost: number } {
  const before = cpuMs()
  const { outcomes } = play(openSession(setup, 0), chunks)
  const cost = cpuMs() - before
  for (const { heard } of outcomes) {
    if ('fault' in heard) expect(heard.fault).not.toBe('driver.invalid')
  }
  return { outcomes, cost }
}

describe.each(drivers.all.map(one => [one.id, one] as const))('%s', (_id, loaded) => {
  test('neither breaks nor hangs', async () => {
    const recorded = await Promise.all(
      loaded.captures.map(async name => {
        const capture = await readCapture(join(loaded.folder, 'captures', `${name}.jsonl`))
        return { setup: setupOf(capture, drivers), chunks: chunksOf(capture).slice(0, 40) }
      }),
    )
    const chars = [...new Set(recorded.flatMap(({ chunks }) => chunks.map(({ char }) => char)))]
    let slow = 0
    const take = (setup: Setup, chunks: Chunk[]): void => {
      if (played(setup, chunks).cost > hangMs) slow++
    }
    fc.assert(
      fc.property(fc.nat(), fc.array(change, { maxLength: 6 }), randomChunks, (which, changes, random) => {
        const { setup, chunks } = recorded[which % recorded.length]!
        if (which % 2 === 0) return take(setup, timed(random, chars))
        const [first, ...rest] = changes
        const at = first === undefined || chunks.length === 0 ? 0 : first.at % chunks.length
        take(
          setup,
          chunks.map((one, index) =>
            index === at ? { ...one, in: changed(one.in, rest) as typeof one.in } : one,
          ),
        )
      }),
      { numRuns },
    )
    // A collection of garbage may fall on one input; a hang falls on the same one again and again.
    expect(slow).toBeLessThanOrEqual(numRuns / 1000)
  })

  test('a device that never ends its frame costs no more than its limit', () => {
    const setup = setUp(loaded.driver, {})
    if ('ble' in setup.link) return
    const { frame } = setup.link
    const limit = 'limit' in frame && frame.limit !== undefined ? frame.limit : longest
    expect(limit).toBeLessThanOrEqual(65_536)
    const endless = Array.from({ length: 64 }, (_, t) => ({ t, in: new Uint8Array(4096).fill(0x37) }))
    for (const { frame: held } of played(setup, endless).outcomes)
      expect(held.length).toBeLessThanOrEqual(limit + 1)
  })
})

/** That these bytes stand in those, in their order. */
function expectInOrder(some: number[], all: number[]): void {
  let at = 0
  for (const byte of all) if (byte === some[at]) at++
  expect(at).toBe(some.length)
}

const framings: [string, Framing][] = [
  ['until', { until: ['\r\n', '\r'], limit: 64 }],
  ['from and to', { from: '{0', to: '\r\n', limit: 64 }],
  ['length', { length: 5, from: '\x01' }],
  [
    'lengthOf',
    { lengthOf: begun => (begun.length < 2 ? undefined : begun[1]! % 32), from: '\x02', limit: 48 },
  ],
  ['lengthOf without a mark', { lengthOf: begun => (begun[0]! < 0x80 ? 0 : 4), limit: 16 }],
  ['silence', { silenceMs: 20, limit: 64 }],
]

test.each(framings)(
  'framing %s: every byte comes out once and in order, or is told as too long',
  (_name, framing) => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 1, 2, 10, 13, 0x30, 0x7b, 0x81, 0xff), { maxLength: 400 }),
        bytes => {
          const cutter = cutterOf(framing, none.mask)
          const pieces = bytes.flatMap(byte => [...cutter.push(byte)])
          const last = cutter.rest()
          const all = last === undefined ? pieces : [...pieces, last]
          const out = all.flatMap(({ frame }) => [...frame])
          expect(out.length).toBeLessThanOrEqual(bytes.length)
          if (all.some(({ wrong }) => wrong === 'frame.too-long')) return
          // a frame of nothing but its ending is no frame: there, some bytes are left out
          if ('until' in framing || 'to' in framing) return expectInOrder(out, bytes)
          expect(out).toEqual(bytes)
        },
      ),
      { numRuns },
    )
  },
)

test('every check opens what it sealed, and refuses otherwise with a Fault', () => {
  const checks = drivers.all.flatMap(({ driver }) => {
    const { check } = driver
    return typeof check === 'function' ? [] : [check]
  })
  for (const { name } of checks) expect(checkNames).toContain(name)
  fc.assert(
    fc.property(fc.constantFrom(...checks), fc.uint8Array({ maxLength: 128 }), (check, bytes) => {
      const frame = Uint8Array.from(bytes)
      const length = frame.length
      try {
        check.open(check.seal(frame, 0), 0)
      } catch (error) {
        expect(isFault(error, 'frame.check')).toBe(true)
      }
      expect(check.seal(frame, 0)).toHaveLength(length)
    }),
    { numRuns },
  )
})
