import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import type * as DBus from 'dbus-next'
import type NodeBle from 'node-ble'
import { Fault, isFault } from '../base/fault.ts'
import { type Bounds, openBounds } from './bluez-bounds.ts'
import { bluezAbsent, busAbsent } from './bluez-fault.ts'
import type { After } from './port.ts'

/** A signal of BlueZ: `member` of `iface` at `path`, with what it carries. */
export interface BluezSignal {
  path: string
  iface: string
  member: string
  body: readonly unknown[]
}

/** A method of ours that BlueZ calls: gives the D-Bus error name to answer with, or nothing, or a uint32. */
export type Answer = (
  member: string,
  body: readonly unknown[],
) => Promise<{ error: string } | { uint32?: number }>

/**
 * One connection to the system bus and BlueZ on it, by node-ble, which by itself has no time limits, does not
 * notice that bus or BlueZ went away, and knows neither agent nor ObjectManager. Every wait here ends: by an
 * answer, by time, or with the connection.
 */
export interface BluezBus extends Bounds {
  readonly bluetooth: NodeBle.Bluetooth
  /** Calls a method of BlueZ and gives what it answers. */
  call(path: string, method: string, signature?: string, body?: unknown[]): Promise<readonly unknown[]>
  /** Sets a property (`org.bluez.Device1.Trusted`) to a value of this D-Bus type. */
  set(path: string, property: string, value: boolean): Promise<void>
  /** A dictionary of texts and truths, as SetDiscoveryFilter takes it. */
  dictionary(entries: Record<string, string | boolean>): Record<string, unknown>
  /** Lets BlueZ, and nobody else on the bus, call methods at this path. */
  serve(path: string, answer: Answer): void
  close(): void
}

/** What is used of node-ble beyond its typings. */
type Bluetooth = NodeBle.Bluetooth & { dbus: DBus.MessageBus & { _connection: Connection } }
interface Connection {
  stream?: { destroy(): void }
  on(event: 'end', act: () => void): void
}

const busName = 'org.freedesktop.DBus'
const rules = [
  "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager'",
  // not the values of characteristics, of which node-ble asks for those it needs
  ...['Device1', 'Adapter1'].map(
    name =>
      `type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',` +
      `member='PropertiesChanged',path_namespace='/org/bluez',arg0='org.bluez.${name}'`,
  ),
  `type='signal',sender='${busName}',interface='${busName}',member='NameOwnerChanged',arg0='org.bluez'`,
]

/**
 * Lets a bug in one of our listeners end the process: the library would catch it, answer BlueZ with an error
 * and go on.
 */
export function loud(act: () => void): void {
  try {
    act()
  } catch (bug) {
    queueMicrotask(() => {
      throw bug
    })
  }
}

/** Connects and asks who BlueZ is. Fault `ble.absent` when the bus or bluetoothd is not there. */
export async function openBluezBus(after: After, heard: (signal: BluezSignal) => void): Promise<BluezBus> {
  const { createBluetooth } = await import('node-ble')
  // the CommonJS build, as node-ble takes it: its bus refuses messages of the other build's class
  const { Message, Variant } = createRequire(import.meta.url)('dbus-next') as typeof DBus
  const { bluetooth, destroy } = createBluetooth()
  const bus = (bluetooth as Bluetooth).dbus
  let owner = ''
  let closed = false
  const bounds = openBounds(after)
  const { lose, bounded } = bounds

  const ask = async (
    destination: string,
    path: string,
    method: string,
    signature: string,
    body: unknown[],
  ) => {
    const dot = method.lastIndexOf('.')
    const [face, member] = [method.slice(0, dot), method.slice(dot + 1)]
    const message = new Message({ destination, path, interface: face, member, signature, body })
    return (await bounded(bus.call(message), member))?.body ?? []
  }

  const ownerChanged = (now: unknown): void => {
    if (now === owner) return
    lose(new Fault('ble.lost', 'bluetoothd went away', { hint: 'systemctl status bluetooth' }))
  }

  // Without these two listeners an error of the bus ends the process, and its end is never noticed.
  ;(bus as EventEmitter).on('error', (cause: unknown) => lose(busAbsent(cause)))
  bus._connection.on('end', () => lose(busAbsent()))
  bus.on('message', message => {
    if (closed || message.type !== 4) return
    const { sender, path, interface: iface, member, body } = message
    if (sender === busName && member === 'NameOwnerChanged' && body[0] === 'org.bluez') {
      if (owner !== '') ownerChanged(body[2])
    } else if (owner !== '' && sender === owner) loud(() => heard({ path, iface, member, body }))
  })

  const serve = (path: string, answer: Answer): void => {
    const reply = (message: DBus.Message): void => {
      try {
        if (!closed) bus.send(message)
      } catch {
        // the connection ended meanwhile, and with it whoever asked
      }
    }
    bus.addMethodHandler(asked => {
      // A closed stream takes no answer, and the library's attempt at one would throw out of an event.
      if (closed) return true
      if (asked.path !== path || asked.interface !== 'org.bluez.Agent1') return false
      if (asked.sender !== owner) {
        reply(Message.newError(asked, `${busName}.Error.AccessDenied`, 'only BlueZ may ask'))
        return true
      }
      void answer(asked.member, asked.body).then(given => {
        if ('error' in given) reply(Message.newError(asked, given.error, 'refused'))
        else if (given.uint32 === undefined) reply(Message.newMethodReturn(asked))
        else reply(Message.newMethodReturn(asked, 'u', [given.uint32]))
      })
      return true
    })
  }

  const close = (): void => {
    lose(new Fault('ble.lost', 'the session is over'))
    if (closed) return
    closed = true
    destroy()
    bus._connection.stream?.destroy()
  }

  try {
    for (const rule of rules) await ask(busName, '/org/freedesktop/DBus', `${busName}.AddMatch`, 's', [rule])
    // A call starts bluetoothd where systemd knows how; asking for the owner alone would not.
    await ask('org.bluez', '/', 'org.freedesktop.DBus.Peer.Ping', '', [])
    const [found] = await ask(busName, '/org/freedesktop/DBus', `${busName}.GetNameOwner`, 's', ['org.bluez'])
    owner = String(found)
  } catch (cause) {
    close()
    throw isFault(cause, 'ble.absent') ? cause : bluezAbsent(cause)
  }

  return {
    bluetooth,
    ...bounds,
    call: (path, method, signature = '', body = []) => ask('org.bluez', path, method, signature, body),
    set: async (path, property, value) => {
      const dot = property.lastIndexOf('.')
      const body = [property.slice(0, dot), property.slice(dot + 1), new Variant('b', value)]
      await ask('org.bluez', path, 'org.freedesktop.DBus.Properties.Set', 'ssv', body)
    },
    dictionary: entries =>
      Object.fromEntries(
        Object.entries(entries).map(([name, value]) => [
          name,
          new Variant(typeof value === 'string' ? 's' : 'b', value),
        ]),
      ),
    serve,
    close,
  }
}
