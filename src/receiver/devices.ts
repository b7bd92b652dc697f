import type Database from 'better-sqlite3'
import { Fault } from '../base/fault.ts'
import { signRegistry } from '../wire/registry.ts'
import { proposedWiring } from './ports.ts'
import type { AcceptedDevice, Registry } from './registry.ts'
import { insertStatement } from './registry-rows.ts'
import { isRemoved } from './removals.ts'
import { operatorSigner } from './revoke.ts'
import type { Store } from './store.ts'

/** What a technician proposed at a gateway, as its signed event said. `hash` is the event's (WIRE 9.4). */
export interface Proposal {
  gateway: string
  device: string
  driver: string
  station: string
  hash: string
  at: number
}

/** Keeps a proven proposal; the same one twice is one. Call it inside the transaction of its event. */
export function recordProposal(db: Database.Database, proposal: Proposal): void {
  const { gateway, device, driver, station, hash, at } = proposal
  db.prepare(
    'INSERT INTO proposals (gateway, device, driver, station, hash, at) VALUES (?, ?, ?, ?, ?, ?) ' +
      'ON CONFLICT DO NOTHING',
  ).run(gateway, device, driver, station, hash, at)
}

/** The newest proposal for each device of a gateway, by name. */
export const listProposals = (db: Database.Database, gateway: string): Proposal[] =>
  db
    .prepare<[string], Proposal>(
      'SELECT gateway, device, driver, station, hash, at FROM proposals p WHERE gateway = ? AND rowid = ' +
        '(SELECT max(rowid) FROM proposals WHERE gateway = p.gateway AND device = p.device) ORDER BY device',
    )
    .all(gateway)

/**
 * A device as the registry sees it: proposed and waiting, accepted, accepted and proposed anew, or removed at
 * the gateway since it was last proposed.
 */
export interface KnownDevice {
  gateway: string
  device: string
  driver: string
  station: string
  state: 'accepted' | 'proposed' | 'changed' | 'removed'
  /** The hash of the event that proposed it. */
  proposal: string
  /** When it was proposed, if the proposal is in this store. */
  proposed: number | null
  /** The tag of its port and whether it is paired, where the proposal told so (WIRE 6.6). */
  port?: string
  bonded?: boolean
}

/** All devices of a gateway, by name. `changed` shows what was proposed since the acceptance. */
export function listDevices(registry: Registry, store: Store, gateway: string): KnownDevice[] {
  const proposals = listProposals(store.db, gateway)
  const accepted = registry.devices(gateway).devices
  const stateOf = (hash: string, held: AcceptedDevice | undefined): KnownDevice['state'] => {
    if (isRemoved(store, gateway, hash)) return 'removed'
    return held === undefined ? 'proposed' : held.proposal === hash ? 'accepted' : 'changed'
  }
  const proposed = proposals.map(({ device, driver, station, hash, at }): KnownDevice => {
    const held = accepted.find(one => one.device === device)
    const state = stateOf(hash, held)
    const wiring = proposedWiring(store, hash)
    return { gateway, device, driver, station, state, proposal: hash, proposed: at, ...wiring }
  })
  const others = accepted
    .filter(one => !proposals.some(({ device }) => device === one.device))
    .map(
      ({ device, driver, station, proposal }): KnownDevice => ({
        gateway,
        device,
        driver,
        station,
        state: isRemoved(store, gateway, proposal) ? 'removed' : 'accepted',
        proposal,
        proposed: null,
      }),
    )
  return [...proposed, ...others].sort((a, b) => (a.device < b.device ? -1 : 1))
}

/** What acceptance answers: the device as it now stands, and whether it stood so before. */
export interface Accepted {
  device: AcceptedDevice
  version: number
  already: boolean
}

/**
 * Accepts what a gateway last proposed for a device: signs the next device list with the operator's key
 * (WIRE 9.4). It holds from now on; readings taken before are released by an act of its own (DESIGN
 * 7a.13). `proposal` is the beginning of the hash that was looked at. Faults: `device.unknown` (also: removed
 * at the gateway), `device.changed` where the newest proposal is another, `store.damaged`.
 */
export function acceptDevice(
  state: string,
  store: Store,
  registry: Registry,
  wanted: { gateway: string; device: string; proposal?: string; actor: string; now: number },
): Accepted {
  const { gateway, device, actor, now } = wanted
  const key = operatorSigner(state, registry)
  return store.write(() => {
    const list = registry.devices(gateway)
    for (const damage of registry.damage()) throw damage
    const held = list.devices.find(one => one.device === device)
    const proposals = listProposals(store.db, gateway)
    const proposal = proposals.find(one => one.device === device)
    if (proposal === undefined) {
      if (held !== undefined) return { device: held, version: list.version, already: true }
      throw new Fault('device.unknown', `${gateway} has proposed no device ${device}`, {
        hint:
          proposals.length === 0
            ? 'the technician adds it at the box: vitalgate device add; then its proposal must arrive here'
            : `it proposed: ${proposals.map(one => one.device).join(', ')}`,
      })
    }
    checkProposal(store, proposal, wanted.proposal)
    if (held?.proposal === proposal.hash) return { device: held, version: list.version, already: true }
    const { driver, station, hash } = proposal
    const fresh: AcceptedDevice = { device, driver, station, proposal: hash }
    const version = list.version + 1
    const statement = signRegistry(
      'device-list',
      {
        gateway,
        version,
        before: list.hash,
        devices: [...list.devices.filter(one => one.device !== device), fresh],
      },
      key,
    )
    insertStatement(store.db, { subject: gateway, version, statement, at: now, actor })
    return { device: fresh, version, already: false }
  })
}

/** Faults where what is to be accepted is not what was looked at, or is no longer at the gateway. */
function checkProposal(store: Store, { gateway, device, hash }: Proposal, wanted: string | undefined): void {
  if (wanted !== undefined && !hash.startsWith(wanted)) {
    throw new Fault('device.changed', `${device} was proposed anew as ${hash.slice(0, 12)}, not ${wanted}`, {
      hint: `look at it again: vitalgate-receiver registry devices list ${gateway.slice(0, 6)}`,
    })
  }
  if (isRemoved(store, gateway, hash)) {
    throw new Fault('device.unknown', `${device} was removed at ${gateway}`, {
      hint: 'the technician adds it again at the box: vitalgate device add',
    })
  }
}
