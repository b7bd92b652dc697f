import { Command } from 'commander'
import { nearest } from '../base/check.ts'
import { print, printJson, table, usage } from '../base/output.ts'
import { flags } from '../wire/flags.ts'
import { actorOf, withRegistry } from './cli-registry-open.ts'
import { readGateway, readLimit } from './cli-store.ts'
import { type FlagAct, type FlagFilter, type FlagLine, listFlags, reviewFlag, showFlag } from './flags.ts'
import { openReviewer } from './reviews.ts'

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
  one.unsigned === undefined ? one.state : `${one.state}, ${one.unsigned} unsigned`,
  one.gateway?.slice(0, 8) ?? '-',
  one.device ?? '-',
  one.more === undefined ? one.detail : `${one.detail} (and ${one.more} more, only counted)`,
]

const head = ['ID', 'TIME (UTC)', 'FLAG', 'STATE', 'GATEWAY', 'DEVICE', 'DETAIL']

function readId(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usage(`flag id is a number, not ${text}`)
  return Number(text)
}

async function list(command: Command): Promise<void> {
  const filter = filterOf(command.opts())
  await withRegistry(command, ({ store, registry, json }) => {
    const found = listFlags(store, filter, registry.reviews)
    if (json) for (const one of found) printJson(one)
    else print(found.length === 0 ? 'no flags' : table(head, found.map(rowOf)))
  })
}

/** By whose key an act was signed, as people read it. */
const signedBy = ({ act, signed }: FlagAct): string => {
  if (act === 'raised') return '-'
  return signed === null ? 'nobody: it does not count' : `${signed.operator}, key ${signed.key}`
}

async function show(id: string, command: Command): Promise<void> {
  const number = readId(id)
  await withRegistry(command, ({ store, registry, json }) => {
    const { flag, acts } = showFlag(store, number, registry.reviews)
    if (json) return printJson({ ...flag, acts })
    print(table(head, [rowOf(flag)]))
    const rows = acts.map(one => [
      one.at.slice(0, 19).replace('T', ' '),
      one.act,
      one.actor,
      signedBy(one),
      one.detail,
    ])
    print(`\n${table(['TIME (UTC)', 'ACT', 'BY', 'SIGNED BY', 'DETAIL'], rows)}`)
  })
}

async function review(id: string, command: Command): Promise<void> {
  const number = readId(id)
  const { by, comment } = command.opts<{ by?: string; comment: string }>()
  const name = actorOf(by)
  if (!/^[^\p{Cc}]{1,500}$/u.test(comment)) throw usage('--comment is one line of 1 to 500 characters')
  await withRegistry(command, ({ state, store, registry, json }) => {
    const reviewer = openReviewer(state, registry)
    const made = { by: name, comment, at: Date.now() }
    const fresh = reviewFlag(store, registry.reviews, reviewer, number, made)
    const { operator } = reviewer
    if (json) printJson({ id: number, state: 'reviewed', by: name, operator, already: !fresh })
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
    .description(
      'record that a person looked at a flag, signed by the operator; nothing is deleted or changed',
    )
    .option('--by <name>', 'who looked at it (default: who is logged in)')
    .requiredOption('--comment <text>', 'what was found')
    .action((id: string, _options, self: Command) => review(id, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver flags review 12 --by "A. Jones" --comment "cuff was swapped"\nExit codes: 0 done (also: already so), 1 no such flag, 2 usage',
    )
  return command
}
