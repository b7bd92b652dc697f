import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import type { Verdict } from './soak/tally.ts'

// A simulated hour of twelve devices on real pseudo terminals and a simulated BlueZ, in a process of its own
// so that its memory is its own (test/soak/run.ts).

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

interface Told extends Verdict {
  seed: number
  devices: number
  bugs: string[]
  fake: string[]
  slopeMbPerHour: number
  memory: number
}

test('an hour of twelve devices, unplugged at random: every measurement once, none invented', async () => {
  const minutes = '60'
  const { stdout } = await run('scripts/node', ['--expose-gc', 'test/soak/run.ts', minutes], {
    cwd: root,
    timeout: 280_000,
  })
  const told = JSON.parse(stdout) as Told
  const { seed, measured, interrupted, taken, slopeMbPerHour, memory } = told
  process.stdout.write(
    `\nsoak: ${measured} measured, ${interrupted} interrupted, ${taken} taken; memory ${memory.toFixed(1)} MB, ` +
      `${slopeMbPerHour.toFixed(2)} MB per simulated hour; VITALGATE_SEED=${seed}\n\n`,
  )
  expect({ missing: told.missing, tooMany: told.tooMany }).toEqual({ missing: [], tooMany: [] })
  expect({ bugs: told.bugs, fake: told.fake }).toEqual({ bugs: [], fake: [] })
  expect(told.devices).toBe(12)
  expect(measured).toBeGreaterThan(250)
  expect(slopeMbPerHour).toBeLessThan(1)
}, 300_000)
