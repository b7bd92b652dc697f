import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { concat } from '../src/base/bytes.ts'
import { table } from '../src/base/output.ts'
import { chunksOf, countedRow, setupOf } from '../src/cli/capture-decode.ts'
import { loadDrivers } from '../src/driver/load.ts'
import { type Chunk, type Played, play } from '../src/driver/play.ts'
import { openSession } from '../src/driver/session.ts'
import type { Setup } from '../src/driver/setup.ts'
import { readCapture } from '../src/transport/capture.ts'

// Every capture of every driver, played five ways (DESIGN 13). A flip or a cut may lose a value; where the
// card claims a guard it must never make a different one.

const drivers = await loadDrivers()

/** JSON with every number as its own text, so that 72.40 is not 72.4. */
const exact = (text: string): unknown =>
  (
    JSON.parse as (
      text: string,
      revive: (key: string, value: unknown, context: { source?: string }) => unknown,
    ) => unknown
  )(text, (_key, value, context) => (typeof value === 'number' ? `number ${context.source}` : value))

/** What was told, a fault by its code only. */
const toldOf = ({ outcomes }: Played): unknown[] =>
  outcomes
    .map(countedRow)
    .filter(row => row !== undefined)
    .map(row => ('fault' in row ? { fault: row.fault } : exact(JSON.stringify(row))))

const saidOf = (setup: Setup, chunks: Chunk[]): string[] =>
  play(openSession(setup, 0), chunks).outcomes.flatMap(({ said }) =>
    said === undefined ? [] : [JSON.stringify(said)],
  )

/**
 * Chunks nearer to each other than a second come as one, when the last of them came; but no answer comes
 * together with the answer to a later question.
 */
function glued(chunks: readonly Chunk[], questions: readonly number[]): Chunk[] {
  const joined: Chunk[] = []
  let before = Number.NEGATIVE_INFINITY
  for (const chunk of chunks) {
    const last = joined.at(-1)
    const asked = questions.some(t => t > before && t <= chunk.t)
    if (last !== undefined && chunk.t - before < 1000 && !asked) {
      joined[joined.length - 1] = { t: chunk.t, in: concat(last.in, chunk.in) }
    } else joined.push(chunk)
    before = chunk.t
  }
  return joined
}

const byteByByte = (chunks: readonly Chunk[]): Chunk[] =>
  chunks.flatMap(({ t, in: bytes }) => Array.from(bytes, byte => ({ t, in: Uint8Array.of(byte) })))

/** Every beginning of the recording, from nothing to all but its last byte. */
function* cuts(chunks: readonly Chunk[]): Generator<Chunk[]> {
  for (const [index, chunk] of chunks.entries()) {
    for (let length = 0; length < chunk.in.length; length++) {
      yield [...chunks.slice(0, index), { ...chunk, in: chunk.in.slice(0, length) }]
    }
  }
}

/** The recording with each single bit flipped in turn. */
function* flips(chunks: readonly Chunk[]): Generator<Chunk[]> {
  const flipped = chunks.map(chunk => ({ ...chunk, in: chunk.in.slice() }))
  for (const { in: bytes } of flipped) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      yield flipped
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
  }
}

/** How many plays said something that the whole recording does not say. */
function different(
  setup: Setup,
  played: Iterable<Chunk[]>,
  said: readonly string[],
): { plays: number; wrong: number; first: string | undefined } {
  const known = new Set(said)
  let plays = 0
  let wrong = 0
  let first: string | undefined
  for (const chunks of played) {
    plays++
    const other = saidOf(setup, chunks).find(one => !known.has(one))
    if (other === undefined) continue
    wrong++
    first ??= `play ${plays}: ${other}`
  }
  return { plays, wrong, first }
}

const counts = new Map<string, { cuts: number; wrongCuts: number; flips: number; wrongFlips: number }>()

function count(
  name: string,
  cut: { plays: number; wrong: number },
  flip: { plays: number; wrong: number },
): void {
  const sum = counts.get(name) ?? { cuts: 0, wrongCuts: 0, flips: 0, wrongFlips: 0 }
  counts.set(name, {
    cuts: sum.cuts + cut.plays,
    wrongCuts: sum.wrongCuts + cut.wrong,
    flips: sum.flips + flip.plays,
    wrongFlips: sum.wrongFlips + flip.wrong,
  })
}

afterAll(() => {
  const rows = [...counts].map(([name, sum]) => [
    ...name.split(' '),
    `${sum.wrongCuts} of ${sum.cuts}`,
    `${sum.wrongFlips} of ${sum.flips}`,
  ])
  const head = ['DRIVER', 'GUARD', 'DIFFERENT WHEN CUT', 'DIFFERENT WHEN FLIPPED']
  process.stdout.write(`\n${table(head, rows)}\n\n`)
})

describe.each(drivers.all.map(loaded => [loaded.id, loaded] as const))('%s', (id, loaded) => {
  test('has at least three captures', () => {
    expect(loaded.captures.length).toBeGreaterThanOrEqual(3)
  })

  test.each(loaded.captures)('%s', async name => {
    const path = join(loaded.folder, 'captures', name)
    const capture = await readCapture(`${path}.jsonl`)
    expect(capture.header.driver).toBe(id)
    const expected = exact(await readFile(`${path}.expect.json`, 'utf8'))
    const setup = setupOf(capture, drivers)
    const chunks = chunksOf(capture)
    const out = capture.lines.filter(line => line.way === 'out')

    const recorded = play(openSession(setup, 0), chunks)
    expect(toldOf(recorded)).toEqual(expected)
    // A value of a BLE characteristic comes whole or not at all, and its session is begun by the port.
    if ('serial' in setup.link) {
      expect(recorded.sent).toEqual(out.map(line => line.bytes))
      expect(toldOf(play(openSession(setup, 0), byteByByte(chunks)))).toEqual(expected)
      const questions = out.map(line => line.t)
      expect(toldOf(play(openSession(setup, 0), glued(chunks, questions)))).toEqual(expected)
    }

    const said = saidOf(setup, chunks)
    const cut = different(setup, cuts(chunks), said)
    const flip = different(setup, flips(chunks), said)
    count(`${id} ${setup.check.name}`, cut, flip)
    // The radio drops what fails the link's own CRC, so here nothing stands between a flip and the driver.
    const guarded = setup.check.name !== 'none' && setup.check.name !== 'link-crc'
    // what the first one said instead is more help than a number
    if (guarded) expect(flip.first).toBeUndefined()
    // Only a frame that ends with silence can be cut into a shorter whole one.
    const bySilence = 'serial' in setup.link && 'silenceMs' in setup.link.frame
    if (guarded || !bySilence) expect(cut.first).toBeUndefined()
  })
})
