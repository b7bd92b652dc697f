import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { parseAddress, portIdentity } from '../base/portname.ts'
import type { DeviceState } from '../control/api.ts'
import type { Told } from '../driver/driver.ts'
import type { Drivers } from '../driver/load.ts'
import { setUp } from '../driver/setup.ts'
import type { Device as DeviceEntry } from '../identity/devices.ts'
import type { AttributeRules } from '../resident/attribute.ts'
import type { After } from '../transport/port.ts'
import type { Draft } from '../wire/chained.ts'
import { type Device, type DeviceParts, listen, type Tap } from './device.ts'
import type { Moments } from './moment.ts'
import { ration } from './ration.ts'
import { openStation, type Placed, type Station, type StationEvent } from './station.ts'
import type { Wall } from './wall.ts'
import type { Ways } from './ways.ts'

/** What the stations need of the rest of the daemon. */
export interface StationsParts {
  drivers: Drivers
  ways: Ways
  rules: AttributeRules
  clock: Clock
  after: After
  moments: Moments
  wall: (ms: number) => Wall
  take(draft: Draft): Promise<Placed>
  tell(event: StationEvent): void
  broken(error: unknown): void
  /** While it is on, lines that can wait are not read. */
  brake?: DeviceParts['brake']
  /** The tag of what a port is bound to (WIRE 6.6); undefined before the box has its name. */
  portTag(identity: string | undefined): string | undefined
}

/** All devices of this box, and the stations they belong to. */
export interface Stations {
  /** Starts listening to a device; a Fault where its driver or options do not fit. */
  add(entry: DeviceEntry): void
  remove(id: string): Promise<void>
  states(): DeviceState[]
  /** A reading of the device was taken. */
  count(device: string, at: number): void
  /** Tells everybody at all stations, where devices can; how many could. */
  signal(told: Told): number
  /** Looks at a device until called off. Fault `device.unknown`. */
  tap(id: string, tap: Tap): () => void
  optionsOf(id: string): DeviceEntry['options']
  /** The device that has this port. */
  at(port: string): string | undefined
  stop(): Promise<void>
}

interface Standing {
  entry: DeviceEntry
  device: Device
  readings: number
  lastReading: number | null
}

/** Frames of one device, not understood, that are kept in a minute, of each fault: more are noise. */
const keptPerMinute = 30

/** What the staff are told of an event, if anything. */
function toldOf(event: StationEvent): Told | undefined {
  // an "end" code opens nothing, and who has just been measured must not be measured again by a scan
  if ('scanned' in event) return event.expects ? 'scanned' : undefined
  if ('refused' in event) return 'refused'
  if ('taken' in event) return event.attributed ? 'attributed' : 'unattributed'
  return undefined
}

/** Remembers the last tag: a reading has that of the one before nearly always, and hashing takes longer than its frame. */
function remembered(portTag: StationsParts['portTag']): StationsParts['portTag'] {
  let last: { identity: string | undefined; tag: string | undefined } | undefined
  return identity => {
    if (last?.tag === undefined || last.identity !== identity) last = { identity, tag: portTag(identity) }
    return last.tag
  }
}

/** Starts without any device. */
export function openStations(parts: StationsParts): Stations {
  const { clock } = parts
  const standing = new Map<string, Standing>()
  const stations = new Map<string, Station>()

  /** Tells the staff at a station what became of what they did, where its devices can. */
  const tellStaff = (event: StationEvent): void => {
    const station = standing.get(event.device)?.entry.station
    const told = toldOf(event)
    if (station === undefined || told === undefined) return
    for (const { entry, device } of standing.values()) if (entry.station === station) device.tell(told)
  }

  const stationOf = (name: string): Station => {
    const known = stations.get(name)
    if (known !== undefined) return known
    const { rules, after, moments, wall, take, broken } = parts
    const tell = (event: StationEvent): void => {
      parts.tell(event)
      tellStaff(event)
    }
    const station = openStation(name, { rules, clock, after, moments, wall, take, tell, broken })
    stations.set(name, station)
    return station
  }

  const start = (entry: DeviceEntry): Device => {
    const { id, hash, driver } = parts.drivers.of(entry.driver)
    const setup = setUp(driver, entry.options, `options of ${entry.id}`, 'config.invalid')
    const station = stationOf(entry.station)
    const address = parseAddress(entry.port)
    const tagOf = remembered(parts.portTag)
    const origin = {
      device: entry.id,
      driver: { id, revision: driver.revision, hash },
      link: { kind: address.kind, check: setup.check.name },
      port: (serial: string | undefined) => tagOf(portIdentity(address, serial)),
      experimental: driver.experimental === true,
      stores: 'ble' in setup.link && setup.link.ble.stores,
    }
    const keeps = ration(clock, keptPerMinute)
    return listen({
      setup,
      port: parts.ways.port(entry.port, setup.link),
      clock,
      after: parts.after,
      said: (said, came) => station.hear(origin, said, came),
      lost: (came, fault) => {
        if (keeps.take(fault) > 0) station.keep(origin, came, fault)
      },
      broken: parts.broken,
      ...(parts.brake !== undefined && { brake: parts.brake }),
    })
  }

  return {
    add(entry) {
      standing.set(entry.id, { entry, device: start(entry), readings: 0, lastReading: null })
    },
    async remove(id) {
      const found = standing.get(id)
      if (found === undefined) throw new Fault('device.unknown', `no device ${id}`)
      standing.delete(id)
      await found.device.stop()
    },
    states: () =>
      [...standing.values()].map(({ entry, device, readings, lastReading }) => ({
        id: entry.id,
        driver: entry.driver,
        port: entry.port,
        station: entry.station,
        readings,
        lastReading,
        ...device.status(),
      })),
    count(device, at) {
      const found = standing.get(device)
      if (found === undefined) return
      found.readings++
      found.lastReading = at
    },
    signal: told => [...standing.values()].filter(({ device }) => device.tell(told)).length,
    tap(id, tap) {
      const found = standing.get(id)
      if (found === undefined) throw new Fault('device.unknown', `no device ${id}`)
      return found.device.tap(tap)
    },
    optionsOf: id => standing.get(id)?.entry.options ?? {},
    at: port => [...standing.values()].find(({ entry }) => entry.port === port)?.entry.id,
    async stop() {
      for (const station of stations.values()) station.stop()
      await Promise.all([...standing.values()].map(one => one.device.stop()))
    },
  }
}
