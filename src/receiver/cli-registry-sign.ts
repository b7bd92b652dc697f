import { Command } from 'commander'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import { writeFileAtomic } from '../base/files.ts'
import { exit, print, printJson, say, table, tellFault, usage } from '../base/output.ts'
import { actorOf, withRegistry } from './cli-registry-open.ts'
import type { Registry } from './registry.ts'
import type { WaitingRow } from './registry-acts.ts'
import { readRoot } from './root.ts'
import { waitingRotations } from './rotations.ts'
import { bindingsLimit, readSigned, readUnsigned, signedText, type ToSign, unsignedText } from './sign.ts'
import type { EntryToSign } from './sign-entry.ts'
import { readAuthority } from './state.ts'
import type { Store } from './store.ts'
import { enterSigned, listWaiting, successionOf } from './waiting.ts'
import { enterSignedEntry, listWaitingEntries } from './waiting-entry.ts'

async function waiting(command: Command): Promise<void> {
  const { out } = command.opts<{ out?: string }>()
  await withRegistry(command, ({ registry, store, json }) => {
    const all = listWaiting(store)
    const rows = all.slice(0, bindingsLimit)
    const entries = listWaitingEntries(store, registry)
    const proposals = proposedOnly(store, registry, all)
    const succession = (row: WaitingRow) => successionOf(store, registry, row)
    if (out !== undefined) {
      if (rows.length + entries.length === 0)
        throw new Fault('registry.unknown', 'nothing waits for the root to sign')
      const { server, facts } = registry
      writeFileAtomic(out, unsignedText(server.id, facts.root, rows, succession, entries))
    }
    const shown = [
      ...rows.map(row => ({ ...row, what: succession(row) === undefined ? 'enrolment' : 'rotation' })),
      ...entries.map(row => ({ ...row, what: 'server-entry' })),
      ...proposals,
    ]
    for (const { gateway, version, at, actor, what } of json ? shown : []) {
      printJson({ gateway, version, at: new Date(at).toISOString(), by: actor, what })
    }
    if (json) return
    const lines = shown.map(({ gateway, version, at, actor, what }) => [
      gateway,
      String(version),
      what,
      new Date(at).toISOString().slice(0, 16).replace('T', ' '),
      actor,
    ])
    const head = ['GATEWAY OR SERVER', 'VERSION', 'WHAT', 'SINCE (UTC)', 'BY']
    print(lines.length === 0 ? 'nothing waits' : table(head, lines))
    if (proposals.length > 0) say('a proposal waits for you: vitalgate-receiver registry rotate GATEWAY')
    if (all.length > rows.length) say(`${all.length - rows.length} more wait; do these first`)
    if (out !== undefined)
      say(`on the machine of the root: vitalgate-receiver registry sign ${out} --root root.sealed`)
  })
}

/** New keys that gateways proposed and that nobody has decided about. */
function proposedOnly(store: Store, registry: Registry, kept: readonly WaitingRow[]) {
  return waitingRotations(store, registry)
    .filter(({ request }) => !kept.some(row => row.request === request))
    .map(({ gateway, at }) => ({
      gateway,
      version: (registry.gateway(gateway)?.version ?? 0) + 1,
      at,
      actor: 'the gateway',
      what: 'proposal',
    }))
}

interface SignOptions {
  root: string
  out: string
  passphraseFile?: string
  yes?: boolean
}

/** What a person is to know of a binding: a new box, one that asks for new keys itself, or one that lost them. */
const kindOf = ({ binding, rotation }: ToSign): string =>
  rotation !== undefined ? 'rotation' : binding.version === 1 ? 'new box' : 'box again'

const lineOf = (one: ToSign): string[] => [
  one.binding.gateway,
  one.binding.site,
  String(one.binding.version),
  kindOf(one),
  one.words.join(' '),
]

/** Which keys a rotation exchanges, and that those before asked for it. */
const rotationLine = ({ binding, rotation }: ToSign): string[] =>
  rotation === undefined
    ? []
    : [
        `${binding.gateway}: key ${rotation.fromKid} of binding ${rotation.from.version} asked on ` +
          `${new Date(rotation.proposed).toISOString().slice(0, 16).replace('T', ' ')} (the box's clock) ` +
          `to go on as ${rotation.toKid}`,
      ]

/** Shows what is to be signed, and has it confirmed unless `--yes` did. */
async function confirm(
  all: readonly ToSign[],
  entries: readonly EntryToSign[],
  yes: boolean | undefined,
): Promise<void> {
  if (all.length > 0) {
    say(`for server ${all[0]?.binding.server}:`)
    say(table(['GATEWAY', 'SITE', 'BINDING', 'WHAT', 'SIX WORDS OF THE BOX'], all.map(lineOf)))
  }
  for (const { facts } of entries) {
    say('the next server entry; compare it with what the operator of the server reads out:')
    for (const [name, value] of facts) say(`  ${`${name}:`.padEnd(13)}${value}`)
  }
  for (const line of all.flatMap(rotationLine)) say(line)
  if (yes === true) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) throw usage('it must be confirmed, and there is no terminal to ask at', '--yes')
  const count = all.length + entries.length
  const typed = await ask(`Compare the words with those of the boxes. Type yes to sign all ${count}: `)
  if (typed.trim() !== 'yes') throw usage('not confirmed: nothing was signed')
}

