import type NodeBle from 'node-ble'
import { type Fault, isFault } from '../base/fault.ts'
import { type Agent, registerAgent } from './bluez-agent.ts'
import { callMs } from './bluez-bounds.ts'
import { type BluezBus, type BluezSignal, openBluezBus } from './bluez-bus.ts'
import { bluezDevices, type Devices, type Known } from './bluez-devices.ts'
import { adapterAbsent, adapterOff, faultOf, refusalOf } from './bluez-fault.ts'
import type { After } from './port.ts'
import type { Advert } from './radio.ts'

/** What opening an adapter needs. */
export interface AdapterParts {
  after: After
  /** An advertisement was heard while discovering. */
  heard(advert: Advert): void
  /** Something changed that the owner should look at: bus, BlueZ, adapter or power went. */
  changed(): void
  /** Whether an adapter that is found without power is given some. */
  mayPower: boolean
  /** Whether it is switched off and on first, as the last means against one that hears nothing. */
  cycle: boolean
}

/** The Bluetooth adapter on one connection to the bus; it lives no longer than one session. */
export interface Adapter {
  readonly name: string
  readonly address: string
  readonly bus: BluezBus
  readonly devices: Devices
  readonly agent: Agent
  readonly node: NodeBle.Adapter
  /** Why it cannot be used any more; undefined as long as it can. */
  trouble(): Fault | undefined
  discover(on: boolean): Promise<void>
  /** Waits so long; a Fault when the connection goes meanwhile. */
  pause(ms: number): Promise<void>
  /** Waits until what BlueZ knows of a device is as asked; whether it came to that within so many milliseconds. */
  until(address: string, holds: (known: Known | undefined) => boolean, ms: number): Promise<boolean>
  close(): void
}

const face = 'org.bluez.Adapter1'
/** How long an adapter may take from Powered false to true, its firmware included. */
const powerMs = 2000

interface Found {
  path: string
  address: string
  powered: boolean
}

const property = (properties: Record<string, unknown>, name: string): unknown =>
  (properties[name] as { value?: unknown } | undefined)?.value

/** The first adapter of those that BlueZ manages, one with power before one without. */
function adapterIn(objects: Record<string, Record<string, Record<string, unknown>>>): Found | undefined {
  const found = Object.entries(objects)
    .flatMap(([path, faces]) => {
      const properties = faces[face]
      if (properties === undefined || !/^\/org\/bluez\/hci\d+$/.test(path)) return []
      const address = String(property(properties, 'Address') ?? '').slice(0, 17)
      return [{ path, address, powered: property(properties, 'Powered') === true }]
    })
    .sort((a, b) => a.path.localeCompare(b.path, 'en', { numeric: true }))
  return found.find(({ powered }) => powered) ?? found[0]
}

/** Opens the adapter. Fault `ble.absent`, `ble.off`, or `ble.lost` where BlueZ does not answer. */
export async function openAdapter(parts: AdapterParts): Promise<Adapter> {
  const { after } = parts
  let early: BluezSignal[] | undefined = []
  let take = (signal: BluezSignal): void => void early?.push(signal)
  const bus = await openBluezBus(after, signal => take(signal))
  bus.whenLost(() => parts.changed())
  try {
    const [objects] = await bus.call('/', 'org.freedesktop.DBus.ObjectManager.GetManagedObjects')
    const found = adapterIn((objects ?? {}) as Parameters<typeof adapterIn>[0])
    if (found === undefined) throw adapterAbsent()
    const { path } = found
    const name = path.slice('/org/bluez/'.length)
    let powered = found.powered
    let discovering = false
    let gone: Fault | undefined

    const devices = bluezDevices(path, advert => {
      if (discovering) parts.heard(advert)
    })
    devices.learn(objects)

    take = signal => {
      const [first, second] = signal.body
      if (signal.path === path && signal.member === 'PropertiesChanged' && first === face) {
        const now = property(second as Record<string, unknown>, 'Powered')
        if (typeof now === 'boolean') powered = now
        if (now !== undefined) parts.changed()
      } else if (signal.member === 'InterfacesRemoved' && first === path) {
        gone = adapterAbsent()
        parts.changed()
      } else devices.take(signal)
    }
    for (const signal of early) take(signal)
    early = undefined

    const power = async (on: boolean): Promise<void> => {
      await bus.set(path, `${face}.Powered`, on)
      powered = on
    }
    const pause = (ms: number): Promise<void> => {
      let callOff = (): void => {}
      const over = new Promise<void>(resolve => {
        callOff = after(ms, resolve)
      })
      return bus.bounded(over, 'wait', ms + callMs).finally(() => callOff())
    }

    if (parts.cycle && powered) {
      await power(false)
      await pause(powerMs)
      await power(true)
    } else if (!powered && parts.mayPower) {
      // What keeps the power off (rfkill) is told below, in the words of a person.
      await power(true).catch((cause: unknown) => {
        if (!isFault(cause) || bus.lost() !== undefined) throw cause
      })
    }
    if (!powered) throw adapterOff(name)

    const agent = await registerAgent(bus)
    const node = await bus.bounded(bus.bluetooth.getAdapter(name), `open ${name}`)

    const discover = async (on: boolean): Promise<void> => {
      if (on === discovering) return
      if (on) {
        const filter = bus.dictionary({ Transport: 'le', DuplicateData: false })
        await bus.call(path, `${face}.SetDiscoveryFilter`, 'a{sv}', [filter])
        // from the call on: what is heard before its answer counts
        discovering = true
        await bus.call(path, `${face}.StartDiscovery`).catch((cause: unknown) => {
          discovering = false
          throw cause
        })
        devices.present()
        return
      }
      discovering = false
      await bus.call(path, `${face}.StopDiscovery`).catch((cause: unknown) => {
        // Between two scans of the kernel BlueZ answers InProgress, and Failed where nothing was going on.
        // The session of this connection ends with it in any case.
        if (!isFault(cause) || !/\.(InProgress|Failed)$/.test(refusalOf(cause.cause).name)) throw cause
      })
    }

    const until: Adapter['until'] = (address, holds, ms) => {
      if (holds(devices.at(address))) return Promise.resolve(true)
      let done = (_came: boolean): void => {}
      const came = new Promise<boolean>(resolve => {
        done = resolve
      })
      const callOff = after(ms, () => done(false))
      const hush = devices.changed(() => {
        if (holds(devices.at(address))) done(true)
      })
      return bus.bounded(came, 'wait', ms + callMs).finally(() => {
        callOff()
        hush()
      })
    }

    return {
      name,
      address: found.address,
      bus,
      devices,
      agent,
      node,
      trouble: () => bus.lost() ?? gone ?? (powered ? undefined : adapterOff(name)),
      discover,
      pause,
      until,
      close: bus.close,
    }
  } catch (cause) {
    bus.close()
    throw faultOf(cause, 'open the Bluetooth adapter')
  }
}
