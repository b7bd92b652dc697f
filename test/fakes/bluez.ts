import { once } from 'node:events'
import { Message, type MessageBus, sessionBus } from 'dbus-next'
import { type Adapter, openAdapter } from './bluez-adapter.ts'
import { type Agent, openAgents } from './bluez-agents.ts'
import type { Device, DeviceSettings } from './bluez-device.ts'
import { type Link, openLink } from './bluez-link.ts'
import { serveTree, type Tree } from './bluez-tree.ts'
import { type Counts, type Pace, usualPace, type World } from './bluez-world.ts'
import type { Bus } from './bus.ts'

export type { Device, DeviceSettings, Faults } from './bluez-device.ts'
export type { CharacteristicSettings, Services, Value, Written } from './bluez-gatt.ts'
export type { Step } from './bluez-story.ts'

export interface BluezSettings {
  /** Names of adapters; `hci0` if not said. */
  adapters?: readonly string[]
  /** Whether they have power; yes if not said. */
  powered?: boolean
  pace?: Partial<Pace>
}

/** A simulated BlueZ on a private bus: bluetoothd, its adapters, and devices around them. */
export interface Bluez {
  readonly pace: Pace
  readonly counts: Counts
  /** Faults of the fake itself; must stay empty. */
  readonly broken: readonly unknown[]
  /** Members (`Connect`, `StartDiscovery`) whose calls are never answered while they are in here. */
  readonly silent: Set<string>
  /** A new device near the first adapter. It says nothing until it advertises. */
  device(settings: DeviceSettings): Device
  agents(): readonly Agent[]
  /** Whether anybody's discovery is on. */
  readonly discovering: boolean
  /** The adapter has power, or not; `blocked`: clients cannot switch it on (rfkill). */
  power(on: boolean, blocked?: boolean): void
  readonly powered: boolean
  /** Discovery seems to go on but nothing is heard any more, until power is cycled. */
  freeze(): void
  /** Plugs in or takes away an adapter. */
  plug(name: string): void
  unplug(name: string): void
  /** bluetoothd ends as in a crash: no name, no objects, no links, and no word to anybody. */
  stop(): Promise<void>
  /** bluetoothd starts; also needed after the bus was away. */
  start(): Promise<void>
  close(): Promise<void>
}

const dbus = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
}

/**
 * The stream of a connection, the only part that always tells its end: a bus that was killed with something
 * unread resets it, and then `error` comes instead of `end`.
 */
const streamOf = (bus: MessageBus): NodeJS.EventEmitter =>
  (bus as unknown as { _connection: { stream: NodeJS.EventEmitter } })._connection.stream

/** Starts bluetoothd on a bus. Devices, their bonds and the counts outlive its restarts. */
export async function openBluez(bus: Bus, settings: BluezSettings = {}): Promise<Bluez> {
  const counts: Counts = {
    connects: 0,
    pairings: 0,
    subscriptions: 0,
    registrations: 0,
    discoveries: 0,
    filters: [],
    powerOns: 0,
    removals: [],
  }
  const pace: Pace = { ...usualPace, ...settings.pace }
  const broken: unknown[] = []
  const silent = new Set<string>()
  const timers = new Set<NodeJS.Timeout>()
  const links: Link[] = []
  let life: { bus: MessageBus; tree: Tree } | undefined

  const world: World = {
    pace,
    counts,
    tree: () => life?.tree,
    call: message => (life === undefined ? Promise.resolve(null) : life.bus.call(message)),
    after(ms, act) {
      const timer = setTimeout(() => {
        timers.delete(timer)
        act()
      }, ms)
      timers.add(timer)
      return () => {
        clearTimeout(timer)
        timers.delete(timer)
      }
    },
  }
  const agents = openAgents(world)
  const adapters: Adapter[] = []
  const addAdapter = (name: string): Adapter => {
    const adapter = openAdapter(world, name, adapters.length, settings.powered ?? true)
    adapters.push(adapter)
    return adapter
  }
  for (const name of settings.adapters ?? ['hci0']) addAdapter(name)
  // devices are near an adapter that may not be there yet
  const first = adapters[0] ?? openAdapter(world, 'hci0', 0, settings.powered ?? true)
  const putAdapter = (adapter: Adapter): void =>
    life?.tree.put(adapter.path, { 'org.bluez.Adapter1': adapter.face })

  const end = (): void => {
    life = undefined
    for (const timer of timers) clearTimeout(timer)
    timers.clear()
    agents.clear()
    for (const adapter of adapters) adapter.clear()
    for (const link of links) link.stop()
  }
  const left = (client: string): void => {
    agents.left(client)
    for (const adapter of adapters) adapter.left(client)
    for (const link of links) link.left(client)
  }

  const start = async (): Promise<void> => {
    if (life !== undefined) return
    const connection = sessionBus({ busAddress: bus.address })
    // a broken pipe when the bus is killed; `close` follows
    const { on } = connection as NodeJS.EventEmitter
    on.call(connection, 'error', () => {})
    await once(connection, 'connect')
    const tree = serveTree(connection, silent, error => broken.push(error))
    const own = { bus: connection, tree }
    life = own
    connection.on('message', ({ member, body: [name, , owner] }) => {
      // a client that leaves takes its discovery, its agent and its subscriptions with it
      if (member === 'NameOwnerChanged' && owner === '' && `${name}`.startsWith(':')) left(`${name}`)
    })
    streamOf(connection).on('close', () => {
      if (life === own) end()
    })
    const rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
    await connection.call(new Message({ ...dbus, member: 'AddMatch', signature: 's', body: [rule] }))
    tree.put('/org/bluez', { 'org.bluez.AgentManager1': agents.face })
    for (const adapter of adapters) putAdapter(adapter)
    for (const link of links) link.start()
    await connection.requestName('org.bluez')
  }

  const stop = async (): Promise<void> => {
    if (life === undefined) return
    const { bus: connection } = life
    const ended = new Promise<void>(resolve => void streamOf(connection).once('close', resolve))
    end()
    connection.disconnect()
    await ended
  }

  await start()
  return {
    pace,
    counts,
    broken,
    silent,
    device(one) {
      const link = openLink(world, first, agents, one)
      links.push(link)
      first.devices.push(link.heard)
      if (adapters.includes(first)) link.start()
      return link.device
    },
    agents: agents.list,
    get discovering() {
      return adapters.some(adapter => adapter.discovering)
    },
    get powered() {
      return first.powered
    },
    power(on, blocked = false) {
      first.blocked = blocked
      first.power(on)
    },
    freeze: () => first.freeze(),
    plug(name) {
      const adapter = name === first.name && !adapters.includes(first) ? first : undefined
      if (adapter !== undefined) adapters.push(adapter)
      putAdapter(adapter ?? addAdapter(name))
      if (adapter !== undefined) for (const link of links) link.start()
    },
    unplug(name) {
      const at = adapters.findIndex(adapter => adapter.name === name)
      const [adapter] = at < 0 ? [] : adapters.splice(at, 1)
      if (adapter === undefined) return
      for (const device of adapter.devices) device.cut()
      life?.tree.take(adapter.path)
      adapter.clear()
    },
    stop,
    start,
    close: stop,
  }
}
