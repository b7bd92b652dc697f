import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { exit, exitOf, print, printJson, tellFault, usage } from '../../src/base/output.ts'
import { dim, tell } from '../scenario/table.ts'
import { runBench } from './bench.ts'
import { readOptions } from './options.ts'
import { type Report, reportText, withReport } from './report.ts'
import { sizes } from './sizes.ts'
import { openStage } from './stage.ts'

/** Puts the tables into a page. Fault `usage` where it has no place for them. */
function writePage(path: string, report: Report): void {
  const page = withReport(readFileSync(path, 'utf8'), report)
  if (page === undefined) throw usage(`${path} has no place for figures`, 'it is marked by <!-- figures -->')
  writeFileSync(path, page)
}

/** Measures, prints and tidies up; the exit code. */
async function run(words: readonly string[]): Promise<number> {
  const options = readOptions(words)
  const stage = await openStage(sizes[options.size], options.profile, line => tell(dim(line)))
  let whole = false
  let interrupted = false
  const interrupt = (): void => {
    interrupted = true
    stage.died('interrupted')
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
  try {
    const report = await runBench(stage, options)
    if (interrupted) return exit.interrupted
    if (options.into !== undefined) writePage(options.into, report)
    if (options.json) printJson(report)
    else print(reportText(report))
    for (const { hint } of report.failures) if (hint !== undefined) tell(`vitalgate: hint: ${hint}`)
    whole = report.failures.length === 0
    return whole ? exit.done : exit.partly
  } catch (error) {
    if (interrupted) return exit.interrupted
    throw error
  } finally {
    await stage.close()
    if (options.keep || !(whole || interrupted)) tell(`states and logs are in ${stage.folder}`)
    else rmSync(stage.folder, { recursive: true })
  }
}

const words = process.argv.slice(2)
try {
  process.exitCode = await run(words)
} catch (error) {
  tellFault('vitalgate', error, words.includes('--json'))
  process.exitCode = exitOf(error)
}
