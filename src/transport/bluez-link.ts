import type { Clock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { Adapter } from './bluez-adapter.ts'
import { refusalOf, vanished } from './bluez-fault.ts'
import { bluezPeer } from './bluez-peer.ts'
import type { Peer } from './radio.ts'

const connectMs = 30_000
const tries = 3
/** A try that took longer found nobody; another one would only keep the radio from the other devices. */
const triesMs = 15_000
/** Between the end of discovery and Connect: some controllers lose a connection that comes at once. */
const settleMs = 300
/** Between two tries; a device advertises for half a minute, so there is time for little more. */
const againMs = 1000
/** How long a device that BlueZ forgot may take to be heard again. */
const reappearMs = 10_000

/**
 * Connects, with discovery stopped, since many controllers cannot do both. Where BlueZ forgets a stranger when
 * discovery ends, the next try keeps it going. Fault `ble.lost`, `ble.unpaired` or `ble.off`.
 */
export async function connect(
  adapter: Adapter,
  address: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Peer> {
  const { bus, devices } = adapter
  const began = clock.mono()
  let keepDiscovering = false
  for (let attempt = 1; ; attempt++) {
    try {
      if (keepDiscovering || devices.at(address) === undefined) {
        await adapter.discover(true)
        const found = await adapter.until(address, known => known !== undefined, reappearMs)
        if (!found) throw new Fault('ble.lost', `${address} is not heard`, { hint: 'wake the device up' })
      } else {
        await adapter.discover(false)
        await adapter.pause(settleMs)
      }
      await connectOnce(adapter, address)
      const device = await bus.bounded(adapter.node.getDevice(address), `open ${address}`)
      return bluezPeer(adapter, device, address, clock)
    } catch (cause) {
      if (!isFault(cause, 'ble.lost') || signal.aborted || bus.lost() !== undefined) throw cause
      if (attempt === tries || clock.mono() - began > triesMs) throw cause
      keepDiscovering ||= vanished(cause)
      await adapter.pause(againMs)
    }
  }
}

async function connectOnce({ bus, node, devices }: Adapter, address: string): Promise<void> {
  const what = `connect ${address}`
  const device = await bus.bounded(node.getDevice(address), what)
  try {
    await bus.bounded(device.connect(), what, connectMs)
  } catch (cause) {
    const { name } = refusalOf(isFault(cause) ? cause.cause : cause)
    // the device itself, or BlueZ for it, was faster
    if (!name.endsWith('.AlreadyConnected') && devices.at(address)?.connected !== true) throw cause
  }
}

/**
 * Ends the link, or the attempt at one; a device that stays connected advertises no more. That it cannot be
 * ended is no news: it is gone, or the connection to BlueZ is, and both are told elsewhere.
 */
export async function hangUp({ bus, devices }: Adapter, address: string): Promise<void> {
  const known = devices.at(address)
  if (known === undefined || bus.lost() !== undefined) return
  await bus.call(known.path, 'org.bluez.Device1.Disconnect').catch((cause: unknown) => {
    if (!isFault(cause)) throw cause
  })
}
