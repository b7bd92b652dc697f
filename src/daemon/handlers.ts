import { Fault } from '../base/fault.ts'
import { parseAddress } from '../base/portname.ts'
import type { Handlers } from '../control/api.ts'
import { addDevice, type Device, readDevices, removeDevice } from '../identity/devices.ts'
import { hardware } from '../identity/hardware.ts'
import { wordsOf } from '../identity/identity.ts'
import { acceptMove } from '../identity/move-accept.ts'
import { acceptBundle, makeRequest, requestText } from '../identity/provision.ts'
import { serialPorts, stableName } from '../transport/usb.ts'
import { abandonByFile } from './abandon-order.ts'
import { acceptanceOf } from './acceptance.ts'
import { drainsOf, verifyAll } from './draining-sums.ts'
import type { Gateway } from './gateway.ts'
import { looking, recording } from './looking.ts'
import { pairing } from './pairing.ts'
import { cardCheck } from './prepare.ts'
import { proposalOf } from './proposal.ts'
import { verifyWay } from './provisioning.ts'
import { proposeKeys } from './rotation.ts'
import { scanning } from './scan.ts'
import { outboxOf, statusOf } from './status.ts'

/** The name of a serial port that stays the same when devices are plugged in anew. */
async function lastingName(port: string): Promise<string> {
  if (parseAddress(port).kind !== 'serial') return port
  return stableName(port, await serialPorts()).port
}

const noRoute = (): Fault =>
  new Fault('identity.unprovisioned', 'this box has no route to a server yet', {
    hint: 'provision it first: vitalgate provision request, then accept, then verify',
  })

/** What the control socket does, on a running gateway. */
export function handlersOf(gateway: Gateway): Handlers {
  const { parts, stations, taken } = gateway
  const { state, clock, drivers, moments } = parts
  const check = cardCheck(drivers)

  const tell = async (members: Parameters<Gateway['event']>[0]): Promise<void> => {
    await gateway.steady()
    if (gateway.link() !== undefined) await gateway.event(members)
  }

  /** Nothing is proposed before there is a way to tell of it: `accept` does it for all devices. */
  const propose = async (device: Device): Promise<void> => {
    const identity = gateway.identity()
    if (identity.phase !== 'fresh') await tell(await proposalOf(device, identity.gateway, gateway.ways))
  }

  /** Takes a bundle of this box's own server, or of its first one. */
  const accepted = async (bundle: string, rootWords: string | undefined) => {
    const stats = await gateway.link()?.custody.stats()
    const { already, identity } = acceptBundle(state, bundle, rootWords, undefined, stats?.epochs.length)
    gateway.identify(identity)
    if (stats === undefined) await gateway.connect()
    else if (!already) await gateway.reopen()
    // devices that were added before there was a way to tell of them
    if (!already) for (const device of readDevices(state, check)) await propose(device)
    return { already, identity }
  }

  /** Carries a move through that a person agreed to. */
  const moved = async () => {
    await gateway.reopen()
    const identity = gateway.identity()
    if (identity.phase === 'fresh' || identity.route === undefined) throw noRoute()
    return { already: false, identity }
  }

  return {
    status: async () => statusOf(gateway),
    taken: (_body, send, end) => taken.listen(send, end),
    async request() {
      const { already, identity } = await makeRequest(state, {
        hardware: hardware(),
        software: parts.software,
        clock,
      })
      gateway.identify(identity)
      return {
        already,
        gateway: identity.gateway,
        words: wordsOf(identity),
        request: requestText(identity),
      }
    },
    async accept({ bundle, rootWords, move = false }) {
      if (gateway.isShut()) throw new Fault('identity.unprovisioned', 'this box is being wiped')
      await gateway.steady()
      const movedFrom = acceptMove(state, bundle, rootWords, move)
      const { already, identity } =
        movedFrom === undefined ? await accepted(bundle, rootWords) : await moved()
      const { binding, entry, server } = identity.route
      return {
        already,
        phase: identity.phase,
        gateway: identity.gateway,
        server,
        site: binding.site,
        brokers: entry.brokers,
        versions: { binding: binding.version, serverEntry: entry.version },
        movedFrom: movedFrom ?? null,
      }
    },
    rotate: () => proposeKeys(gateway),
    async verify(_body, send, end) {
      await gateway.steady()
      const identity = gateway.identity()
      const link = gateway.link()
      if (identity.phase === 'fresh' || identity.route === undefined || link === undefined) throw noRoute()
      const { gateway: name, route, phase } = identity
      const already = phase === 'provisioned'
      await verifyWay(
        { state, gateway: name, server: route.server, already, link, clock, moments },
        send,
        end,
      )
      // an update may have brought a newer route meanwhile
      const now = gateway.identity()
      if (now.phase === 'accepted') gateway.identify({ ...now, phase: 'provisioned' })
    },
    async devices() {
      const book = gateway.link()?.book()
      return readDevices(state, check).map(device => {
        const acceptance = acceptanceOf(device, book)
        return acceptance === undefined ? device : { ...device, acceptance }
      })
    },
    async addDevice(given) {
      const port = await lastingName(given.port)
      const { already, device } = addDevice(state, { ...given, port }, check)
      if (!already) stations.add(device)
      // told again where it is there already: the power may have gone between the two the first time
      await propose(device)
      return { already, device }
    },
    async removeDevice({ id }) {
      removeDevice(state, id)
      await stations.remove(id)
      await tell({ event: 'device-removed', detail: { device: id } })
      return { removed: id }
    },
    scan: scanning(gateway),
    test: looking(gateway),
    record: recording(gateway),
    ...pairing(gateway),
    async outbox() {
      await gateway.steady()
      const link = gateway.link()
      if (link === undefined) throw noRoute()
      return outboxOf(await link.custody.stats(), link.sent(), await drainsOf(gateway.formers()))
    },
    async verifyOutbox() {
      await gateway.steady()
      const link = gateway.link()
      if (link === undefined) throw noRoute()
      return verifyAll(link, gateway.formers())
    },
    abandon: abandonByFile(gateway),
  }
}
