import { X509Certificate } from 'node:crypto'
import { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { print, printJson, table } from '../base/output.ts'
import { publicForm } from '../wire/registry.ts'
import { unpublish } from '../wire/statement.ts'
import { requestWords } from '../wire/words.ts'
import { bundleCommand } from './cli-registry-bundle.ts'
import { certifyOperatorCommand } from './cli-registry-certify.ts'
import { devicesCommand } from './cli-registry-devices.ts'
import { enrolCommand } from './cli-registry-enrol.ts'
import { exportCommand } from './cli-registry-export.ts'
import { logCommand, verifyCommand } from './cli-registry-log.ts'
import { resolveGateway, withRegistry } from './cli-registry-open.ts'
import { revokeCommand, revokeOperatorCommand } from './cli-registry-revoke.ts'
import { importCommand, signCommand, waitingCommand } from './cli-registry-sign.ts'
import { listDevices } from './devices.ts'
import { isRevoked, type Registry } from './registry.ts'
import { newestEnrolment } from './registry-enrolments.ts'
import type { Store } from './store.ts'

/** One gateway as the registry and the store know it. */
interface GatewayLine {
  gateway: string
  site: string
  since: string
  state: 'enrolled' | 'revoked'
  devices: number
  proposed: number
  lastSeen: string | null
}

const timeOf = (at: number): string => new Date(at).toISOString()

/** When its last handshake was. */
function lastSeen(store: Store, gateway: string): string | null {
  const row = store.get<{ at: number }>(
    'SELECT at FROM sessions WHERE gateway = ? ORDER BY token DESC LIMIT 1',
    gateway,
  )
  return row === undefined ? null : timeOf(row.at)
}

function lineOf(registry: Registry, store: Store, gateway: string): GatewayLine | undefined {
  const enrolled = registry.gateway(gateway)
  if (enrolled === undefined) return undefined
  const devices = listDevices(registry, store, gateway)
  return {
    gateway,
    site: enrolled.site,
    since: timeOf(enrolled.since),
    state: isRevoked(registry, gateway) ? 'revoked' : 'enrolled',
    devices: devices.filter(one => one.state === 'accepted' || one.state === 'changed').length,
    proposed: devices.filter(one => one.state === 'proposed' || one.state === 'changed').length,
    lastSeen: lastSeen(store, gateway),
  }
}

const people = (time: string | null): string => time?.slice(0, 16).replace('T', ' ') ?? 'never'

async function list(command: Command): Promise<void> {
  await withRegistry(command, ({ registry, store, json }) => {
    const lines = registry.gateways().flatMap(gateway => lineOf(registry, store, gateway) ?? [])
    if (json) for (const line of lines) printJson(line)
    else if (lines.length === 0) print('no gateways')
    else {
      const rows = lines.map(({ gateway, site, since, state, devices, proposed, lastSeen }) => [
        gateway,
        site,
        people(since),
        state,
        String(devices),
        String(proposed),
        people(lastSeen),
      ])
      print(
        table(['GATEWAY', 'SITE', 'ENROLLED (UTC)', 'STATE', 'DEVICES', 'WAITING', 'LAST SEEN (UTC)'], rows),
      )
    }
  })
}

/** Since when, why and by which number a key is revoked; null where it is not. */
function revokedSince(registry: Registry, kid: string) {
  const revocation = registry.revoked(kid)
  if (revocation === undefined) return null
  const { number, since, why } = revocation
  return { number, since: timeOf(since), why }
}

async function show(prefix: string, command: Command): Promise<void> {
  await withRegistry(command, ({ registry, store, json }) => {
    const gateway = resolveGateway(registry, prefix)
    const enrolled = registry.gateway(gateway)
    for (const damage of registry.damage()) throw damage
    const row = newestEnrolment(store.db, gateway)
    if (enrolled === undefined || row === undefined) {
      throw new Fault('registry.unknown', `gateway ${gateway} is not bound to this server`)
    }
    const request = unpublish(publicForm.parse(JSON.parse(row.request)))
    const devices = listDevices(registry, store, gateway)
    const { validFrom, validTo, fingerprint256 } = new X509Certificate(row.certificate)
    const shown = {
      gateway,
      site: enrolled.site,
      since: timeOf(enrolled.since),
      by: row.actor,
      words: requestWords(request, gateway),
      keys: { sign: enrolled.verifyKey.kid, box: enrolled.boxPublic.kid, tls: enrolled.tls },
      certificate: {
        from: timeOf(Date.parse(validFrom)),
        until: timeOf(Date.parse(validTo)),
        fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
      },
      versions: registry.versions(gateway),
      revoked: revokedSince(registry, enrolled.verifyKey.kid),
      lastSeen: lastSeen(store, gateway),
      devices: devices.map(({ gateway: _, ...device }) => device),
    }
    if (json) return printJson(shown)
    const { keys, certificate, versions } = shown
    const facts = [
      ['gateway', gateway],
      ['site', shown.site],
      ['enrolled', `${people(shown.since)} by ${shown.by}`],
      ['words', shown.words.join(' ')],
      ['signing key', keys.sign],
      ['box key', keys.box],
      ['TLS key', keys.tls],
      ['certificate', `${people(certificate.from)} to ${people(certificate.until)}`],
      ['versions', `binding ${versions.binding}, devices ${versions.devices}`],
      ['last seen', people(shown.lastSeen)],
      ...(shown.revoked === null
        ? []
        : [['revoked', `${people(shown.revoked.since)}: ${shown.revoked.why}`]]),
    ]
    print(facts.map(([name, value]) => `${`${name}:`.padEnd(13)}${value}`).join('\n'))
    const rows = devices.map(({ device, driver, station, state, proposal }) => [
      device,
      driver,
      station,
      state,
      proposal.slice(0, 12),
    ])
    const head = ['DEVICE', 'DRIVER', 'STATION', 'STATE', 'PROPOSAL']
    print(rows.length === 0 ? '\nno devices' : `\n${table(head, rows)}`)
  })
}

/** `vitalgate-receiver registry`: which gateways and devices are believed. */
export function registryCommand(): Command {
  const command = new Command('registry').description('which gateways and devices are believed')
  command.addCommand(enrolCommand())
  command
    .command('list')
    .description('list the enrolled gateways')
    .action((_options, self: Command) => list(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry list\nExit codes: 0 done, 1 failed, 2 usage',
    )
  command
    .command('show')
    .argument('<gateway>', 'gateway id, or its first 6 characters or more')
    .description('show one gateway: its keys, certificate and devices')
    .action((gateway: string, _options, self: Command) => show(gateway, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry show k3v9qa\nExit codes: 0 done, 1 no such gateway, 2 usage',
    )
  command.addCommand(devicesCommand())
  command.addCommand(revokeCommand())
  command.addCommand(revokeOperatorCommand())
  command.addCommand(certifyOperatorCommand())
  command.addCommand(waitingCommand())
  command.addCommand(signCommand())
  command.addCommand(importCommand())
  command.addCommand(bundleCommand())
  command.addCommand(logCommand())
  command.addCommand(verifyCommand())
  command.addCommand(exportCommand())
  return command
}