async function sign(file: string, command: Command): Promise<void> {
  const { root: path, out, passphraseFile, yes } = command.opts<SignOptions>()
  const { json } = command.optsWithGlobals<{ json?: boolean }>()
  const { askPassphrase } = await import('./ask.ts')
  const root = readRoot(path, await askPassphrase(passphraseFile, false))
  const { bindings: all, entries } = await readUnsigned(file, root)
  if (all.length + entries.length === 0) throw new Fault('input.invalid', `${file} asks for no signature`)
  await confirm(all, entries, yes)
  writeFileAtomic(out, signedText(all, root, entries))
  if (json === true) {
    for (const one of all) {
      const { gateway, site, version } = one.binding
      const { rotation } = one
      const keys = rotation === undefined ? {} : { from: rotation.fromKid, to: rotation.toKid }
      printJson({ gateway, site, version, words: one.words, what: kindOf(one), ...keys })
    }
    for (const { entry } of entries) {
      const { server, version, brokers } = entry
      printJson({ server, version, brokers, what: 'server-entry' })
    }
  } else print(`signed: ${all.length + entries.length}, file ${out}`)
}

/** What concerns one statement only: the others are entered all the same. */
const ofOne = new Set<FaultCode>(['input.invalid', 'registry.known', 'registry.unknown'])

async function importSigned(file: string, command: Command): Promise<void> {
  const { by } = command.opts<{ by?: string }>()
  const decided = { actor: actorOf(by), now: Date.now() }
  const statements = readSigned(file)
  await withRegistry(command, async ({ state, store, registry, json }) => {
    const authority = readAuthority(state, registry.entry().ca)
    let failed = 0
    for (const statement of statements) {
      try {
        if (statement.statement.type === 'server-entry') {
          const known = enterSignedEntry(state, store, registry, statement.statement, decided)
          const server = registry.server.id
          if (json)
            printJson({ server, version: registry.entry().version, outcome: known ? 'already' : 'entered' })
          else print(`${known ? 'already ' : ''}entered: server entry ${registry.entry().version}`)
          continue
        }
        const entered = await enterSigned(store, registry, statement, authority, decided)
        const { gateway, site, already, rotated } = entered
        const done = rotated ? 'rotated' : 'enrolled'
        if (json) printJson({ gateway, site, outcome: already ? 'already' : done })
        else print(`${already ? 'already ' : ''}${done}: ${gateway} at ${site}`)
      } catch (error) {
        if (statements.length === 1 || !isFault(error) || !ofOne.has(error.code)) throw error
        failed++
        tellFault('vitalgate-receiver', error, json)
      }
    }
    if (failed === statements.length)
      throw new Fault('input.invalid', `none of ${failed} bindings was entered`)
    if (failed > 0) process.exitCode = exit.partly
  })
}

/** `vitalgate-receiver registry waiting`: what the root is yet to sign. */
export const waitingCommand = (): Command =>
  new Command('waiting')
    .description('list what waits for the root to sign on another machine, or write it to a file')
    .option('--out <file>', 'file for registry sign; it holds no secret')
    .action((_options, self: Command) => waiting(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry waiting --out to-sign.json\nExit codes: 0 done, 1 failed, 2 usage',
    )

/** `vitalgate-receiver registry sign`: the root signs, on a machine that has nothing else. */
export const signCommand = (): Command =>
  new Command('sign')
    .argument('<file>', 'what registry waiting --out wrote')
    .description('sign bindings with the root; needs no registry on this machine')
    .requiredOption('--root <file>', 'the sealed root')
    .requiredOption('--out <file>', 'file for registry import')
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .option('--yes', 'do not ask for confirmation')
    .action((file: string, _options, self: Command) => sign(file, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry sign to-sign.json --root root.sealed --out signed.json' +
        '\nExit codes: 0 done, 1 failed, 2 usage, not confirmed, 13 not permitted, 130 interrupted',
    )

/** `vitalgate-receiver registry import`: what the root signed is entered. */
export const importCommand = (): Command =>
  new Command('import')
    .argument('<file>', 'what registry sign wrote')
    .description('enter bindings that the root signed on another machine')
    .option('--by <name>', 'who enters them (default: who is logged in)')
    .action((file: string, _options, self: Command) => importSigned(file, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry import signed.json, then registry bundle GATEWAY --out bundles' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, 3 done in part',
    )
