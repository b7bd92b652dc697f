import { join } from 'node:path'
import { Command } from 'commander'
import { isThere, makeFolder, writeFileAtomic } from '../base/files.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import { actorOf, type Opened, resolveGateway, withRegistry } from './cli-registry-open.ts'
import { newestEnrolment } from './registry-enrolments.ts'
import { turnedTo } from './registry-former.ts'
import { readPinnedRoot } from './root.ts'
import { type CheckedRotation, checkRotation, isRotated, rotate, siteOf } from './rotate.ts'
import { rotationOf, waitingRotation } from './rotations.ts'
import { signedFile } from './sign.ts'
import { paths, readAuthority } from './state.ts'
import { keepWaiting } from './waiting.ts'

interface RotateOptions {
  by?: string
  yes?: boolean
  unsigned?: boolean
  root?: string
  passphraseFile?: string
}

const people = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ')

/** What is to be decided: which keys before, which after, who asked, and the words that the box shows. */
function told({ row, request, from, proposed }: CheckedRotation, site: string): string {
  const { gateway } = request.body
  return [
    `gateway:   ${gateway} at ${site}`,
    `keys now:  ${from.verifyKey.kid} (binding ${from.version})`,
    `new keys:  ${row.kid}`,
    `proposed:  by ${row.by_kid}, on ${people(proposed)} by the box's clock, received ${people(row.at)} (UTC)`,
    `six words: ${request.words.join(' ')}`,
    'The box shows the same words: vitalgate provision rotate. Once it speaks under the new keys, those of now',
    'count only for what it named. If the keys may be in other hands, do not rotate: revoke.',
  ].join('\n')
}

async function confirm(yes: boolean | undefined): Promise<void> {
  if (yes === true) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) throw usage('it must be confirmed, and there is no terminal to ask at', '--yes')
  const typed = await ask('Type yes to bind the new keys, anything else to leave it: ')
  if (typed.trim() !== 'yes') throw usage('not confirmed: nothing was changed')
}

/** Where a signed binding is kept beside the database, for the day on which that is set back to a backup. */
const keptPath = (state: string, gateway: string, version: number): string =>
  join(state, 'rotated', `${gateway}-${version}.json`)

/** The newest keys are bound, and the gateway has not gone over to them yet, or has: nothing is left to decide. */
function isDone({ store, registry }: Opened, gateway: string): boolean {
  const row = newestEnrolment(store.db, gateway)
  const isRotation = row !== undefined && rotationOf(store, gateway, row.request) !== undefined
  return isRotation && waitingRotation(store, registry, gateway) === undefined
}

async function rotateOne(prefix: string, command: Command): Promise<void> {
  const options = command.opts<RotateOptions>()
  const decided = { actor: actorOf(options.by), now: Date.now() }
  await withRegistry(command, async opened => {
    const { state, store, registry, json } = opened
    const gateway = resolveGateway(registry, prefix)
    const site = siteOf(registry, gateway)
    if (isDone(opened, gateway)) {
      const { version, verifyKey } = registry.gateway(gateway)!
      const inUse = turnedTo(store.db, gateway) >= version
      const shown = { gateway, site, version, to: verifyKey.kid, inUse, outcome: 'already' }
      if (json) printJson(shown)
      else
        print(
          `already rotated: ${gateway} to ${verifyKey.kid}, ${inUse ? 'in use' : 'handed over with its next hellos'}`,
        )
      return
    }
    const checked = await checkRotation(store, registry, gateway)
    const { request, from, row } = checked
    // what cannot be bound is not asked about
    store.write(() => isRotated(store, registry, request))
    say(told(checked, site))
    await confirm(options.yes)
    const version = registry.gateway(gateway)!.version + 1
    const shown = {
      ...{ gateway, site, version, from: from.verifyKey.kid, to: row.kid, words: request.words },
      proposed: new Date(checked.proposed).toISOString(),
    }
    if (options.unsigned === true || (options.root === undefined && !isThere(paths(state).root))) {
      keepWaiting(store, registry, request, { site, ...decided }, isRotated)
      if (json) printJson({ ...shown, outcome: 'waiting' })
      else print(`waiting for the root to sign: ${gateway} at ${site}, new keys ${row.kid}`)
      return
    }
    const { askPassphrase } = await import('./ask.ts')
    const passphrase = await askPassphrase(options.passphraseFile, false)
    const signers = {
      root: readPinnedRoot(registry, options.root ?? paths(state).root, passphrase),
      authority: readAuthority(state, registry.entry().ca),
    }
    const signed = await rotate(store, registry, checked, signers, decided)
    const file = keptPath(state, gateway, version)
    if (signed !== undefined) {
      makeFolder(join(state, 'rotated'))
      writeFileAtomic(file, signedFile([signed]))
    }
    if (json) printJson({ ...shown, outcome: 'rotated', file })
    else print(`rotated: ${gateway} at ${site}, binding ${version}, new keys ${row.kid}\nkept:    ${file}`)
    if (registry.facts.broker !== 'embedded') {
      say(
        'once the box uses them, shut the old certificate out at your broker: registry export --mosquitto DIR',
      )
    }
  })
}

/** `vitalgate-receiver registry rotate`: a gateway goes on under the keys that it proposed. */
export const rotateCommand = (): Command =>
  new Command('rotate')
    .argument('<gateway>', 'gateway id, or its first 6 characters or more')
    .description('bind the new keys that a gateway proposed; signed by the root')
    .option('--by <name>', 'who decides it (default: who is logged in)')
    .option('--root <file>', 'the sealed root, where it is not in the state folder')
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .option(
      '--unsigned',
      'only keep what the root is to sign on another machine (so, too, where it is not here)',
    )
    .option('--yes', 'do not ask for confirmation')
    .action((gateway: string, _options, self: Command) => rotateOne(gateway, self))
    .addHelpText(
      'after',
      '\nFirst on the box: vitalgate provision rotate. What waits here: vitalgate-receiver registry waiting.' +
        '\nExample: vitalgate-receiver registry rotate k3v9qa' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, not confirmed, 13 not permitted, 130 interrupted',
    )
