import { type Bytes, bytesOf } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Drivers } from '../driver/load.ts'
import { setUp } from '../driver/setup.ts'
import type { CaptureHeader } from '../transport/capture.ts'
import type { After } from '../transport/port.ts'
import { recorder } from '../transport/recorder.ts'
import type { Stations } from './stations.ts'

/** Bytes of the largest capture that is kept for a server. */
export const keptLimit = 1_048_576

/** How long a capture that has ended waits to be fetched. */
const keptMs = 3_600_000

/** A capture as it is handed up: the whole file. `full`: the device said more than was kept. */
export interface Kept {
  device: string
  bytes: Bytes
  full: boolean
}

/** What captures need of the rest of the daemon. */
export interface CapturesParts {
  clock: Clock
  after: After
  log: Log
  drivers: Drivers
  stations: Pick<Stations, 'states' | 'tap' | 'optionsOf' | 'signal'>
}

/** Captures at the word of an operator: one at a time, in memory alone, announced (DESIGN 13). */
export interface Captures {
  /** Begins to record. Faults `device.unknown`, `command.busy` (one is recorded, or waits to be fetched). */
  start(device: string, seconds: number): void
  /** Ends the recording and gives what came, until `drop`. Fault `capture.invalid` where nothing was recorded. */
  stop(): Kept
  /** Forgets it: it was handed up, or the box ends. */
  drop(): void
}

/** The header of a capture of a device of this box. Fault `device.unknown`. */
export function captureHeader(
  {
    clock,
    drivers,
    stations,
  }: Pick<CapturesParts, 'clock' | 'drivers'> & {
    stations: Pick<Stations, 'states' | 'optionsOf'>
  },
  device: string,
): CaptureHeader {
  const entry = stations.states().find(one => one.id === device)
  if (entry === undefined) throw new Fault('device.unknown', `no device ${device}`)
  const options = stations.optionsOf(device)
  const { link } = setUp(drivers.of(entry.driver).driver, options)
  return {
    capture: 1,
    driver: entry.driver,
    options,
    link: 'ble' in link ? 'ble' : 'serial',
    when: new Date(clock.now()).toISOString().slice(0, 10),
  }
}

interface Recording {
  device: string
  text: string
  bytes: number
  full: boolean
  /** Ends the recording; what came is kept. */
  end(): void
  callOff(): void
}

/** Starts with nothing recorded. */
export function makeCaptures(parts: CapturesParts): Captures {
  const { clock, after, log, stations } = parts
  let held: Recording | undefined

  const drop = (): void => {
    held?.end()
    held?.callOff()
    held = undefined
  }

  return {
    drop,
    start(device, seconds) {
      if (held !== undefined)
        throw new Fault('command.busy', `a capture of ${held.device} waits to be fetched`)
      const header = captureHeader(parts, device)
      const recording: Recording = {
        ...{ device, text: '', bytes: 0, full: false },
        end: () => {},
        callOff: () => {},
      }
      const notes = recorder(
        header,
        text => {
          const bytes = Buffer.byteLength(text)
          recording.full ||= recording.bytes + bytes > keptLimit
          if (recording.full) return
          recording.bytes += bytes
          recording.text += text
        },
        clock.mono(),
      )
      const untap = stations.tap(device, {
        chunk: (way, bytes, mono, char) => notes.note(way, bytes, mono, char),
        records: true,
      })
      let recorded = true
      recording.end = () => {
        if (!recorded) return
        recorded = false
        recording.callOff()
        untap()
        log.warn({ device }, 'recording ended')
        recording.callOff = after(keptMs, drop)
      }
      recording.callOff = after(seconds * 1000, () => recording.end())
      held = recording
      log.warn({ device }, 'recording began')
      // whoever stands there sees that something is going on
      stations.signal('attributed')
    },
    stop() {
      if (held === undefined) throw new Fault('capture.invalid', 'nothing was recorded')
      held.end()
      const { device, text, full } = held
      return { device, bytes: bytesOf(text), full }
    },
  }
}
