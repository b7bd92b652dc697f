import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, jest, test } from '@jest/globals'
import { goal } from '../history/goals.ts'
import { readHistory } from '../history/history.ts'
import { isRelease } from '../size.ts'
import { live, type Told } from './worlds.ts'

// Gateways, broker and receiver in one process, where time and chance come from a seed: whatever goes wrong, nothing is
// lost, and what was found by chance is found again. `VITALGATE_SEED=N npm test -- test/simulation/simulation` repeats one.

const { VITALGATE_SEED: only, VITALGATE_SEEDS: many } = process.env
const wanted = many === undefined ? 200_000 : Number(many)
/** The normal size goes through the same worlds each time; the large one, and whoever names a seed, finds new ones. */
const first = 1
/** So many at most in one process, and so many processes at a time. */
const [each, atATime] = [400, 2]
const normal = { count: 2000, cpu: 40, seconds: 180 }
const patienceMs = isRelease ? 24 * 3_600_000 : 280_000
jest.setTimeout(patienceMs + 20_000)

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-simulation-'))
afterAll(() => rmSync(folder, { recursive: true }))

const nothing: Told = { worlds: 0, events: 0, fewest: Number.POSITIVE_INFINITY, taken: 0, faults: 0, cpu: 0 }
const together = (a: Told, b: Told): Told => ({
  worlds: a.worlds + b.worlds,
  events: a.events + b.events,
  fewest: Math.min(a.fewest, b.fewest),
  taken: a.taken + b.taken,
  faults: a.faults + b.faults,
  cpu: a.cpu + b.cpu,
  ...((a.found ?? b.found) && { found: (a.found ?? b.found)! }),
})

/** As many worlds as are wanted; several processes share them where they are many. */
async function all(from: number): Promise<Told> {
  if (only !== undefined) return live({ from, count: 1 }, patienceMs)
  if (!isRelease) return live({ from, ...normal }, patienceMs)
  let sum = nothing
  let next = from
  const worker = async (): Promise<void> => {
    while (next < from + wanted && sum.found === undefined) {
      const first = next
      next += each
      const told = await live({ from: first, count: Math.min(each, from + wanted - first) }, patienceMs)
      sum = together(sum, told)
    }
  }
  await Promise.all(Array.from({ length: atATime }, worker))
  return sum
}

test('whatever goes wrong, no invariant is broken', async () => {
  const from = Number(only ?? (isRelease ? randomInt(2 ** 30) : first))
  const { found, worlds, events, fewest, taken, faults, cpu } = await all(from)
  const figures =
    `simulation: ${worlds} seeds from ${from}, ${events} events (at least ${fewest} each), ${faults} faults, ` +
    `${taken} readings taken, ${Math.round(cpu)} s of processor time`
  process.stdout.write(`\n${figures}\n\n`)
  const figure = found === undefined ? '0 violations' : `violations at seed ${found.seed}`
  goal({
    id: 'R11',
    size: `${worlds} seeds, ${fewest} events or more each`,
    figure,
    pass: found === undefined,
  })
  if (found !== undefined) {
    const { seed, violations, faults: least } = found
    const again = `VITALGATE_SEED=${seed} npm test -- test/simulation/simulation`
    throw new Error(
      `${violations.join('\n')}\nagain: ${again}\nwith no more than: ${JSON.stringify(least, null, 1)}`,
    )
  }
  expect(fewest).toBeGreaterThanOrEqual(500)
})

test('a seed tells the whole story: the same one happens again', async () => {
  const from = Number(only ?? first)
  const stories = await Promise.all(
    ['first', 'second'].map(async name => {
      const file = join(folder, name)
      await live({ from, count: 1, history: file }, patienceMs)
      // keys of envelopes are the system's own chance, and the heads with them
      return readHistory(file).map(line =>
        JSON.stringify(line, (key, value) => (key === 'head' ? '' : value)),
      )
    }),
  )
  expect(stories[1]).toEqual(stories[0])
  expect(stories[0]!.length).toBeGreaterThan(50)
})
