import { type Bytes, hex, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type Fault, isFault } from '../base/fault.ts'
import type { Measured, Said } from '../driver/driver.ts'
import { type Kind, kindNames } from '../reading/kinds.ts'
import { plausible } from '../reading/quantity.ts'
import type { LinkFacts, Note } from '../reading/reading.ts'
import { type AttributeRules, attributor, type Claim } from '../resident/attribute.ts'
import { familyOf } from '../resident/family.ts'
import type { After } from '../transport/port.ts'
import type { Draft } from '../wire/chained.ts'
import type { Moments } from './moment.ts'

/** Which device said it, and how it came in. */
export interface Origin {
  device: string
  driver: { id: string; revision: number; hash: string }
  link: LinkFacts
  experimental: boolean
}

/** Where custody put a statement. */
export interface Placed {
  epoch: string
  seq: number
}

/** What happened to something that was said: told after it happened, for status, tools and the staff. */
export type StationEvent =
  | { taken: 'reading'; device: string; frameHash: string; place: Placed; attributed: boolean }
  | { scanned: true; device: string }
  | { refused: Fault; device: string }

/** What a station needs of the rest of the daemon. */
export interface StationParts {
  rules: AttributeRules
  clock: Clock
  after: After
  moments: Pick<Moments, 'at'>
  /** Resolves when it is on disk; a Fault if it was not taken. */
  take(draft: Draft): Promise<Placed>
  tell(event: StationEvent): void
  /** A failure that is no Fault: a bug, or a custody that ended. */
  broken(error: unknown): void
}

/** Devices that are used together: a room, a cart. Whose a reading is, is decided here and nowhere else. */
export interface Station {
  hear(origin: Origin, said: Said, frame: Bytes, mono: number): void
  stop(): void
}

/** The notes that the gateway itself can know (DESIGN 8). */
function notesOf(origin: Origin, said: Measured, attributed: boolean, source: string): Note[] {
  const notes: Note[] = []
  const believable = Object.entries(said.measured).every(([kind, value]) => plausible(kind as Kind, value))
  if (!attributed) notes.push('unattributed')
  if (origin.link.check === 'none') notes.push('unguarded-frame')
  if (source === 'none' || source === 'saved') notes.push('time-unsynced')
  if (!believable) notes.push('implausible')
  if (origin.experimental) notes.push('experimental-driver')
  return notes
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
    tell({ scanned: true, device: origin.device })
    await claim(claims)
  }

  const measure = async (origin: Origin, said: Measured, frame: Bytes, mono: number): Promise<void> => {
    const kinds = kindNames.filter(kind => said.measured[kind] !== undefined)
    const family = familyOf(kinds)
    const attribution = family === undefined ? undefined : residents.measure(family, mono)
    const time = moments.at(mono)
    const place = await take(
      {
        type: 'reading',
        time,
        members: {
          station: name,
          device: origin.device,
          driver: origin.driver,
          link: origin.link,
          raw: hex(frame),
          values: said.measured,
          ...(said.deviceTime === undefined ? {} : { deviceTime: said.deviceTime }),
          ...(said.deviceId === undefined ? {} : { deviceId: said.deviceId }),
          ...(attribution === undefined ? {} : { attribution }),
          notes: notesOf(origin, said, attribution !== undefined, time.source),
        },
      },
      origin.device,
    )
    if (place === undefined) return
    if (family !== undefined && attribution === undefined) residents.place(family, mono, place)
    const frameHash = hex(sha256(frame))
    tell({ taken: 'reading', device: origin.device, frameHash, place, attributed: attribution !== undefined })
  }

  return {
    hear(origin, said, frame, mono) {
      const done = 'scanned' in said ? scan(origin, said.scanned, mono) : measure(origin, said, frame, mono)
      done.catch(parts.broken)
    },
    stop: () => callOff(),
  }
}
