import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, jest, test } from '@jest/globals'
import { isRelease } from '../size.ts'

// The other side of the scale: what honest gateways say on bad days accuses nobody. In a process of its own,
// where it is twice as fast (test/attacks/honest-run.ts).

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const wanted = isRelease ? 1_000_000 : 50_000
const patienceMs = isRelease ? 3 * 3_600_000 : 280_000
jest.setTimeout(patienceMs + 20_000)

interface Told extends Record<'seed' | 'said' | 'readings' | 'starts' | 'receipts', number> {
  flags: object[]
  accepted: number
  kept: number
  unconnected: number
  repeats: number
  unmatched: number
  enrolments: number
}

test('honest statements with reboots, lost tails, new keys, disorder, repeats and dirty clocks raise no flag', async () => {
  const { stdout } = await run('scripts/node', ['test/attacks/honest-run.ts', String(wanted)], {
    cwd: root,
    timeout: patienceMs,
  })
  const told = JSON.parse(stdout) as Told
  const { seed, said, readings, starts, receipts, repeats, enrolments, ...found } = told
  const figures =
    `honest: ${said} statements, ${readings} readings, ${starts} starts, ${enrolments} gateways enrolled anew, ` +
    `${repeats} repeats, ${receipts} receipts: ${found.flags.length} flags (VITALGATE_SEED=${seed})`
  process.stdout.write(`\n${figures}\n\n`)
  const folder = process.env.VITALGATE_ATTACKS
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'honest.txt'), figures)
  }
  expect(found).toEqual({ flags: [], accepted: readings, kept: said, unconnected: 0, unmatched: 0 })
  expect(said).toBeGreaterThanOrEqual(wanted)
})
