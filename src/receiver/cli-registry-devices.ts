import { Command } from 'commander'
import { print, printJson, table, usage } from '../base/output.ts'
import { actorOf, resolveGateway, withRegistry } from './cli-registry-open.ts'
import { acceptDevice, listDevices } from './devices.ts'
import { releaseDevice } from './readings.ts'
import { openReviewer } from './reviews.ts'

async function list(prefix: string | undefined, command: Command): Promise<void> {
  await withRegistry(command, ({ registry, store, json }) => {
    const gateways = prefix === undefined ? registry.gateways() : [resolveGateway(registry, prefix)]
    const devices = gateways.flatMap(gateway => listDevices(registry, store, gateway))
    if (json) for (const device of devices) printJson(device)
    else {
      const rows = devices.map(
        ({ gateway, device, driver, station, port, bonded, state, proposal, proposed }) => [
          gateway,
          device,
          driver,
          station,
          port === undefined ? '-' : bonded === true ? `${port.slice(0, 8)} paired` : port.slice(0, 8),
          state,
          proposal.slice(0, 12),
          proposed === null ? '-' : new Date(proposed).toISOString().slice(0, 16).replace('T', ' '),
        ],
      )
      const head = ['GATEWAY', 'DEVICE', 'DRIVER', 'STATION', 'PORT', 'STATE', 'PROPOSAL', 'PROPOSED (UTC)']
      print(rows.length === 0 ? 'no devices' : table(head, rows))
    }
  })
}

interface AcceptOptions {
  release?: boolean
  proposal?: string
  by?: string
}

async function accept(prefix: string, device: string, command: Command): Promise<void> {
  const { release, by, proposal } = command.opts<AcceptOptions>()
  const actor = actorOf(by)
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(device)) throw usage(`${device} is no device name`)
  if (proposal !== undefined && !/^[0-9a-f]{8,64}$/.test(proposal)) {
    throw usage(
      `${proposal} is no proposal`,
      'name it by 8 hex digits or more, as registry devices list shows',
    )
  }
  await withRegistry(command, ({ state, registry, store, json }) => {
    const gateway = resolveGateway(registry, prefix)
    const now = Date.now()
    const {
      device: held,
      version,
      already,
    } = acceptDevice(state, store, registry, {
      gateway,
      device,
      actor,
      now,
      ...(proposal === undefined ? {} : { proposal }),
    })
    const released =
      release === true
        ? releaseDevice(store, openReviewer(state, registry), gateway, device, actor, now, held)
        : 0
    if (json) {
      printJson({ gateway, ...held, version, outcome: already ? 'already' : 'accepted', released })
      return
    }
    const what = `${device} (${held.driver}, ${held.station}) of ${gateway}`
    print(already ? `already accepted: ${what}` : `accepted: ${what}`)
    if (release === true) print(`released from quarantine: ${released}`)
  })
}

/** `vitalgate-receiver registry devices`: which devices of a gateway are believed. */
export function devicesCommand(): Command {
  const command = new Command('devices').description('which devices of the gateways are believed')
  command
    .command('list')
    .argument('[gateway]', 'gateway id, or its first 6 characters or more')
    .description('list devices, accepted and proposed')
    .action((gateway: string | undefined, _options, self: Command) => list(gateway, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry devices list k3v9qa\nExit codes: 0 done, 1 failed, 2 usage',
    )
  command
    .command('accept')
    .argument('<gateway>', 'gateway id, or its first 6 characters or more')
    .argument('<device>', 'name that the technician gave it')
    .description('accept what the gateway last proposed for a device; signed by the operator')
    .option('--proposal <hash>', 'only if this is the newest proposal (its first 8 digits or more)')
    .option('--release', 'also release its readings that waited in quarantine')
    .option('--by <name>', 'who accepts it (default: who is logged in)')
    .action((gateway: string, device: string, _options, self: Command) => accept(gateway, device, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry devices accept k3v9qa cuff-3 --proposal 5f0c12ab --release' +
        '\nExit codes: 0 done (also: already so), 1 no such gateway or proposal, or another proposal, 2 usage',
    )
  return command
}
