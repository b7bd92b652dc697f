import { hex, sha256 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { parseAddress } from '../base/portname.ts'
import type { Handlers } from '../control/api.ts'
import { addDevice, type Device, readDevices, removeDevice } from '../identity/devices.ts'
import { hardware } from '../identity/hardware.ts'
import { wordsOf } from '../identity/identity.ts'
import { acceptBundle, makeRequest, requestText } from '../identity/provision.ts'
import { serialPorts, stableName } from '../transport/usb.ts'
import type { Gateway } from './gateway.ts'
import { looking, recording } from './looking.ts'
import { pairing } from './pairing.ts'
import { cardCheck } from './prepare.ts'
import { verifyWay } from './provisioning.ts'
import { scanning } from './scan.ts'
import { outboxOf, statusOf } from './status.ts'

/** The chained proposal of a device that a technician added (WIRE 6.4). */
function proposal({ id, driver, port, station, options }: Device) {
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    event: 'device-proposed' as const,
    detail: {
      device: id,
      driver,
      station,
      link: parseAddress(port).kind,
      options: hex(sha256(JSON.stringify(sorted))),
    },
  }
}

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
    if (gateway.link() !== undefined) await gateway.event(members)
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
    async accept({ bundle, rootWords }) {
      const { already, identity } = acceptBundle(state, bundle, rootWords)
      gateway.identify(identity)
      await gateway.connect()
      // devices that were added before there was a way to tell of them
      if (!already) for (const device of readDevices(state, check)) await tell(proposal(device))
      const { binding, entry, server } = identity.route
      return {
        already,
        phase: identity.phase,
        gateway: identity.gateway,
        server,
        site: binding.site,
        brokers: entry.brokers,
        versions: { binding: binding.version, serverEntry: entry.version },
      }
    },
    async verify(_body, send, end) {
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
    devices: async () => readDevices(state, check),
    async addDevice(given) {
      const port = await lastingName(given.port)
      const { already, device } = addDevice(state, { ...given, port }, check)
      if (!already) stations.add(device)
      // told again where it is there already: the power may have gone between the two the first time
      await tell(proposal(device))
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
      const link = gateway.link()
      if (link === undefined) throw noRoute()
      return outboxOf(await link.custody.stats(), link.sent())
    },
    async verifyOutbox() {
      const link = gateway.link()
      if (link === undefined) throw noRoute()
      return link.custody.verify()
    },
  }
}
