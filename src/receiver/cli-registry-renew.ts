import { Command } from 'commander'
import { Fault, isFault } from '../base/fault.ts'
import { exit, print, printJson, say, tellFault, usage } from '../base/output.ts'
import { actorOf, type Opened, resolveGateway, withRegistry } from './cli-registry-open.ts'
import { isRevoked } from './registry.ts'
import { renew } from './renew.ts'
import { spanOf } from './renewals.ts'
import { readAuthority } from './state.ts'

interface RenewOptions {
  all?: boolean
  by?: string
}

/** Whom to renew: the one named, or all that are not revoked. */
function wanted({ registry }: Opened, prefix: string | undefined, all: boolean | undefined): string[] {
  if (prefix !== undefined) return [resolveGateway(registry, prefix)]
  if (all !== true) throw usage('name a gateway, or all of them', '--all')
  return registry
    .gateways()
    .filter(gateway => registry.gateway(gateway) !== undefined && !isRevoked(registry, gateway))
}

async function renewAll(prefix: string | undefined, command: Command): Promise<void> {
  const { all, by } = command.opts<RenewOptions>()
  if (prefix !== undefined && all === true) throw usage('name a gateway or --all, not both')
  const decided = { actor: actorOf(by), now: Date.now() }
  await withRegistry(command, async opened => {
    const { state, store, registry, json } = opened
    const gateways = wanted(opened, prefix, all)
    if (gateways.length === 0) throw new Fault('registry.unknown', 'no gateway is enrolled')
    const authority = readAuthority(state, registry.entry().ca)
    let failed = 0
    for (const gateway of gateways) {
      try {
        const row = await renew(store, registry, gateway, authority, decided)
        if (row === undefined)
          throw new Fault('registry.known', `the certificate of ${gateway} was renewed just now`)
        const until = new Date(spanOf(row.certificate).until).toISOString()
        if (json) printJson({ gateway, number: row.number, until })
        else print(`renewed: ${gateway}, until ${until.slice(0, 10)}`)
      } catch (error) {
        if (gateways.length === 1 || !isFault(error)) throw error
        failed++
        tellFault('vitalgate-receiver', error, json)
      }
    }
    if (failed === gateways.length)
      throw new Fault('registry.unknown', `none of ${failed} certificates was renewed`)
    if (failed > 0) process.exitCode = exit.partly
    say('each box gets its certificate with its next hello, within five minutes where it is online')
  })
}

/** `vitalgate-receiver registry renew`: the next certificate for the key that a gateway has. */
export const renewCommand = (): Command =>
  new Command('renew')
    .argument('[gateway]', 'gateway id, or its first 6 characters or more')
    .description(
      'issue the next certificate of a gateway at once; a running receiver does so at half of its time',
    )
    .option('--all', 'of all gateways that are not revoked')
    .option('--by <name>', 'who does it (default: who is logged in)')
    .action((gateway: string | undefined, _options, self: Command) => renewAll(gateway, self))
    .addHelpText(
      'after',
      '\nThe key stays the same, and the certificate before stays good.' +
        '\nExample: vitalgate-receiver registry renew k3v9qa' +
        '\nExit codes: 0 done, 1 failed, 2 usage, 3 done in part',
    )
