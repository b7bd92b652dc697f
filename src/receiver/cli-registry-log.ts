import { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { print, printJson, table, usage } from '../base/output.ts'
import { withRegistry } from './cli-registry-open.ts'
import type { SeenHead } from './registry-head.ts'
import { readLog } from './registry-log.ts'
import { verifyRegistryStore } from './registry-verify.ts'

const timeOf = (at: number): string => new Date(at).toISOString()

/** How many entries to show; all of them for 0. */
function limitOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usage(`--limit ${text} is no number of entries`)
  return Number(text) === 0 ? -1 : Number(text)
}

async function log(command: Command): Promise<void> {
  const limit = limitOf(command.opts<{ limit: string }>().limit)
  await withRegistry(command, ({ store, json }) => {
    const entries = readLog(store.db, limit)
    if (json) for (const entry of entries) printJson({ ...entry, at: timeOf(entry.at) })
    else if (entries.length === 0) print('nothing was done yet')
    else {
      const rows = entries.map(({ number, at, actor, act, subject, head }) => [
        String(number),
        timeOf(at).slice(0, 19).replace('T', ' '),
        actor,
        act,
        subject,
        head.slice(0, 12),
      ])
      print(table(['NUMBER', 'AT (UTC)', 'BY', 'ACT', 'WHAT', 'HEAD'], rows))
    }
  })
}

/** A head as it was noted: NUMBER:HASH. */
function notedOf(text: string | undefined): SeenHead | undefined {
  if (text === undefined) return undefined
  const [, number, head] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (number === undefined || head === undefined) {
    throw usage(`--head ${text} is none`, 'NUMBER:HASH, as registry verify printed it')
  }
  return { number: Number(number), head }
}

async function verify(command: Command): Promise<void> {
  const noted = notedOf(command.opts<{ head?: string }>().head)
  await withRegistry(command, async ({ state, store, registry, json }) => {
    const found = await verifyRegistryStore(state, store, registry, noted)
    const { statements, entries, head, problems } = found
    if (json) printJson(found)
    else {
      for (const { place, problem } of problems) print(`${place}: ${problem}`)
      print(`statements: ${statements}`)
      print(`entries:    ${entries}`)
      if (head !== null) print(`head:       ${head.number}:${head.head}`)
      print(`problems:   ${problems.length}`)
    }
    if (problems.length === 0) return
    throw new Fault('store.damaged', `the registry has ${problems.length} problems`, {
      hint: 'somebody changed the database by hand or it is damaged; keep a copy of it, find out who, restore it',
    })
  })
}

/** `vitalgate-receiver registry log`: what was done with the registry, by whom. */
export const logCommand = (): Command =>
  new Command('log')
    .description('show what was done with the registry, by whom and when')
    .option('--limit <n>', 'only the newest; 0 for all of them', '50')
    .action((_options, self: Command) => log(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry log --limit 20\nExit codes: 0 done, 1 failed, 2 usage',
    )

/** `vitalgate-receiver registry verify`: whether anybody changed it behind our back. */
export const verifyCommand = (): Command =>
  new Command('verify')
    .description('verify the whole registry: log, signatures, chains, requests, certificates')
    .option('--head <number:hash>', 'also that the log still holds this head, noted before')
    .action((_options, self: Command) => verify(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry verify\nExit codes: 0 no problem, 1 problems, 2 usage',
    )
