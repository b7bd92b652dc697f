import { Command } from 'commander'
import type { Fault } from '../base/fault.ts'
import { print, printJson, table, usage } from '../base/output.ts'
import { readGateway, readLimit, readSince, withStore } from './cli-store.ts'
import { eachReading, listReadings, type ReadingFilter, type ReadingLine } from './readings-list.ts'

interface FilterOptions {
  gateway?: string
  device?: string
  band?: string
  since?: string
  verdict?: string
  limit?: string
}

const verdicts = ['accept', 'flag', 'quarantine', 'all'] as const
type Wanted = (typeof verdicts)[number]

function filterOf({ gateway, device, band, since, verdict, limit }: FilterOptions): ReadingFilter {
  const wanted = verdicts.find(one => one === verdict)
  if (verdict !== undefined && wanted === undefined) {
    throw usage(`--verdict is ${verdicts.join(', ')}; not ${verdict}`)
  }
  return {
    ...(gateway === undefined ? {} : { gateway: readGateway(gateway) }),
    ...(device === undefined ? {} : { device }),
    ...(band === undefined ? {} : { band }),
    ...(since === undefined ? {} : { since: readSince(since, Date.now()) }),
    ...(wanted === undefined ? {} : { verdict: wanted satisfies Wanted }),
    ...(limit === undefined ? {} : { limit: readLimit(limit) }),
  }
}

/** `systolic 120 mm[Hg], diastolic 80 mm[Hg]`, with the digits that were measured. */
const valuesText = (values: ReadingLine['values']): string =>
  Object.entries(values)
    .map(([kind, { value, unit }]) => `${kind} ${JSON.stringify(value)} ${unit.replace('mm[Hg]', 'mmHg')}`)
    .join(', ')

const rowOf = (one: ReadingLine): string[] => [
  one.time.slice(0, 19).replace('T', ' '),
  one.gateway.slice(0, 8),
  one.device,
  one.band ?? '-',
  valuesText(one.values),
  one.verdict,
  [...one.flags, ...one.notes].join(' ') || '-',
]

const head = ['TIME (UTC)', 'GATEWAY', 'DEVICE', 'BAND', 'VALUES', 'VERDICT', 'FLAGS AND NOTES']

function list(command: Command): void {
  withStore(command, (store, json) => {
    const damage: Fault[] = []
    const found = listReadings(store, filterOf(command.opts()), fault => damage.push(fault))
    if (json) for (const one of found) printJson(one)
    else print(found.length === 0 ? 'no readings' : table(head, found.map(rowOf)))
    for (const fault of damage) throw fault
  })
}

function exportAll(command: Command): void {
  withStore(command, store => {
    for (const one of eachReading(store, filterOf(command.opts()))) printJson(one)
  })
}

const filtered = (command: Command): Command =>
  command
    .option('--gateway <id>', 'only of this gateway (its first 6 characters or more)')
    .option('--device <name>', 'only of this device')
    .option('--band <id>', 'only of this band')
    .option('--since <when>', 'only received since a date, a time, or so long ago (90m, 7d)')
    .option('--verdict <word>', 'accept, flag, quarantine or all (default: accept and flag)')

/** `vitalgate-receiver readings`: what was received and believed. */
export function readingsCommand(): Command {
  const command = new Command('readings').description('readings that were received and verified')
  filtered(command.command('list').description('list readings, the newest last; --json prints one a line'))
    .option('--limit <n>', 'at most so many, the newest', '50')
    .action((_options, self: Command) => list(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver readings list --since 2h\nExit codes: 0 done, 1 failed, 2 usage',
    )
  filtered(command.command('export').description('print every reading as one line of JSON'))
    .option('--limit <n>', 'at most so many, the oldest')
    .action((_options, self: Command) => exportAll(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver readings export --since 2026-07-11 > readings.jsonl\nExit codes: 0 done, 1 failed, 2 usage',
    )
  return command
}
