import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readGoals, tableOfGoals } from '../test/history/goals.ts'

/** What jest's JSON report says, as far as the last line needs it. */
interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  numRuntimeErrorTestSuites: number
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs one step with its output shown; gives whether it succeeded. */
function step(title: string, args: string[], env: NodeJS.ProcessEnv = {}): boolean {
  process.stderr.write(`\n== ${title}\n`)
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  return status === 0
}

const args = process.argv.slice(2)
const unknown = args.filter(arg => arg !== '--release')
if (unknown.length > 0) {
  process.stderr.write(
    `vitalgate: error: unknown: ${unknown.join(' ')}\nvitalgate: hint: scripts/test [--release]\n`,
  )
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-test-'))
const output = join(folder, 'report.json')
const goals = join(folder, 'goals.jsonl')
const types = step('types', ['node_modules/typescript/bin/tsc'])
const lint = step('lint and format', [
  'node_modules/@biomejs/biome/bin/biome',
  'check',
  '--error-on-warnings',
])
const jest = step(
  'tests',
  [
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    '--json',
    `--outputFile=${output}`,
    '--testLocationInResults',
  ],
  { NODE_NO_WARNINGS: '1', VITALGATE_GOALS: goals },
)
const report = JSON.parse(readFileSync(output, 'utf8')) as Report
const table = tableOfGoals(readGoals(goals))
rmSync(folder, { recursive: true })

// A suite that could not even be loaded counts as no failed test in the report.
const failed = report.numFailedTests + report.numRuntimeErrorTestSuites + (types ? 0 : 1) + (lint ? 0 : 1)
const skipped = report.numPendingTests + report.numTodoTests
process.stdout.write(`\n${table}\n\n`)
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped\n`)
process.exitCode = jest && failed === 0 ? 0 : 1
