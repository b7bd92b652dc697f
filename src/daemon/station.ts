import { hex, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type Fault, type FaultCode, isFault } from '../base/fault.ts'
import type { Measured, Said } from '../driver/driver.ts'
import { type Kind, kindNames } from '../reading/kinds.ts'
import { plausible } from '../reading/quantity.ts'
import type { LinkFacts, Note } from '../reading/reading.ts'
import { type AttributeRules, attributor, type Claim } from '../resident/attribute.ts'
import { familyOf } from '../resident/family.ts'
import type { After } from '../transport/port.ts'
import type { Draft } from '../wire/chained.ts'
import { ageOf, storedFromMs } from './age.ts'
import type { Came } from './device.ts'
import type { Moments } from './moment.ts'
import type { Wall } from './wall.ts'

/** Which device said it, and how it came in. */
export interface Origin {
  device: string
  driver: { id: string; revision: number; hash: string }
  link: LinkFacts
  /** The tag of what the port is bound to (WIRE 6.6), with the serial number of the adapter that is there. */
  port(serial: string | undefined): string | undefined
  experimental: boolean
  /** Whether the device keeps its measurements and hands them over later. */
  stores: boolean
}

/** Where custody put a statement. */
export interface Placed {
  epoch: string
  seq: number
}

/** What happened to something that was said: told after it happened, for status, tools and the staff. */
export type StationEvent =
  | { taken: 'reading'; device: string; frameHash: string; place: Placed; attributed: boolean }
  | { kept: true; device: string; fault: FaultCode; place: Placed }
  /** `expects`: a measurement is to follow, and none that was just made can be meant. */
  | { scanned: true; device: string; expects: boolean }
  | { refused: Fault; device: string }

/** What a station needs of the rest of the daemon. */
export interface StationParts {
  rules: AttributeRules
  clock: Clock
  after: After
  moments: Pick<Moments, 'at'>
  /** Resolves when it is on disk; a Fault if it was not taken. */
  take(draft: Draft): Promise<Placed>
  /** The site's wall clock at a moment, milliseconds since 1970 UTC. */
  wall(ms: number): Wall
  tell(event: StationEvent): void
  /** A failure that is no Fault: a bug, or a custody that ended. */
  broken(error: unknown): void
}

/** Devices that are used together: a room, a cart. Whose a reading is, is decided here and nowhere else. */
export interface Station {
  hear(origin: Origin, said: Said, came: Came): void
  /** Keeps a frame that a BLE device will not send again, although its driver did not understand it. */
  keep(origin: Origin, came: Came, fault: FaultCode): void
  stop(): void
}

/** The notes that the gateway itself can know (DESIGN 8). */
function notesOf(
  origin: Origin,
  said: Measured,
  attributed: boolean,
  source: string,
  age: number | undefined,
): Note[] {
  const notes: Note[] = []
  const believable = Object.entries(said.measured).every(([kind, value]) => plausible(kind as Kind, value))
  if (!attributed) notes.push('unattributed')
  if (origin.link.check === 'none') notes.push('unguarded-frame')
  if (source === 'none' || source === 'saved') notes.push('time-unsynced')
  if (!believable) notes.push('implausible')
  if (origin.experimental) notes.push('experimental-driver')
  if (said.stored === true || age === undefined || age >= storedFromMs) notes.push('stored')
  return notes
}

/** The link as it was when this came. */
function linkOf({ link, port: tagOf }: Origin, { char, security, serial }: Came): LinkFacts {
  const port = tagOf(serial)
  return {
    ...link,
    ...security,
    ...(char === undefined ? {} : { char }),
    ...(port === undefined ? {} : { port }),
  }
}

/** Starts a station that knows of no scan. */
export function openStation(name: string, parts: StationParts): Station {
  const { clock, moments, tell } = parts
  const residents = attributor(parts.rules)
  let callOff: () => void = () => {}

  const take = async (draft: Draft, device: string): Promise<Placed | undefined> => {
    try {
      return await parts.take(draft)
    } catch (error) {
      if (!isFault(error)) throw error
      tell({ refused: error, device })
      return undefined
    }
  }

  const claim = async (claims: Claim[]): Promise<void> => {
    for (const detail of claims) {
      const members = { event: 'reading-claimed' as const, detail: { ...detail } }
      await take({ type: 'event', time: moments.at(), members }, name)
    }
  }

  const watch = (): void => {
    callOff()
    const due = residents.due()
    callOff =
      due === undefined
        ? () => {}
        : parts.after(Math.max(0, due - clock.mono()), () => {
            claim(residents.rest(clock.mono())).catch(parts.broken)
            watch()
          })
  }

  const scan = async (origin: Origin, code: string, mono: number): Promise<void> => {
    const claims = residents.scan(code, mono)
    watch()
    tell({ scanned: true, device: origin.device, expects: residents.expects() })
    await claim(claims)
  }

  const measure = async (origin: Origin, said: Measured, came: Came): Promise<void> => {
    const { frame, mono } = came
    const kinds = kindNames.filter(kind => said.measured[kind] !== undefined)
    const family = familyOf(kinds)
    const time = moments.at(mono)
    const age = ageOf(said, { stores: origin.stores, clockOffMs: came.clockOffMs }, () =>
      parts.wall(time.wall),
    )
    // whose it is, is asked for the moment when it was measured; of one that nobody can date, nobody's
    const measuredAt = age.ms === undefined ? undefined : mono - age.ms
    const attribution =
      family === undefined || measuredAt === undefined
        ? undefined
        : residents.measure(family, mono, measuredAt)
    const place = await take(
      {
        type: 'reading',
        time,
        members: {
          station: name,
          device: origin.device,
          driver: origin.driver,
          link: linkOf(origin, came),
          raw: hex(frame),
          values: said.measured,
          ...(said.deviceTime === undefined ? {} : { deviceTime: said.deviceTime }),
          ...(age.clock === undefined ? {} : { deviceClock: age.clock }),
          ...(said.deviceId === undefined ? {} : { deviceId: said.deviceId }),
          ...(attribution === undefined ? {} : { attribution }),
          notes: notesOf(origin, said, attribution !== undefined, time.source, age.ms),
        },
      },
      origin.device,
    )
    if (place === undefined) return
    if (family !== undefined && attribution === undefined && measuredAt !== undefined) {
      residents.place(family, measuredAt, place)
    }
    const frameHash = hex(sha256(frame))
    tell({ taken: 'reading', device: origin.device, frameHash, place, attributed: attribution !== undefined })
  }

  const keep = async (origin: Origin, { frame, mono, char }: Came, fault: FaultCode): Promise<void> => {
    // an empty value holds nothing that could be lost
    if (frame.length === 0) return
    const { device, driver } = origin
    const detail = { device, driver: driver.id, char: char ?? 'none', raw: hex(frame), fault }
    const members = { event: 'frame-kept' as const, detail }
    const place = await take({ type: 'event', time: moments.at(mono), members }, device)
    if (place !== undefined) tell({ kept: true, device, fault, place })
  }

  return {
    hear(origin, said, came) {
      const done = 'scanned' in said ? scan(origin, said.scanned, came.mono) : measure(origin, said, came)
      done.catch(parts.broken)
    },
    keep(origin, came, fault) {
      keep(origin, came, fault).catch(parts.broken)
    },
    stop: () => callOff(),
  }
}
