import { EventEmitter, once } from 'node:events'
import { createRequire } from 'node:module'
import type * as DBus from 'dbus-next'
import nodeBle from 'node-ble'
import { longUuid } from './bluez-gatt.ts'
import type { Bus } from './bus.ts'

// the build that node-ble takes: its bus refuses messages of the other one's class
const { Message, Variant } = createRequire(import.meta.url)('dbus-next') as typeof DBus

/** What an agent answers by member; one that throws refuses. */
export type Answers = Readonly<Record<string, (...args: unknown[]) => [string, unknown[]]>>

/** node-ble as a program would use it, with what it lacks. */
export interface Client {
  readonly bus: DBus.MessageBus
  adapter(): Promise<nodeBle.Adapter>
  /** Discovers until a device is heard, and stops. */
  find(address: string): Promise<nodeBle.Device>
  /** Calls a method of BlueZ; the values of its answer. */
  call(path: string, face: string, member: string, signature?: string, ...body: unknown[]): Promise<unknown[]>
  get(path: string, face: string, property: string): Promise<unknown>
  set(path: string, face: string, property: string, signature: string, value: unknown): Promise<void>
  /** Discovers devices that advertise one of these services, short or long. */
  filter(services: readonly string[]): Promise<void>
  /** Every signal of BlueZ from now on, as `member path`, PropertiesChanged with its properties. */
  watch(): Promise<string[]>
  /** Resolves when a watched signal came, perhaps before. */
  came(signal: string): Promise<void>
  /** Registers an agent; what it was asked is in the list. */
  agent(capability: string, answers?: Answers): Promise<string[]>
  /** Resolves when the bus is gone. */
  readonly ended: Promise<unknown>
  close(): void
}

export function openClient(at: Bus): Client {
  process.env.DBUS_SYSTEM_BUS_ADDRESS = at.address
  const { bluetooth, destroy } = nodeBle.createBluetooth()
  const { dbus: bus } = bluetooth as unknown as { dbus: DBus.MessageBus }
  const { on } = bus as NodeJS.EventEmitter
  on.call(bus, 'error', () => {}) // that the bus went is told by `ended`
  const heard: string[] = []
  const wake = new EventEmitter()
  const { _connection: inner } = bus as unknown as { _connection: NodeJS.EventEmitter }

  const send = async (
    destination: string,
    path: string,
    name: string,
    member: string,
    signature: string,
    body: unknown[],
  ) =>
    (await bus.call(new Message({ destination, path, interface: name, member, signature, body })))?.body ?? []
  const call: Client['call'] = (path, face, member, signature = '', ...body) =>
    send('org.bluez', path, face, member, signature, body)
  const adapter = (): Promise<nodeBle.Adapter> => bluetooth.defaultAdapter()

  return {
    bus,
    adapter,
    async find(address) {
      const first = await adapter()
      await first.startDiscovery()
      const device = await first.waitDevice(address, 5000, 10)
      await first.stopDiscovery()
      return device
    },
    call,
    async get(path, face, property) {
      const [value] = await call(path, 'org.freedesktop.DBus.Properties', 'Get', 'ss', face, property)
      return (value as DBus.Variant).value
    },
    async set(path, face, property, signature, value) {
      const variant = new Variant(signature, value)
      await call(path, 'org.freedesktop.DBus.Properties', 'Set', 'ssv', face, property, variant)
    },
    async filter(services) {
      const filter = { Transport: new Variant('s', 'le'), UUIDs: new Variant('as', services.map(longUuid)) }
      await call('/org/bluez/hci0', 'org.bluez.Adapter1', 'SetDiscoveryFilter', 'a{sv}', filter)
    },
    async watch() {
      bus.on('message', ({ type, sender, path, member, body }) => {
        if (type !== 4 || sender === 'org.freedesktop.DBus') return
        const [first, changed] = body as [string, Record<string, unknown>?]
        const names = Object.keys(changed ?? {}).join()
        heard.push(member === 'PropertiesChanged' ? `${names} ${path}` : `${member} ${first}`)
        wake.emit('heard')
      })
      const rule = "type='signal',sender='org.bluez'"
      const daemon = 'org.freedesktop.DBus'
      await send(daemon, '/org/freedesktop/DBus', daemon, 'AddMatch', 's', [rule])
      return heard
    },
    async came(signal) {
      while (!heard.includes(signal)) await once(wake, 'heard')
    },
    async agent(capability, answers = {}) {
      const asked: string[] = []
      bus.addMethodHandler(message => {
        if (message.interface !== 'org.bluez.Agent1') return false
        asked.push(message.member)
        try {
          const [signature, body] = answers[message.member]?.(...message.body) ?? ['', []]
          bus.send(Message.newMethodReturn(message, signature, body))
        } catch {
          bus.send(Message.newError(message, 'org.bluez.Error.Rejected', 'no'))
        }
        return true
      })
      await call('/org/bluez', 'org.bluez.AgentManager1', 'RegisterAgent', 'os', '/agent', capability)
      return asked
    },
    // a bus that was killed with something unread resets the stream: an error without an end
    ended: new Promise(resolve => void inner.once('end', resolve).once('error', resolve)),
    close: destroy,
  }
}

/** A characteristic of a connected device, by short UUIDs. */
export async function characteristicOf(
  device: nodeBle.Device,
  service: string,
  char: string,
): Promise<nodeBle.GattCharacteristic> {
  const found = await (await device.gatt()).getPrimaryService(longUuid(service))
  return found.getCharacteristic(longUuid(char))
}

/** Subscribes; every value that comes, in hex. */
export async function valuesOf(characteristic: nodeBle.GattCharacteristic): Promise<string[]> {
  const values: string[] = []
  characteristic.on('valuechanged', bytes => values.push(bytes.toString('hex')))
  await characteristic.startNotifications()
  return values
}
