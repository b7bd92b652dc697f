import { Command } from 'commander'
import { isThere } from '../base/files.ts'
import { print, printJson, say, table, usage } from '../base/output.ts'
import { actorOf, type Opened, withRegistry } from './cli-registry-open.ts'
import { readPinnedRoot } from './root.ts'
import { entryFacts } from './server-entry.ts'
import { forgetServerKeys, type KeyLine, keyLines, keysToForget, tellKeepers } from './server-forget.ts'
import { type NextEntry, refuseWhileWaiting, rotateServerKeys, type Signing } from './server-rotate.ts'
import { paths } from './state.ts'

/** What a command that needs the root is told of it. */
export interface RootOptions {
  root?: string
  passphraseFile?: string
  unsigned?: boolean
}

/** Whether the root signs here, once it is asked to, or the entry waits for it. */
export function signingOf({ state, store, registry }: Opened, options: RootOptions): Signing {
  const { root, passphraseFile, unsigned } = options
  if (unsigned === true || (root === undefined && !isThere(paths(state).root))) {
    refuseWhileWaiting(store, registry)
    return { unsigned: true }
  }
  return {
    root: async () => {
      const { askPassphrase } = await import('./ask.ts')
      return readPinnedRoot(registry, root ?? paths(state).root, await askPassphrase(passphraseFile, false))
    },
  }
}

const dateOf = (at: number): string => new Date(at).toISOString()

/** Tells what became of the next entry. */
export function tellEntry({ entry, outcome, box }: NextEntry, done: string, json: boolean): void {
  if (json) {
    const { version, brokers, until } = entry
    const told = {
      version,
      box,
      brokers,
      cas: entry.ca.length,
      pins: entry.pins.length,
      until: dateOf(until),
    }
    printJson({ ...told, outcome: outcome === 'waiting' ? outcome : done })
    return
  }
  print(outcome === 'waiting' ? 'waiting for the root to sign:' : `${done}:`)
  for (const [name, value] of entryFacts(entry, box)) print(`${`${name}:`.padEnd(13)}${value}`)
  if (outcome === 'waiting') say('next: vitalgate-receiver registry waiting --out FILE')
}

const stateOf = ({ state, shown }: KeyLine): string => (shown ? `${state}, shown` : state)

async function list(command: Command): Promise<void> {
  await withRegistry(command, ({ state, store, registry, json }) => {
    const lines = keyLines(state, store, registry)
    for (const line of json ? lines : []) {
      const { since, keepers, ...told } = line
      printJson({ ...told, since: since === null ? null : dateOf(since), keepers })
    }
    if (json) return
    const rows = lines.map(line => [
      line.versions.join(', ') || '-',
      line.since === null ? '-' : dateOf(line.since).slice(0, 10),
      stateOf(line),
      line.kids.box,
      line.kids.receipt,
      line.kids.command,
      String(line.gateways),
    ])
    print(table(['ENTRY', 'SINCE', 'STATE', 'BOX KEY', 'RECEIPT KEY', 'COMMAND KEY', 'GATEWAYS'], rows))
    for (const { state, versions, keepers } of lines) {
      if (state !== 'former') continue
      const kept = keepers.length === 0 ? 'nothing; keys forget gives them up' : tellKeepers(keepers)
      print(`entry ${versions.join(', ')} is kept for: ${kept}`)
    }
  })
}

async function rotate(command: Command): Promise<void> {
  const options = command.opts<RootOptions & { authority?: boolean; by?: string }>()
  const decided = { actor: actorOf(options.by), now: Date.now(), authority: options.authority === true }
  await withRegistry(command, async opened => {
    const { state, store, registry, json } = opened
    const made = await rotateServerKeys(state, store, registry, signingOf(opened, options), decided)
    tellEntry(made, 'rotated', json)
    if (json || made.outcome === 'waiting') return
    say('gateways go over by themselves with their next hellos: vitalgate-receiver keys list')
    if (decided.authority) say('their certificates under the new CA: vitalgate-receiver registry renew --all')
  })
}

interface ForgetOptions {
  anyway?: boolean
  yes?: boolean
  by?: string
}

