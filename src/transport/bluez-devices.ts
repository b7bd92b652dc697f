import { plainWord } from '../base/plain.ts'
import type { BluezSignal } from './bluez-bus.ts'
import type { Advert } from './radio.ts'

/** What BlueZ knows of a device. */
export interface Known {
  path: string
  address: string
  name?: string
  paired: boolean
  connected: boolean
  servicesResolved: boolean
}

/** The devices of one adapter, as BlueZ tells of them. */
export interface Devices {
  /** Takes what GetManagedObjects answers. */
  learn(objects: unknown): void
  /** Takes a signal, of whatever object. */
  take(signal: BluezSignal): void
  at(address: string): Known | undefined
  /** Tells of the bonded devices that have a link already, for they do not advertise. */
  present(): void
  /** Calls after every change of a device; the function it gives calls off. */
  changed(act: () => void): () => void
}

/** BlueZ forgets strangers by itself after half a minute; this is for the case that it does not. */
const mostStrangers = 500
const longestName = 64
const mostServices = 64
const longestData = 255

type Properties = Record<string, unknown>

const deviceFace = 'org.bluez.Device1'
/** Those of Device1 that tell that an advertisement was heard just now (BlueZ doc/device-api). */
const heardBy = ['RSSI', 'ManufacturerData', 'ServiceData', 'AdvertisingData', 'AdvertisingFlags', 'TxPower']
const baseUuid = /^0000([0-9a-f]{4})-0000-1000-8000-00805f9b34fb$/

/** A UUID in lower case, 16-bit ones by their four digits. */
export function shortUuid(uuid: string): string {
  const lower = uuid.toLowerCase()
  return baseUuid.exec(lower)?.[1] ?? lower
}

const record = (value: unknown): Properties =>
  typeof value === 'object' && value !== null ? (value as Properties) : {}

/** A dictionary of variants as one of values. */
const opened = (value: unknown): Properties =>
  Object.fromEntries(Object.entries(record(value)).map(([name, variant]) => [name, record(variant).value]))

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter(one => typeof one === 'string') : []

function manufacturerOf(value: unknown): Pick<Advert, 'manufacturer'> {
  const [company, data] = Object.entries(opened(value))[0] ?? []
  if (company === undefined || !(data instanceof Uint8Array || Array.isArray(data))) return {}
  return { manufacturer: { company: Number(company), data: Uint8Array.from(data).slice(0, longestData) } }
}

/** Name as it may be shown; Alias is no name, BlueZ makes it of the address. */
function nameOf(properties: Properties): { name?: string } {
  const { Name: name } = properties
  if (typeof name !== 'string') return {}
  const shown = Array.from(plainWord(name)).slice(0, longestName).join('').trim()
  return shown === '' ? {} : { name: shown }
}

function advertOf(address: string, properties: Properties): Advert {
  const { RSSI: rssi, UUIDs: uuids, ManufacturerData: data, Paired: paired } = properties
  return {
    address,
    ...nameOf(properties),
    ...(typeof rssi === 'number' ? { rssi } : {}),
    services: texts(uuids).slice(0, mostServices).map(shortUuid),
    ...manufacturerOf(data),
    paired: paired === true,
  }
}

/** Follows the devices below this path of an adapter; `heard` is told of every advertisement. */
export function bluezDevices(adapterPath: string, heard: (advert: Advert) => void): Devices {
  const devices = new Map<string, Properties>()
  const listeners = new Set<() => void>()

  const tell = (): void => {
    for (const act of [...listeners]) act()
  }

  const addressOf = (path: string): string | undefined =>
    /^\/dev_((?:[0-9A-F]{2}_){5}[0-9A-F]{2})$/.exec(path.slice(adapterPath.length))?.[1]?.replaceAll('_', ':')

  const put = (path: string, faces: unknown): boolean => {
    const given = record(faces)[deviceFace]
    if (given === undefined || !path.startsWith(adapterPath) || addressOf(path) === undefined) return false
    if (devices.size >= mostStrangers) {
      const stranger = [...devices].find(([, known]) => known.Paired !== true && known.Connected !== true)
      if (stranger !== undefined) devices.delete(stranger[0])
    }
    devices.set(path, opened(given))
    return true
  }

  const advertise = (path: string): void => {
    const address = addressOf(path)
    const properties = devices.get(path)
    // 127 is said of a device that is out of reach
    if (address === undefined || properties === undefined || properties.RSSI === 127) return
    heard(advertOf(address, properties))
  }

  const change = (path: string, changes: Properties, invalidated: string[]): void => {
    const properties = devices.get(path)
    if (properties === undefined) return
    Object.assign(properties, changes)
    for (const name of invalidated) delete properties[name]
    tell()
    // BlueZ connects some bonded devices by itself, before anybody here hears them
    const came = changes.Connected === true && properties.Paired === true
    if (came || heardBy.some(name => name in changes)) advertise(path)
  }

  return {
    learn(objects) {
      for (const [path, faces] of Object.entries(record(objects))) put(path, faces)
    },
    take({ path, member, body: [first, second, third] }) {
      if (member === 'PropertiesChanged' && first === deviceFace) change(path, opened(second), texts(third))
      else if (member === 'InterfacesAdded' && typeof first === 'string' && put(first, second)) {
        tell()
        advertise(first)
      } else if (member === 'InterfacesRemoved' && texts(second).includes(deviceFace)) {
        if (devices.delete(String(first))) tell()
      }
    },
    at(address) {
      const path = `${adapterPath}/dev_${address.replaceAll(':', '_')}`
      const properties = devices.get(path)
      if (properties === undefined) return undefined
      const { Paired: paired, Connected: connected, ServicesResolved: resolved } = properties
      return {
        path,
        address,
        ...nameOf(properties),
        paired: paired === true,
        connected: connected === true,
        servicesResolved: resolved === true,
      }
    },
    present() {
      for (const [path, { Connected: connected, Paired: paired }] of devices) {
        if (connected === true && paired === true) advertise(path)
      }
    },
    changed(act) {
      listeners.add(act)
      return () => listeners.delete(act)
    },
  }
}
