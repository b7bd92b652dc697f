import { X509Certificate } from 'node:crypto'
import { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { writeFileAtomic } from '../base/files.ts'
import { print, printJson, say, table } from '../base/output.ts'
import { publicForm } from '../wire/registry.ts'
import { unpublish } from '../wire/statement.ts'
import { requestWords } from '../wire/words.ts'
import { bundleCommand } from './cli-registry-bundle.ts'
import { certifyOperatorCommand } from './cli-registry-certify.ts'
import { devicesCommand } from './cli-registry-devices.ts'
import { enrolCommand } from './cli-registry-enrol.ts'
import { entryCommand } from './cli-registry-entry.ts'
import { exportCommand } from './cli-registry-export.ts'
import { logCommand, verifyCommand } from './cli-registry-log.ts'
import { minimumCommand } from './cli-registry-minimum.ts'
import { moveCommand } from './cli-registry-move.ts'
import { resolveGateway, withRegistry } from './cli-registry-open.ts'
import { releaseCommand } from './cli-registry-release.ts'
import { renewCommand } from './cli-registry-renew.ts'
import { revokeCommand, revokeOperatorCommand } from './cli-registry-revoke.ts'
import { rotateCommand } from './cli-registry-rotate.ts'
import { importCommand, signCommand, waitingCommand } from './cli-registry-sign.ts'
import { succeedCommand } from './cli-registry-succeed.ts'
import { listDevices } from './devices.ts'
import { handoverText } from './handover.ts'
import { holdOf } from './hold.ts'
import { readMinimum } from './minimum.ts'
import { isRevoked, type Registry } from './registry.ts'
import { newestEnrolment } from './registry-enrolments.ts'
import { newestCertificate, spanOf } from './renewals.ts'
import { stragglers } from './root-followers.ts'
import { type RotationRow, waitingRotation } from './rotations.ts'
import { isBelowMinimum, lastSeen as newestSession } from './session.ts'
import type { Store } from './store.ts'

/** One gateway as the registry and the store know it. */
interface GatewayLine {
  gateway: string
  site: string
  since: string
  state: 'enrolled' | 'revoked' | 'moved'
  /** Whether it believes the root in force, or still the one before the succession. */
  root: 'current' | 'former'
  /** The server that it belongs to by now. */
  movedTo: string | null
  devices: number
  proposed: number
  lastSeen: string | null
  /** Until when its newest certificate counts. */
  certificateUntil: string | null
  /** Whether it proposed new keys, and nobody has bound them. */
  newKeys: boolean
  /** The version that its last handshake told. */
  software: string | null
  /** Whether that is lower than the lowest that is wanted. */
  belowMinimum: boolean
  hold: HoldLine | null
}

/** The flag for which a gateway is on hold. */
interface HoldLine {
  flag: number
  name: string
  since: string
}

function holdLine(registry: Registry, store: Store, gateway: string): HoldLine | null {
  const hold = holdOf(store, registry.reviews, gateway)
  return hold === undefined ? null : { ...hold, since: timeOf(hold.since) }
}

function certificateUntil(store: Store, gateway: string, tls: string): string | null {
  const certificate = newestCertificate(store.db, gateway, tls)
  return certificate === undefined ? null : timeOf(spanOf(certificate).until)
}

/** What people see first of a gateway. */
const stateOf = ({ state, movedTo, root, hold, belowMinimum, software, newKeys }: GatewayLine): string =>
  [
    movedTo === null ? state : `moved to ${movedTo.slice(0, 8)}`,
    ...(root === 'former' ? ['former root'] : []),
    ...(newKeys ? ['proposes new keys'] : []),
    ...(hold === null ? [] : [`on hold (${hold.name})`]),
    ...(belowMinimum ? [`old (${software})`] : []),
  ].join(', ')

const timeOf = (at: number): string => new Date(at).toISOString()

/** When its last handshake was. */
function lastSeen(store: Store, gateway: string): string | null {
  const seen = newestSession(store, gateway)
  return seen === undefined ? null : timeOf(seen.at)
}

function lineOf(
  registry: Registry,
  store: Store,
  gateway: string,
  behind: ReadonlySet<string>,
): GatewayLine | undefined {
  const enrolled = registry.gateway(gateway)
  if (enrolled === undefined) return undefined
  const moved = registry.moved(gateway)
  const devices = listDevices(registry, store, gateway)
  const software = newestSession(store, gateway)?.software ?? null
  return {
    gateway,
    site: enrolled.site,
    since: timeOf(enrolled.since),
    state: isRevoked(registry, gateway) ? 'revoked' : moved === undefined ? 'enrolled' : 'moved',
    movedTo: moved?.server ?? null,
    root: behind.has(gateway) ? 'former' : 'current',
    devices: devices.filter(one => one.state === 'accepted' || one.state === 'changed').length,
    proposed: devices.filter(one => one.state === 'proposed' || one.state === 'changed').length,
    lastSeen: lastSeen(store, gateway),
    certificateUntil: certificateUntil(store, gateway, enrolled.tls),
    newKeys: waitingRotation(store, registry, gateway) !== undefined,
    software,
    belowMinimum: isBelowMinimum(store, gateway),
    hold: holdLine(registry, store, gateway),
  }
}

const people = (time: string | null): string => time?.slice(0, 16).replace('T', ' ') ?? 'never'

async function list(command: Command): Promise<void> {
  await withRegistry(command, ({ registry, store, json }) => {
    const behind = new Set(stragglers(store, registry))
    const lines = registry.gateways().flatMap(gateway => lineOf(registry, store, gateway, behind) ?? [])
    if (json) for (const line of lines) printJson(line)
    else if (lines.length === 0) print('no gateways')
    else {
      const rows = lines.map(line => [
        line.gateway,
        line.site,
        people(line.since),
        stateOf(line),
        String(line.devices),
        String(line.proposed),
        people(line.lastSeen),
        line.certificateUntil?.slice(0, 10) ?? 'none',
      ])
      print(
        table(
          [
            ...['GATEWAY', 'SITE', 'ENROLLED (UTC)', 'STATE', 'DEVICES', 'WAITING', 'LAST SEEN (UTC)'],
            'CERTIFICATE',
          ],
          rows,
        ),
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

/** New keys that the gateway proposed and that wait to be bound. */
const rotationShown = (row: RotationRow | undefined) =>
  row === undefined ? null : { key: row.kid, by: row.by_kid, at: timeOf(row.at) }

async function show(prefix: string, command: Command): Promise<void> {
  const { request: file } = command.opts<{ request?: string }>()
  await withRegistry(command, ({ registry, store, json }) => {
    const gateway = resolveGateway(registry, prefix)
    if (file !== undefined) {
      writeFileAtomic(file, handoverText(store, registry, gateway))
      if (json) printJson({ gateway, handover: file })
      else print(`handover of ${gateway}: ${file}`)
      say(`on the other server, under the same root: vitalgate-receiver registry enrol ${file}`)
      return
    }
    const enrolled = registry.gateway(gateway)
    for (const damage of registry.damage()) throw damage
    const row = newestEnrolment(store.db, gateway)
    if (enrolled === undefined || row === undefined) {
      throw new Fault('registry.unknown', `gateway ${gateway} is not bound to this server`)
    }
    const request = unpublish(publicForm.parse(JSON.parse(row.request)))
    const devices = listDevices(registry, store, gateway)
    const newest = newestCertificate(store.db, gateway, row.tls_key) ?? row.certificate
    const { validFrom, validTo, fingerprint256 } = new X509Certificate(newest)
    const rotation = waitingRotation(store, registry, gateway)
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
      rotation: rotationShown(rotation),
      versions: registry.versions(gateway),
      revoked: revokedSince(registry, enrolled.verifyKey.kid),
      hold: holdLine(registry, store, gateway),
      software: newestSession(store, gateway)?.software ?? null,
      minimum: readMinimum(store).version,
      belowMinimum: isBelowMinimum(store, gateway),
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
      ...(shown.rotation === null
        ? []
        : [
            [
              'new keys',
              `${shown.rotation.key}, proposed ${people(shown.rotation.at)}: registry rotate ${gateway.slice(0, 6)}`,
            ],
          ]),
      ['versions', `binding ${versions.binding}, devices ${versions.devices}`],
      ['last seen', people(shown.lastSeen)],
      ['software', `${shown.software ?? 'unknown'}${shown.belowMinimum ? `, below ${shown.minimum}` : ''}`],
      ...(shown.hold === null
        ? []
        : [['on hold', `${people(shown.hold.since)}: ${shown.hold.name}, flag ${shown.hold.flag}`]]),
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
    .option('--request <file>', 'write the file with which another server of the same root takes it over')
    .action((gateway: string, _options, self: Command) => show(gateway, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry show k3v9qa\nExit codes: 0 done, 1 no such gateway, 2 usage',
    )
  command.addCommand(devicesCommand())
  command.addCommand(releaseCommand())
  command.addCommand(minimumCommand())
  command.addCommand(revokeCommand())
  command.addCommand(revokeOperatorCommand())
  command.addCommand(certifyOperatorCommand())
  command.addCommand(rotateCommand())
  command.addCommand(renewCommand())
  command.addCommand(waitingCommand())
  command.addCommand(signCommand())
  command.addCommand(importCommand())
  command.addCommand(bundleCommand())
  command.addCommand(logCommand())
  command.addCommand(verifyCommand())
  command.addCommand(moveCommand())
  command.addCommand(succeedCommand())
  command.addCommand(entryCommand())
  command.addCommand(exportCommand())
  return command
}
