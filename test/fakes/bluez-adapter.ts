import { Variant } from 'dbus-next'
import { type Face, refusal } from './bluez-tree.ts'
import type { World } from './bluez-world.ts'

/** One thing that an adapter may hear. */
export interface Heard {
  readonly address: string
  readonly path: string
  /** An advertisement could be received now; whether there is one the device knows. */
  heard(): void
  advertises(uuids: readonly string[]): boolean
  /** Discovery ended: its signal strength is no longer known. */
  unheard(): void
  /** The adapter lost its power. */
  cut(): void
  /** RemoveDevice: the bond is gone and so is the object. */
  removed(): void
}

/** Adapter1. */
export interface Adapter {
  readonly name: string
  readonly path: string
  readonly face: Face
  readonly devices: Heard[]
  readonly powered: boolean
  readonly discovering: boolean
  power(on: boolean): void
  /** From now on it says that it is discovering and hears nothing, until its power is cycled. */
  freeze(): void
  /** Whether a switch forbids power (rfkill). */
  blocked: boolean
  left(client: string): void
  /** bluetoothd ended. */
  clear(): void
}

const iface = 'org.bluez.Adapter1'

export function openAdapter(world: World, name: string, number: number, on: boolean): Adapter {
  const path = `/org/bluez/${name}`
  const devices: Heard[] = []
  // one session for each client (BlueZ doc/org.bluez.Adapter.rst, StartDiscovery)
  const sessions = new Set<string>()
  const filters = new Map<string, readonly string[]>()
  let powered = on
  let frozen = false
  let stopListening = (): void => {}

  const changed = (...names: string[]): void => world.tree()?.changed(path, iface, ...names)
  const ready = (): void => {
    if (!powered) throw refusal('NotReady', 'Resource Not Ready')
  }
  const listen = (): void => {
    if (!frozen) {
      const wanted = [...sessions].map(client => filters.get(client) ?? [])
      for (const device of [...devices]) if (wanted.some(uuids => device.advertises(uuids))) device.heard()
    }
    stopListening = world.after(world.pace.advertMs, listen)
  }
  const end = (client: string): void => {
    filters.delete(client)
    if (!sessions.delete(client) || sessions.size > 0) return
    stopListening()
    changed('Discovering')
    for (const device of [...devices]) device.unheard()
  }
  const power = (next: boolean): void => {
    if (powered === next) return
    powered = next
    if (next) {
      frozen = false
      world.counts.powerOns++
    } else {
      for (const device of [...devices]) device.cut()
      for (const client of [...sessions]) end(client)
    }
    changed('Powered')
  }

  const face: Face = {
    properties: () => ({
      Address: new Variant('s', `00:00:5E:00:53:0${number}`),
      AddressType: new Variant('s', 'public'),
      Name: new Variant('s', 'bench'),
      Alias: new Variant('s', 'bench'),
      Powered: new Variant('b', powered),
      Discovering: new Variant('b', sessions.size > 0),
      Discoverable: new Variant('b', false),
      Pairable: new Variant('b', false),
      UUIDs: new Variant('as', []),
    }),
    set: {
      Powered(next: boolean) {
        if (next && adapter.blocked) throw refusal('Blocked', 'Blocked through rfkill')
        power(next)
      },
    },
    methods: {
      SetDiscoveryFilter: {
        takes: 'a{sv}',
        run(client: string, filter: Record<string, Variant>): undefined {
          const plain = Object.fromEntries(Object.entries(filter).map(([key, { value }]) => [key, value]))
          world.counts.filters.push(plain)
          ready()
          filters.set(client, (plain.UUIDs as string[] | undefined) ?? [])
        },
      },
      StartDiscovery: {
        run(client: string): undefined {
          world.counts.discoveries++
          ready()
          if (sessions.has(client)) throw refusal('InProgress', 'Operation already in progress')
          sessions.add(client)
          if (sessions.size > 1) return
          changed('Discovering')
          stopListening = world.after(1, listen)
        },
      },
      StopDiscovery: {
        run(client: string): undefined {
          ready()
          if (!sessions.has(client)) throw refusal('Failed', 'No discovery started')
          end(client)
        },
      },
      RemoveDevice: {
        takes: 'o',
        run(_client: string, which: string): undefined {
          ready()
          const device = devices.find(each => each.path === which)
          if (device === undefined || !world.tree()?.has(which)) {
            throw refusal('DoesNotExist', 'Does Not Exist')
          }
          world.counts.removals.push(device.address)
          device.removed()
        },
      },
    },
  }

  const adapter: Adapter = {
    name,
    path,
    face,
    devices,
    get powered() {
      return powered
    },
    get discovering() {
      return sessions.size > 0
    },
    power,
    freeze() {
      frozen = true
    },
    blocked: false,
    left: end,
    clear() {
      sessions.clear()
      filters.clear()
    },
  }
  return adapter
}
