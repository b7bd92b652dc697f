import { Fault, isFault } from '../base/fault.ts'
import type { Adapter } from './bluez-adapter.ts'
import { refusalOf, vanished } from './bluez-fault.ts'
import type { PairingWords } from './radio.ts'

/** All of it: what a person waits for. */
export const pairMs = 60_000
/** How long a device in pairing mode may take to be heard. */
const hearMs = 30_000
const settleMs = 300
/** How long BlueZ may take to say that a device is paired whose link dropped meanwhile. */
const lateMs = 2000

/**
 * Bonds with a device in pairing mode. A link that drops is success where the bond was made: many devices
 * switch themselves off after it. Fault `ble.refused` or `ble.lost`.
 */
export async function pair(adapter: Adapter, address: string, words: PairingWords): Promise<void> {
  const { bus, devices, agent } = adapter
  const paired = (): boolean => devices.at(address)?.paired === true
  if (devices.at(address) === undefined) {
    await adapter.discover(true)
    if (!(await adapter.until(address, known => known !== undefined, hearMs))) throw unheard(address)
  }
  if (!paired()) {
    await adapter.discover(false)
    await adapter.pause(settleMs)
    try {
      await ask(adapter, address, words).catch(async (cause: unknown) => {
        // BlueZ forgot the stranger when discovery ended: it must go on meanwhile
        if (!vanished(cause)) throw cause
        await adapter.discover(true)
        if (!(await adapter.until(address, known => known !== undefined, hearMs))) throw unheard(address)
        await ask(adapter, address, words)
      })
    } catch (cause) {
      if (!isFault(cause) || bus.lost() !== undefined) throw cause
      const late = await adapter.until(address, paired, lateMs)
      if (!late) throw cause
    } finally {
      agent.end()
    }
  }
  // BlueZ doc/device-api: after Disconnect an untrusted device may not connect by itself
  await bus.set(devices.at(address)?.path ?? '', 'org.bluez.Device1.Trusted', true)
}

const unheard = (address: string): Fault =>
  new Fault('ble.lost', `${address} is not heard`, {
    hint: 'put the device into pairing mode, near the gateway',
  })

async function ask(
  { bus, devices, agent, node }: Adapter,
  address: string,
  words: PairingWords,
): Promise<void> {
  const what = `pair ${address}`
  const device = await bus.bounded(node.getDevice(address), what)
  const known = devices.at(address)
  if (known === undefined) throw unheard(address)
  agent.begin(known.path, words)
  await bus.bounded(device.pair(), what, pairMs).catch((cause: unknown) => {
    if (!isFault(cause) || !refusalOf(cause.cause).name.endsWith('.AlreadyExists')) throw cause
  })
}

/** Removes a bond with its keys; nothing to do where BlueZ does not know the device. */
export async function forget(adapter: Adapter, address: string): Promise<void> {
  const known = adapter.devices.at(address)
  if (known === undefined) return
  await adapter.bus
    .call(`/org/bluez/${adapter.name}`, 'org.bluez.Adapter1.RemoveDevice', 'o', [known.path])
    .catch((cause: unknown) => {
      if (!vanished(cause)) throw cause
    })
}
