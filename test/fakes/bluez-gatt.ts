import { Variant } from 'dbus-next'
import type { Standing } from './bluez-device.ts'
import { type Face, refusal } from './bluez-tree.ts'
import type { World } from './bluez-world.ts'

/** A value that a device sends by itself, in hex, on a characteristic. */
export interface Value {
  char: string
  value: string
}

/** A characteristic as a test describes it. */
export interface CharacteristicSettings {
  /** As in BlueZ: read, write, write-without-response, notify, indicate. */
  flags: readonly string[]
  /** What a read answers, in hex. */
  value?: string
  /** Can be read and written before bonding. */
  open?: true
  /** Every write is refused by the device. */
  refuses?: true
  /** What the device sends when these bytes (in hex) were written, as a control point does. */
  answers?(written: string): readonly Value[]
}

/** Services by UUID, in each the characteristics by UUID; both short (`1810`) or long. */
export type Services = Readonly<Record<string, Readonly<Record<string, CharacteristicSettings>>>>

/** What was written to a device, in hex; `type` is request, command or reliable. */
export interface Written extends Value {
  type: string
}

/** The device that the services are on. */
export interface Owner {
  readonly path: string
  /** Works without bonding. */
  readonly free: boolean
  wrote(written: Written): void
  subscribed(char: string): void
}

export interface Gatt {
  /** Exports the services, and the characteristics at once or later. */
  put(lateMs: number): void
  take(): void
  readonly uuids: readonly string[]
  /** The flags of a characteristic; none if there is no such. */
  flags(char: string): readonly string[]
  /** What a read answers from now on. */
  set(char: string, value: string): void
  subscribed(char: string): boolean
  /** A value of the device came. Whether anybody had asked for it. */
  came(value: Value): boolean
  left(client: string): void
  clear(): void
}

const base = '-0000-1000-8000-00805f9b34fb'

/** A UUID as BlueZ writes it. */
export const longUuid = (uuid: string): string =>
  uuid.length === 4 ? `0000${uuid.toLowerCase()}${base}` : uuid.toLowerCase()

/** A UUID as we write it: four hex digits where it has a short form. */
export const shortUuid = (uuid: string): string =>
  uuid.startsWith('0000') && uuid.endsWith(base) ? uuid.slice(4, 8) : uuid.toLowerCase()

const serviceFace = 'org.bluez.GattService1'
const characteristicFace = 'org.bluez.GattCharacteristic1'

interface Place {
  uuid: string
  path: string
  service: string
  settings: CharacteristicSettings
  /** What the device holds, and what BlueZ last saw of it. */
  value: Buffer
  seen: Buffer | undefined
  clients: Set<string>
}

