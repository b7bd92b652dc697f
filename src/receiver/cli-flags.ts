import { userInfo } from 'node:os'
import { Command } from 'commander'
import { nearest } from '../base/check.ts'
import { print, printJson, table, usage } from '../base/output.ts'
import { flags } from '../wire/flags.ts'
import { readGateway, readLimit, withStore } from './cli-store.ts'
import { type FlagFilter, type FlagLine, listFlags, reviewFlag, showFlag } from './flags.ts'

interface ListOptions {
  gateway?: string
  flag?: string
  open?: boolean
  limit: string
}

function filterOf(options: ListOptions): FlagFilter {
  if (options.flag !== undefined && !Object.hasOwn(flags, options.flag)) {
    const near = nearest(options.flag, Object.keys(flags))
    throw usage(`there is no flag ${options.flag}`, near === undefined ? undefined : `did you mean ${near}?`)
  }
  return {
    ...(options.gateway === undefined ? {} : { gateway: readGateway(options.gateway) }),
    ...(options.flag === undefined ? {} : { flag: options.flag }),
    ...(options.open === true ? { open: true } : {}),
    limit: readLimit(options.limit),
  }
}

const rowOf = (one: FlagLine): string[] => [
  String(one.id),
  one.at.slice(0, 19).replace('T', ' '),
  one.flag,
  one.state,
  one.gateway?.slice(0, 8) ?? '-',
  one.device ?? '-',
  one.more === undefined ? one.detail : `${one.detail} (and ${one.more} more, only counted)`,
]

const head = ['ID', 'TIME (UTC)', 'FLAG', 'STATE', 'GATEWAY', 'DEVICE', 'DETAIL']

function readId(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usage(`flag id is a number, not ${text}`)
  return Number(text)
}

function list(command: Command): void {
  withStore(command, (store, json) => {
    const found = listFlags(store, filterOf(command.opts()))
    if (json) for (const one of found) printJson(one)
    else print(found.length === 0 ? 'no flags' : table(head, found.map(rowOf)))
  })
}

function show(id: string, command: Command): void {
  withStore(command, (store, json) => {
    const { flag, acts } = showFlag(store, readId(id))
    if (json) return printJson({ ...flag, acts })
    print(table(head, [rowOf(flag)]))
    const rows = acts.map(one => [one.at.slice(0, 19).replace('T', ' '), one.act, one.actor, one.detail])
    print(`\n${table(['TIME (UTC)', 'ACT', 'BY', 'DETAIL'], rows)}`)
  })
}

function review(id: string, command: Command): void {
  const { by, comment } = command.opts<{ by?: string; comment: string }>()
  const name = (by ?? userInfo().username).trim()
  if (!/^[^\x00-\x1f\x7f]{1,64}$/.test(name)) throw usage('--by is a name of 1 to 64 characters')
  if (!/^[^\x00-\x1f\x7f]{1,500}$/.test(comment)) throw usage('--comment is one line of 1 to 500 characters')
  withStore(command, (store, json) => {
    const fresh = reviewFlag(store, readId(id), { by: name, comment, at: Date.now() })
    if (json) printJson({ id: readId(id), state: 'reviewed', by: name, already: !fresh })
    else print(fresh ? `flag ${id} reviewed by ${name}` : `flag ${id} was already reviewed so by ${name}`)
  })
}

/** `vitalgate-receiver flags`: what is potentially false, why, and who looked at it. */
export function flagsCommand(): Command {
  const command = new Command('flags').description('what is potentially false data, and why')
  command
    .command('list')
    .description('list flags, the newest last')
    .option('--open', 'only those that nobody reviewed or released')
    .option('--flag <name>', 'only this flag')
    .option('--gateway <id>', 'only of this gateway (its first 6 characters or more)')
    .option('--limit <n>', 'at most so many, the newest', '100')
    .action((_options, self: Command) => list(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver flags list --open\nExit codes: 0 done, 1 failed, 2 usage',
    )
  command
    .command('show')
    .argument('<id>', 'number of the flag')
    .description('show one flag and everything that was done about it')
    .action((id: string, _options, self: Command) => show(id, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver flags show 12\nExit codes: 0 done, 1 no such flag, 2 usage',
    )
  command
    .command('review')
    .argument('<id>', 'number of the flag')
    .description('record that a person looked at a flag; nothing is deleted or changed')
    .option('--by <name>', 'who looked at it (default: who is logged in)')
    .requiredOption('--comment <text>', 'what was found')
    .action((id: string, _options, self: Command) => review(id, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver flags review 12 --by "A. Jones" --comment "cuff was swapped"\nExit codes: 0 done (also: already so), 1 no such flag, 2 usage',
    )
  return command
}
