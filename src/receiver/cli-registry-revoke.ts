import { Command } from 'commander'
import { print, printJson, say, usage } from '../base/output.ts'
import { actorOf, resolveGateway, withRegistry } from './cli-registry-open.ts'
import type { Registry } from './registry.ts'
import { boundGateway, operatorNamed, type RevokedNow, revokeGateway, revokeOperator } from './revoke.ts'
import { readPinnedRoot } from './root.ts'
import { paths } from './state.ts'

interface RevokeOptions {
  why: string
  by?: string
  yes?: boolean
  passphraseFile?: string
  root?: string
}

/** The reason as it is signed (WIRE 1.5: text). */
function reasonOf(why: string): string {
  if (/^[^\p{Cc}]{1,128}$/u.test(why)) return why
  throw usage(
    '--why is a text of 1 to 128 characters',
    'it is signed and kept for ever; no resident belongs in it',
  )
}

/** Says what will be done, and has it confirmed by a word typed, unless `--yes` did. */
async function confirm(what: string, word: string, yes: boolean | undefined): Promise<void> {
  say(what)
  if (yes === true) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) throw usage('it must be confirmed, and there is no terminal to ask at', '--yes')
  if ((await ask(`Type ${word} to revoke, anything else to leave it: `)).trim() !== word) {
    throw usage('not confirmed: nothing was revoked')
  }
}

const gatewayWarning = (gateway: string, site: string): string =>
  `The keys of gateway ${gateway} at ${site} are revoked for ever. This cannot be undone.
What was received before stays as it is. Whatever comes under these keys from now on is kept apart as
REVOKED_KEY and gets no receipt; the embedded broker shuts the box out within seconds.
To use the box again, let it make new keys and enrol its new request.`

const operatorWarning = (name: string): string =>
  `The key of operator ${name} is revoked for ever. This cannot be undone.
Device lists and revocations that were entered before stay. It signs nothing any more from now on, and gateways
obey no order under it. Afterwards make another one: vitalgate-receiver registry certify-operator NAME`

function tell({ revocation, already }: RevokedNow, json: boolean, name: string): void {
  const { number, what, id, key, since, why } = revocation
  if (json) {
    const at = new Date(since).toISOString()
    printJson({ what, id, key, number, since: at, why, outcome: already ? 'already' : 'revoked' })
    return
  }
  print(`${already ? 'already revoked' : 'revoked'}: ${name}, number ${number}`)
}

async function revoke(prefix: string, command: Command): Promise<void> {
  const { why, by, yes } = command.opts<RevokeOptions>()
  const decided = { why: reasonOf(why), actor: actorOf(by), now: Date.now() }
  await withRegistry(command, async ({ state, store, registry, json }) => {
    const gateway = resolveGateway(registry, prefix)
    const { site, verifyKey } = boundGateway(registry, gateway)
    if (registry.revoked(verifyKey.kid) === undefined) {
      await confirm(gatewayWarning(gateway, site), gateway.slice(0, 6), yes)
    }
    const done = revokeGateway(state, store, registry, gateway, decided)
    tell(done, json, `gateway ${gateway} at ${site}`)
    if (!done.already) tellBroker(registry)
  })
}

/** A broker that somebody else runs does not look into the registry. */
function tellBroker({ facts }: Registry): void {
  if (facts.broker === 'embedded') return
  say('shut it out at your broker too: vitalgate-receiver registry export --mosquitto DIR, then restart it')
}

async function revokeAnOperator(name: string, command: Command): Promise<void> {
  const { why, by, yes, passphraseFile, root: path } = command.opts<RevokeOptions>()
  const decided = { why: reasonOf(why), actor: actorOf(by), now: Date.now() }
  await withRegistry(command, async ({ state, store, registry, json }) => {
    const held = registry.revoked(operatorNamed(registry, name).key.kid)
    if (held !== undefined) return tell({ revocation: held, already: true }, json, `operator ${name}`)
    await confirm(operatorWarning(name), name, yes)
    const { askPassphrase } = await import('./ask.ts')
    const root = readPinnedRoot(
      registry,
      path ?? paths(state).root,
      await askPassphrase(passphraseFile, false),
    )
    tell(revokeOperator(store, registry, root, name, decided), json, `operator ${name}`)
  })
}

/** `vitalgate-receiver registry revoke`: a gateway's keys count no more. */
export const revokeCommand = (): Command =>
  new Command('revoke')
    .argument('<gateway>', 'gateway id, or its first 6 characters or more')
    .description('revoke the keys of a gateway, for ever; signed by the operator')
    .requiredOption('--why <text>', 'the reason, signed with it')
    .option('--by <name>', 'who revokes it (default: who is logged in)')
    .option('--yes', 'do not ask for confirmation')
    .action((gateway: string, _options, self: Command) => revoke(gateway, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry revoke k3v9qa --why "stolen from the corridor"' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, not confirmed',
    )

/** `vitalgate-receiver registry revoke-operator`: an operator signs nothing any more. */
export const revokeOperatorCommand = (): Command =>
  new Command('revoke-operator')
    .argument('<name>', 'the name that the root certified')
    .description('revoke the key of an operator, for ever; signed by the root')
    .requiredOption('--why <text>', 'the reason, signed with it')
    .option('--by <name>', 'who revokes it (default: who is logged in)')
    .option('--root <file>', 'the sealed root, where it is not in the state folder')
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .option('--yes', 'do not ask for confirmation')
    .action((name: string, _options, self: Command) => revokeAnOperator(name, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry revoke-operator operator --why "left the house"' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, not confirmed',
    )