export function openGatt(world: World, services: Services, now: Readonly<Standing>, owner: Owner): Gatt {
  let handle = 0
  const next = (): string => (++handle).toString(16).padStart(4, '0')
  const groups = Object.entries(services).map(([uuid, characteristics]) => {
    const path = `${owner.path}/service${next()}`
    const places = Object.entries(characteristics).map(
      ([char, settings]): Place => ({
        uuid: longUuid(char),
        path: `${path}/char${next()}`,
        service: path,
        settings,
        value: Buffer.from(settings.value ?? '', 'hex'),
        seen: undefined,
        clients: new Set(),
      }),
    )
    return { uuid: longUuid(uuid), path, places }
  })
  const places = groups.flatMap(group => group.places)
  const placeOf = (char: string): Place | undefined => places.find(each => each.uuid === longUuid(char))

  const changed = (place: Place, ...names: string[]): void =>
    world.tree()?.changed(place.path, characteristicFace, ...names)

  /** Errors as src/gatt-client.c of BlueZ makes them of ATT errors. */
  const reachable = ({ settings }: Place): void => {
    if (!now.connected) throw refusal('Failed', 'Not connected')
    if (!now.paired && !owner.free && settings.open !== true) throw refusal('NotPermitted', 'Not paired')
  }
  const came = ({ char, value }: Value): boolean => {
    const place = placeOf(char)
    if (place === undefined || place.clients.size === 0) return false
    place.seen = Buffer.from(value, 'hex')
    changed(place, 'Value')
    return true
  }
  const write = (place: Place, bytes: Buffer, type: string): void => {
    reachable(place)
    const { flags, refuses, answers } = place.settings
    if (!flags.includes(type === 'command' ? 'write-without-response' : 'write')) {
      throw refusal('NotSupported', 'Operation is not supported')
    }
    if (bytes.length > 512) throw refusal('InvalidArguments', 'Invalid Length')
    if (refuses) throw refusal('NotPermitted', 'Write not permitted')
    const said = answers?.(bytes.toString('hex')) ?? []
    // a control point whose own indication is not enabled answers so (Core Specification Supplement, error codes)
    if (said.some(({ char }) => longUuid(char) === place.uuid) && place.clients.size === 0) {
      throw refusal('Failed', 'Operation failed with ATT error: 0xfd')
    }
    owner.wrote({ char: shortUuid(place.uuid), value: bytes.toString('hex'), type })
    for (const each of said) world.after(1, () => void (now.connected && came(each)))
  }

  const faceOf = (place: Place): Face => ({
    properties: () => ({
      UUID: new Variant('s', place.uuid),
      Service: new Variant('o', place.service),
      Flags: new Variant('as', [...place.settings.flags]),
      Notifying: new Variant('b', place.clients.size > 0),
      Value: place.seen && new Variant('ay', place.seen),
    }),
    methods: {
      ReadValue: {
        takes: 'a{sv}',
        gives: 'ay',
        run() {
          reachable(place)
          if (!place.settings.flags.includes('read')) throw refusal('NotPermitted', 'Read not permitted')
          place.seen = place.value
          changed(place, 'Value') // BlueZ tells of a read value too
          return [place.value]
        },
      },
      WriteValue: {
        takes: 'aya{sv}',
        run(_client: string, bytes: Buffer, options: { type?: Variant<string> }): undefined {
          write(place, Buffer.from(bytes), options.type?.value ?? 'request')
        },
      },
      StartNotify: {
        run(client: string): undefined {
          world.counts.subscriptions++
          if (!place.settings.flags.some(flag => flag === 'notify' || flag === 'indicate')) {
            throw refusal('NotSupported', 'Operation is not supported')
          }
          // without a link it is remembered and enabled at the next one, as for every subscription at each link
          if (now.connected) reachable(place)
          if (place.clients.has(client)) return
          place.clients.add(client)
          if (place.clients.size === 1) changed(place, 'Notifying')
          owner.subscribed(shortUuid(place.uuid))
        },
      },
      StopNotify: {
        run(client: string): undefined {
          if (!place.clients.delete(client)) throw refusal('Failed', 'No notify session started')
          if (place.clients.size === 0) changed(place, 'Notifying')
        },
      },
    },
  })

  return {
    put(lateMs) {
      const putAll = (): void => {
        for (const place of places)
          if (!world.tree()?.has(place.path))
            world.tree()?.put(place.path, { [characteristicFace]: faceOf(place) })
      }
      for (const { uuid, path } of groups) {
        if (world.tree()?.has(path)) continue
        world.tree()?.put(path, {
          [serviceFace]: {
            properties: () => ({
              UUID: new Variant('s', uuid),
              Primary: new Variant('b', true),
              Device: new Variant('o', owner.path),
            }),
          },
        })
      }
      if (lateMs > 0) world.after(lateMs, putAll)
      else putAll()
    },
    take() {
      for (const { path } of groups) world.tree()?.take(path)
    },
    uuids: groups.map(({ uuid }) => uuid),
    flags: char => placeOf(char)?.settings.flags ?? [],
    set(char, value) {
      const place = placeOf(char)
      if (place === undefined) throw new Error(`no characteristic ${char}`)
      place.value = Buffer.from(value, 'hex')
    },
    subscribed: char => (placeOf(char)?.clients.size ?? 0) > 0,
    came,
    left(client) {
      for (const place of places) {
        if (place.clients.delete(client) && place.clients.size === 0) changed(place, 'Notifying')
      }
    },
    clear() {
      for (const place of places) {
        place.clients.clear()
        place.seen = undefined
      }
    },
  }
}