/** Has it confirmed that what is sealed to these keys is lost. */
async function confirm({ versions, keepers }: KeyLine, { anyway, yes }: ForgetOptions): Promise<void> {
  if (anyway !== true || keepers.length === 0) return
  say(`the keys of server entry ${versions.join(', ')} are needed: ${tellKeepers(keepers)}`)
  say(
    'What these gateways sealed to them can be read by nobody afterwards, and they need a bundle and a visit.',
  )
  if (yes === true) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) throw usage('it must be confirmed, and there is no terminal to ask at', '--yes')
  const typed = await ask('Type forget to give the keys up for ever: ')
  if (typed.trim() !== 'forget') throw usage('not confirmed: the keys are kept')
}

async function forget(text: string, command: Command): Promise<void> {
  const options = command.opts<ForgetOptions>()
  const version = Number(text)
  if (!/^[1-9]\d{0,14}$/.test(text)) throw usage(`${text} is no version of a server entry`, 'see: keys list')
  const decided = { anyway: options.anyway === true, actor: actorOf(options.by), now: Date.now() }
  await withRegistry(command, async ({ state, store, registry, json }) => {
    const line = keysToForget(registry, keyLines(state, store, registry), version)
    if (line !== undefined) await confirm(line, options)
    const { authoritiesGone, authoritiesKeptFor } = forgetServerKeys(state, store, registry, line, decided)
    const outcome = line === undefined ? 'already' : 'forgotten'
    if (json) {
      const box = line?.kids.box ?? null
      printJson({ versions: line?.versions ?? [version], box, authoritiesGone, authoritiesKeptFor, outcome })
      return
    }
    print(
      line === undefined
        ? `already forgotten: ${version}`
        : `forgotten: keys of entry ${line.versions.join(', ')}`,
    )
    if (authoritiesGone > 0) print(`CAs given up: ${authoritiesGone}`)
    if (authoritiesKeptFor.length > 0) {
      const who = authoritiesKeptFor.slice(0, 8).join(', ')
      say(`a former CA stays for the certificates of ${authoritiesKeptFor.length} gateways (${who})`)
      say('then: vitalgate-receiver registry renew --all, and once they were heard keys forget again')
    }
    if (registry.facts.broker !== 'embedded')
      say('your broker: registry export --mosquitto DIR, then restart it')
    say('to take their pins out of the entry: vitalgate-receiver registry entry')
  })
}

/** The options of a command whose entry the root signs. */
export const withRoot = (command: Command): Command =>
  command
    .option('--root <file>', 'the sealed root, where it is not in the state folder')
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .option(
      '--unsigned',
      'only keep what the root is to sign on another machine (so, too, where it is not here)',
    )
    .option('--by <name>', 'who does it (default: who is logged in)')

/** `vitalgate-receiver keys`: the server's own keys. */
export function keysCommand(): Command {
  const command = new Command('keys').description("the server's own keys: new ones, and when old ones can go")
  command
    .command('list')
    .description('list the keys that are kept, how many gateways use them, and what keeps the former ones')
    .action((_options, self: Command) => list(self))
    .addHelpText('after', '\nExample: vitalgate-receiver keys list\nExit codes: 0 done, 1 failed, 2 usage')
  withRoot(command.command('rotate'))
    .description(
      'make new box, receipt, command and broker keys, and the next server entry; signed by the root',
    )
    .option('--authority', 'with a new CA, which issues all certificates from now on')
    .action((_options, self: Command) => rotate(self))
    .addHelpText(
      'after',
      '\nNothing breaks: gateways take the entry with their next hello and go over by themselves; who is away is' +
        '\nanswered under the keys it knows. Broker and receiver show the oldest certificate until keys forget.' +
        '\nExample: vitalgate-receiver keys rotate' +
        '\nExit codes: 0 done, 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
  command
    .command('forget')
    .argument('<version>', 'version of a server entry, as keys list shows it')
    .description('give up former keys for ever, once no gateway needs them')
    .option('--anyway', 'even if gateways need them: what they sealed is lost')
    .option('--yes', 'do not ask for confirmation')
    .option('--by <name>', 'who does it (default: who is logged in)')
    .action((version: string, _options, self: Command) => forget(version, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver keys forget 1\nExit codes: 0 done (also: already so), 1 needed or failed, 2 usage',
    )
  return command
}
