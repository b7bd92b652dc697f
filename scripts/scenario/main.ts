import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { listFlags } from '../../src/receiver/flags.ts'
import { counted } from '../../src/receiver/store.ts'
import { flags } from '../../src/wire/flags.ts'
import { attackFlags } from './expected.ts'
import { openSite, type Site } from './site.ts'
import {
  attackers,
  furnish,
  type Misses,
  morningRound,
  newcomer,
  readingsOf,
  tellCommands,
  tellReadings,
} from './story.ts'
import { bold, dim, green, red, tableHead, tell } from './table.ts'

/** The object of `--json`, documented in docs/CLI.md. */
function summary(site: Site, misses: Misses) {
  const readings = readingsOf(site)
  const raised = listFlags(site.store, {})
  const of = (outcome: string) =>
    raised.filter(one => flags[one.flag] === outcome).map(({ flag }) => ({ flag }))
  return {
    ok: misses.length === 0,
    accepted: readings.filter(line => line.verdict === 'accept').length,
    readings: readings.map(({ device, band, values, verdict, notes }) => ({
      device,
      band,
      values,
      verdict,
      notes,
    })),
    quarantined: of('quarantine'),
    refused: of('refuse'),
    ignored: Array.from({ length: counted(site.store, 'DUPLICATE') }, () => ({ flag: 'DUPLICATE' })),
    misses,
  }
}

function tellSums(site: Site, misses: Misses): void {
  const { accepted, quarantined, refused, ignored } = summary(site, misses)
  tell()
  for (const miss of misses) tell(red(`missed: ${miss}`))
  const sums = `${accepted} readings accepted; ${quarantined.length} kept apart, ${refused.length} refused, ${ignored.length} ignored`
  const stopped = attackFlags.length - misses.filter(miss => miss.startsWith('attack')).length
  tell(bold(`${sums}; ${stopped} of ${attackFlags.length} attackers stopped.`))
}

const signalled = (): Promise<void> =>
  new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })

function options(): { once?: boolean; json?: boolean; keep?: boolean } {
  const known = { once: { type: 'boolean' }, json: { type: 'boolean' }, keep: { type: 'boolean' } } as const
  try {
    return parseArgs({ options: known }).values
  } catch (error) {
    tell(`vitalgate: error: ${error instanceof Error ? error.message : String(error)}`)
    tell('vitalgate: hint: scripts/demo --help')
    process.exit(2)
  }
}

async function run(): Promise<number> {
  const values = options()
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-demo-'))
  const misses: Misses = []
  const interrupted = signalled()
  const died = (why: string): void => {
    tell(red(why))
    misses.push(why)
  }
  tell(bold('Vitalgate: from the serial port to a receipt that the server signed'))
  const site = await openSite(folder, line => tell(dim(`  ${line}`)), died, {
    names: ['gateway', 'idle-gateway'],
  })
  const scripts = fileURLToPath(new URL('..', import.meta.url))
  try {
    const ends = await furnish(site)
    if (values.once !== true || values.keep === true) tellCommands(site, scripts)
    tell(tableHead())
    const telling = tellReadings(site)
    const story = async (): Promise<void> => {
      await morningRound(site, ends, misses)
      await newcomer(site, telling.look, misses)
      await attackers(site, misses)
    }
    const ended = await Promise.race([
      story().then(() => 'told' as const),
      interrupted.then(() => 'interrupted' as const),
    ])
    telling.stop()
    if (ended === 'interrupted') return 130
    tellSums(site, misses)
    if (values.json === true) process.stdout.write(`${JSON.stringify(summary(site, misses))}\n`)
    if (values.once !== true) {
      tell(green('Everything keeps running; look around with the commands above. Ctrl-C ends it.'))
      await interrupted
    }
    return misses.length === 0 ? 0 : 1
  } finally {
    await site.close()
    if (values.keep !== true && misses.length === 0) rmSync(folder, { recursive: true })
  }
}

try {
  process.exitCode = await run()
} catch (error) {
  tell(red(`the demo stopped: ${error instanceof Error ? error.message : String(error)}`))
  process.exitCode = 1
}
