import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { DeviceState } from '../control/api.ts'
import type { Drivers } from '../driver/load.ts'
import { setUp } from '../driver/setup.ts'
import type { Device as DeviceEntry } from '../identity/devices.ts'
import type { AttributeRules } from '../resident/attribute.ts'
import { type After, after } from '../transport/port.ts'
import { serialPort } from '../transport/serial.ts'
import type { Draft } from '../wire/chained.ts'
import { type Device, listen } from './device.ts'
import type { Moments } from './moment.ts'
import { openStation, type Placed, type Station, type StationEvent } from './station.ts'

/** What the stations need of the rest of the daemon. */
export interface StationsParts {
  drivers: Drivers
  rules: AttributeRules
  clock: Clock
  moments: Moments
  take(draft: Draft): Promise<Placed>
  tell(event: StationEvent): void
  broken(error: unknown): void
}

/** All devices of this box, and the stations they belong to. */
export interface Stations {
  /** Starts listening to a device; a Fault where its driver or options do not fit. */
  add(entry: DeviceEntry): void
  remove(id: string): Promise<void>
  states(): DeviceState[]
  /** A reading of the device was taken. */
  count(device: string, at: number): void
  stop(): Promise<void>
}

interface Standing {
  entry: DeviceEntry
  device: Device
  readings: number
  lastReading: number | null
}

/** Starts without any device. */
export function openStations(parts: StationsParts): Stations {
  const { clock } = parts
  const standing = new Map<string, Standing>()
  const stations = new Map<string, Station>()
  const timers: After = after

  const stationOf = (name: string): Station => {
    const known = stations.get(name)
    if (known !== undefined) return known
    const { rules, moments, take, tell, broken } = parts
    const station = openStation(name, { rules, clock, after: timers, moments, take, tell, broken })
    stations.set(name, station)
    return station
  }

  const start = (entry: DeviceEntry): Device => {
    const { id, hash, driver } = parts.drivers.of(entry.driver)
    const setup = setUp(driver, entry.options, `options of ${entry.id}`, 'config.invalid')
    const station = stationOf(entry.station)
    const origin = {
      device: entry.id,
      driver: { id, revision: driver.revision, hash },
      link: { kind: 'serial' as const, check: setup.check.name },
      experimental: driver.experimental === true,
    }
    return listen({
      setup,
      port: serialPort(entry.port, 'serial' in setup.link ? setup.link.serial : { baud: 9600 }),
      clock,
      after: timers,
      said: (said, frame, mono) => station.hear(origin, said, frame, mono),
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
        ...device.facts(),
      })),
    count(device, at) {
      const found = standing.get(device)
      if (found === undefined) return
      found.readings++
      found.lastReading = at
    },
    async stop() {
      for (const station of stations.values()) station.stop()
      await Promise.all([...standing.values()].map(one => one.device.stop()))
    },
  }
}
