import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Report, Row } from './attack.ts'
import { isNamed, succeeds, tableOf } from './table.ts'

/*
 * `npm run attacks`: runs the attacks and prints the table, then what was measured. Exits 0 only if every outcome is
 * the named one, every attack succeeds without its defence, no forged reading was accepted unflagged, no row was
 * deleted, and the honest run accused nobody. Words behind it go to jest: `npm run attacks -- test/attacks/box`.
 */
const root = fileURLToPath(new URL('../..', import.meta.url))
const results = mkdtempSync(join(tmpdir(), 'vitalgate-attacks-'))
const words = process.argv.slice(2)

/** Runs jest over the attacks; what it says goes to stderr. */
const run = (): Promise<number | null> =>
  new Promise((resolve, reject) => {
    const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js']
    const child = spawn(process.execPath, [...jest, ...(words.length > 0 ? words : ['test/attacks'])], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      env: { ...process.env, NODE_NO_WARNINGS: '1', VITALGATE_ATTACKS: results },
    })
    child.on('error', reject)
    child.on('close', resolve)
  })

const code = await run()
const honest = join(results, 'honest.txt')
const figures = existsSync(honest) ? [readFileSync(honest, 'utf8')] : []
const reports = readdirSync(results)
  .filter(name => name.endsWith('.json'))
  .map(name => JSON.parse(readFileSync(join(results, name), 'utf8')) as Report)
rmSync(results, { recursive: true })

const rows = reports.flatMap(report => report.rows)
const count = (holds: (row: Row) => boolean): number => rows.filter(holds).length
/** A scene that did not come to its end counts as one, not as none. */
const sum = (of: (report: Report) => number): number =>
  reports.reduce((all, report) => all + Math.abs(of(report)), 0)
const forged = sum(report => report.forged)
const deleted = sum(report => report.deleted)
const told = [...reports.flatMap(report => report.figures), ...figures]
process.stdout.write(
  `${tableOf(rows)}\n\n${told.map(one => `${one}\n`).join('')}` +
    `${rows.length} attacks, ${count(isNamed)} as named, ${count(succeeds)} succeed without their defence, ` +
    `forged readings accepted unflagged: ${forged}, rows deleted by anything but a genuine receipt: ${deleted}\n`,
)
const clean = rows.every(row => isNamed(row) && succeeds(row)) && forged === 0 && deleted === 0
process.exitCode = code === 0 && clean && rows.length > 0 ? 0 : 1
