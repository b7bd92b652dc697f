import { join } from 'node:path'
import { Command } from 'commander'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import { isThere, makeFolder, readTextFile, writeFileAtomic } from '../base/files.ts'
import { exit, print, printJson, tellFault, usage } from '../base/output.ts'
import { sameWords } from '../wire/words.ts'
import { actorOf, type Opened, withRegistry } from './cli-registry-open.ts'
import {
  type CheckedEnrolment,
  checkRequest,
  confirmWords,
  enrol,
  isEnrolled,
  makeBundle,
  type Signers,
} from './enrol.ts'
import { acceptHanded, isHandover, readHandover, takeHandover } from './handover.ts'
import { readPinnedRoot } from './root.ts'
import { paths, readAuthority } from './state.ts'
import { keepWaiting } from './waiting.ts'

interface EnrolOptions {
  site?: string
  words?: string
  wordsFile?: string
  out: string
  passphraseFile?: string
  root?: string
  unsigned?: boolean
  by?: string
}

/** What concerns one request only: the rest of a batch goes on. */
const ofOneRequest = new Set<FaultCode>([
  'input.invalid',
  'file.missing',
  'file.unreadable',
  'registry.known',
  'words.mismatch',
])

/** Compares the words with those typed, listed, or asked for at the terminal. */
async function confirm(request: CheckedEnrolment, options: EnrolOptions): Promise<void> {
  if (options.words !== undefined) return confirmWords(request, options.words)
  if (options.wordsFile !== undefined) {
    const lines = readTextFile(options.wordsFile).split('\n')
    return confirmWords(request, lines.find(line => sameWords(line, request.words)) ?? '')
  }
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) {
    throw usage('the six words of the box are needed, and there is no terminal to ask at', '--words "…"')
  }
  confirmWords(request, await ask(`Six words that box ${request.body.gateway} shows: `))
}

/** Unlocks what signs, once, when it is first needed. */
function signersOf({ state, registry }: Opened, options: EnrolOptions): () => Promise<Signers> {
  let held: Signers | undefined
  return async () => {
    if (held !== undefined) return held
    const { askPassphrase } = await import('./ask.ts')
    const passphrase = await askPassphrase(options.passphraseFile, false)
    held = {
      root: readPinnedRoot(registry, options.root ?? paths(state).root, passphrase),
      authority: readAuthority(state, registry.entry().ca),
    }
    return held
  }
}

/** Whether what is enrolled must wait for a root that is kept elsewhere. */
const isRootAway = (state: string, { unsigned, root }: EnrolOptions): boolean =>
  unsigned === true || (root === undefined && !isThere(paths(state).root))

async function enrolFile(
  file: string,
  options: EnrolOptions,
  { state, store, registry, json }: Opened,
  signers: () => Promise<Signers>,
): Promise<void> {
  const text = readTextFile(file)
  const handover = isHandover(text) ? await readHandover(text, file, registry) : undefined
  const request = handover?.request ?? (await checkRequest(text, file))
  const { gateway } = request.body
  const site = options.site ?? handover?.binding.site
  if (site === undefined) throw usage('name the site where they will stand', '--site NAME')
  const when = { actor: actorOf(options.by), now: Date.now() }
  if (handover !== undefined) takeHandover(store, registry, handover, when)
  const already = isEnrolled(store, registry, request)
  const known = registry.gateway(gateway)?.site
  if (already && handover === undefined && known !== site) {
    throw new Fault('registry.known', `${gateway} is enrolled at ${known}, not at ${site}`, {
      hint: `for its bundle again: --site ${known}`,
    })
  }
  if (!already) {
    // the root has bound these very keys: there is nothing to compare
    if (handover === undefined) await confirm(request, options)
    const decided = { site, ...when }
    if (isRootAway(state, options)) {
      keepWaiting(store, registry, request, decided)
      if (json) printJson({ file, gateway, site, outcome: 'waiting' })
      else print(`waiting for the root to sign: ${gateway} at ${site}`)
      return
    }
    await enrol(store, registry, request, await signers(), decided)
  }
  if (handover !== undefined) acceptHanded(state, store, registry, handover, when)
  const bundle = join(options.out, `${gateway}.bundle.json`)
  writeFileAtomic(bundle, makeBundle(store, registry, gateway))
  const now = registry.gateway(gateway)?.site
  if (json) printJson({ file, gateway, site: now, outcome: already ? 'already' : 'enrolled', bundle })
  else print(`${already ? 'already enrolled' : 'enrolled'}: ${gateway} at ${now}, bundle ${bundle}`)
}

async function enrolAll(files: string[], command: Command): Promise<void> {
  const options = command.opts<EnrolOptions>()
  if (options.site !== undefined && !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(options.site)) {
    throw usage(`${options.site} is no site name`, '1 to 64 of a-z 0-9 . _ - and a letter or digit first')
  }
  if (options.words !== undefined && files.length > 1) {
    throw usage('--words is for one request', 'several: --words-file with a line of six words for each')
  }
  await withRegistry(command, async opened => {
    const signers = signersOf(opened, options)
    makeFolder(options.out)
    const failed: Fault[] = []
    for (const file of files) {
      try {
        await enrolFile(file, options, opened, signers)
      } catch (error) {
        if (files.length === 1 || !isFault(error) || !ofOneRequest.has(error.code)) throw error
        failed.push(error)
        tellFault('vitalgate-receiver', error, opened.json)
      }
    }
    if (failed.length === files.length)
      throw new Fault('input.invalid', `none of ${files.length} requests was enrolled`)
    if (failed.length > 0) process.exitCode = exit.partly
  })
}

/** `vitalgate-receiver registry enrol`: binds gateways to this server. */
export function enrolCommand(): Command {
  const command = new Command('enrol')
  return command
    .argument(
      '<request...>',
      'request files that the boxes wrote, or files of another server (registry show --request)',
    )
    .description('enrol gateways: compare words, sign bindings, write bundles')
    .option('--site <name>', 'site where they will stand; that of before for a gateway of another server')
    .option('--words <words>', 'the six words that the box shows (one request)')
    .option('--words-file <file>', 'a line of six words for each box, in any order')
    .option('--out <dir>', 'folder for the bundles', '.')
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .option('--root <file>', 'the sealed root, where it is not in the state folder')
    .option(
      '--unsigned',
      'only keep what the root is to sign on another machine (so, too, where it is not here)',
    )
    .option('--by <name>', 'who enrols them (default: who is logged in)')
    .action((files: string[]) => enrolAll(files, command))
    .addHelpText(
      'after',
      '\nWithout --words and --words-file the words are asked at the terminal. The same request again writes' +
        '\nits bundle again. What waits: registry waiting, sign, import, then bundle.' +
        '\nA gateway that another server of this root gives away comes with a file of that one, and no words.' +
        '\nExample: vitalgate-receiver registry enrol request.json --site oak-house --out bundles' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, 3 done in part, 13 not permitted, 130 interrupted',
    )
}
