import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Report, Row } from './attack.ts'

/*
 * `npm run attacks`: runs the attacks and prints the table. Exits 0 only if every outcome is the named one,
 * every attack succeeds without its defence, no forged reading was accepted unflagged and no row deleted.
 */
const root = fileURLToPath(new URL('../..', import.meta.url))
const results = mkdtempSync(join(tmpdir(), 'vitalgate-attacks-'))

/** Runs jest over the attacks; what it says goes to stderr. */
const run = (): Promise<number | null> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        '--experimental-vm-modules',
        'node_modules/jest/bin/jest.js',
        'test/attacks',
        ...process.argv.slice(2),
      ],
      {
        cwd: root,
        stdio: ['ignore', 2, 2],
        env: { ...process.env, NODE_NO_WARNINGS: '1', VITALGATE_ATTACKS: results },
      },
    )
    child.on('error', reject)
    child.on('close', resolve)
  })

const code = await run()
const reports = readdirSync(results).map(
  name => JSON.parse(readFileSync(join(results, name), 'utf8')) as Report,
)
rmSync(results, { recursive: true })

const isNamed = (row: Row): boolean => row.observed === row.expected
const succeeds = (row: Row): boolean => row.without === row.undefended
const byId = (a: Row, b: Row): number => a.id.localeCompare(b.id, 'en', { numeric: true })
const rows = reports.flatMap(report => report.rows).sort(byId)

const head = ['ID', 'ATTACK', 'EXPECTED', 'OBSERVED', 'WITHOUT ITS DEFENCE']
const cells = rows.map(row => [
  row.id,
  row.attack,
  row.expected,
  isNamed(row) ? 'as expected' : `FAILS: ${row.observed}`,
  succeeds(row) ? row.without : `FAILS TO SUCCEED: ${row.without}`,
])
const widths = head.map((_, at) => Math.max(...[head, ...cells].map(row => row[at]!.length)))
for (const row of [head, ...cells]) {
  process.stdout.write(
    `${row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd()}\n`,
  )
}

const count = (holds: (row: Row) => boolean): number => rows.filter(holds).length
/** A hop that did not come to its end counts as one, not as none. */
const sum = (of: (report: Report) => number): number =>
  reports.reduce((all, report) => all + Math.abs(of(report)), 0)
const forged = sum(report => report.forged)
const deleted = sum(report => report.deleted)
process.stdout.write(
  `\n${rows.length} attacks, ${count(isNamed)} as named, ${count(succeeds)} succeed without their defence, ` +
    `forged readings accepted unflagged: ${forged}, rows deleted by anything but a genuine receipt: ${deleted}\n`,
)
const clean = rows.every(row => isNamed(row) && succeeds(row)) && forged === 0 && deleted === 0
process.exitCode = code === 0 && clean && rows.length > 0 ? 0 : 1
