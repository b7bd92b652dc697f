import { Command } from 'commander'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import { writeFileAtomic } from '../base/files.ts'
import { exit, print, printJson, say, table, tellFault, usage } from '../base/output.ts'
import { actorOf, withRegistry } from './cli-registry-open.ts'
import { readRoot } from './root.ts'
import { bindingsLimit, readSigned, readUnsigned, signedText, type ToSign, unsignedText } from './sign.ts'
import { readAuthority } from './state.ts'
import { enterSigned, listWaiting } from './waiting.ts'

async function waiting(command: Command): Promise<void> {
  const { out } = command.opts<{ out?: string }>()
  await withRegistry(command, ({ registry, store, json }) => {
    const all = listWaiting(store)
    const rows = all.slice(0, bindingsLimit)
    if (out !== undefined) {
      if (rows.length === 0) throw new Fault('registry.unknown', 'nothing waits for the root to sign')
      writeFileAtomic(out, unsignedText(registry.server.id, registry.facts.root, rows))
    }
    for (const { gateway, version, at, actor } of json ? rows : []) {
      printJson({ gateway, version, at: new Date(at).toISOString(), by: actor })
    }
    if (json) return
    const lines = rows.map(({ gateway, version, at, actor }) => [
      gateway,
      String(version),
      new Date(at).toISOString().slice(0, 16).replace('T', ' '),
      actor,
    ])
    print(lines.length === 0 ? 'nothing waits' : table(['GATEWAY', 'BINDING', 'SINCE (UTC)', 'BY'], lines))
    if (all.length > rows.length) say(`${all.length - rows.length} more wait; do these first`)
    if (out !== undefined)
      say(`on the machine of the root: vitalgate-receiver registry sign ${out} --root root.sealed`)
  })
}

interface SignOptions {
  root: string
  out: string
  passphraseFile?: string
  yes?: boolean
}

const lineOf = ({ binding, words }: ToSign): string[] => [
  binding.gateway,
  binding.site,
  String(binding.version),
  words.join(' '),
]

/** Shows what is to be signed, and has it confirmed unless `--yes` did. */
async function confirm(all: readonly ToSign[], yes: boolean | undefined): Promise<void> {
  say(`for server ${all[0]?.binding.server}:`)
  say(table(['GATEWAY', 'SITE', 'BINDING', 'SIX WORDS OF THE BOX'], all.map(lineOf)))
  if (yes === true) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) throw usage('it must be confirmed, and there is no terminal to ask at', '--yes')
  const typed = await ask(`Compare the words with those of the boxes. Type yes to sign all ${all.length}: `)
  if (typed.trim() !== 'yes') throw usage('not confirmed: nothing was signed')
}

async function sign(file: string, command: Command): Promise<void> {
  const { root: path, out, passphraseFile, yes } = command.opts<SignOptions>()
  const { json } = command.optsWithGlobals<{ json?: boolean }>()
  const { askPassphrase } = await import('./ask.ts')
  const root = readRoot(path, await askPassphrase(passphraseFile, false))
  const all = await readUnsigned(file, root)
  await confirm(all, yes)
  writeFileAtomic(out, signedText(all, root))
  if (json === true) {
    for (const { binding, words } of all) {
      const { gateway, site, version } = binding
      printJson({ gateway, site, version, words })
    }
  } else print(`signed: ${all.length}, file ${out}`)
}

/** What concerns one statement only: the others are entered all the same. */
const ofOne = new Set<FaultCode>(['input.invalid', 'registry.known', 'registry.unknown'])

async function importSigned(file: string, command: Command): Promise<void> {
  const { by } = command.opts<{ by?: string }>()
  const decided = { actor: actorOf(by), now: Date.now() }
  const statements = readSigned(file)
  await withRegistry(command, async ({ state, store, registry, json }) => {
    const authority = readAuthority(state)
    let failed = 0
    for (const statement of statements) {
      try {
        const { already, ...entered } = await enterSigned(store, registry, statement, authority, decided)
        const { gateway, site } = entered
        if (json) printJson({ ...entered, outcome: already ? 'already' : 'enrolled' })
        else print(`${already ? 'already enrolled' : 'enrolled'}: ${gateway} at ${site}`)
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
