import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Invariant } from '../history/check.ts'
import type { Fault } from './faults.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('main.ts', import.meta.url))
const compiled = fileURLToPath(new URL('../../node_modules/.cache/simulation', import.meta.url))

/** What came of some worlds. */
export interface Told {
  worlds: number
  /** Steps of all of them, and of the shortest. */
  events: number
  fewest: number
  taken: number
  faults: number
  /** Seconds of processor time. */
  cpu: number
  /** The first world with a violation, and how few faults still show it. */
  found?: { seed: number; violations: string[]; invariants: Invariant[]; faults: Fault[] }
}

/** Lives through worlds in a process of its own, whose time is theirs. */
export async function live(words: Record<string, string | number | true>, patienceMs: number): Promise<Told> {
  const args = Object.entries(words).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  )
  const { stdout } = await run(process.execPath, [main, ...args], {
    timeout: patienceMs,
    env: { ...process.env, NODE_COMPILE_CACHE: compiled, NODE_NO_WARNINGS: '1' },
  })
  return JSON.parse(stdout) as Told
}
