import type { Kind } from '../reading/kinds.ts'
import { plausible } from '../reading/quantity.ts'
import type { Note, Values } from '../reading/reading.ts'
import type { ReadingBody } from '../wire/chained.ts'
import type { Flag } from '../wire/flags.ts'
import { foreignPort, type Wiring } from './ports.ts'
import type { AcceptedDevice } from './registry.ts'

/** What is thought of a reading that was proven to be its gateway's; its values are never changed. */
export interface Judgement {
  verdict: 'accept' | 'quarantine'
  flags: { flag: Flag; why: string }[]
  notes: Note[]
}

type Remark = (body: ReadingBody, received: number) => boolean

/** A clock that is further ahead than this is wrong, whatever it says of itself; behind is only late. */
export const aheadMs = 86_400_000

/** When each note is due, whether the gateway set it or not. */
const remarks: Partial<Record<Note, Remark>> = {
  unattributed: body => body.attribution === undefined,
  'unguarded-frame': body => body.link.check === 'none',
  'time-unsynced': ({ time }, received) =>
    time.source === 'none' ||
    time.source === 'saved' ||
    time.uncertainty === null ||
    time.wall > received + aheadMs,
  implausible: body =>
    Object.entries(body.values as Values).some(([kind, one]) => !plausible(kind as Kind, one)),
}

/** The notes of a reading: those its gateway signed, then those the receiver sees itself. */
export function notesOf(body: ReadingBody, received: number): Note[] {
  const seen = Object.entries(remarks).filter(([, due]) => due(body, received))
  return [...new Set([...body.notes, ...seen.map(([note]) => note as Note)])]
}

/** Why a reading is not from the device that an operator accepted under this name; undefined if it is. */
function unregistered(
  body: ReadingBody,
  accepted: AcceptedDevice | undefined,
  wiring: Wiring,
): string | undefined {
  if (accepted === undefined) return `device ${body.device} is not accepted`
  if (accepted.driver !== body.driver.id) {
    return `device ${body.device} is accepted with driver ${accepted.driver}, not ${body.driver.id}`
  }
  if (accepted.station !== body.station) {
    return `device ${body.device} is accepted at station ${accepted.station}, not ${body.station}`
  }
  return foreignPort(body, wiring)
}

/**
 * Judges a reading by itself; `wiring` is what the accepted proposal told of the port. Honest traffic of an accepted
 * device never gets a flag.
 */
export function judge(
  body: ReadingBody,
  accepted: AcceptedDevice | undefined,
  received: number,
  wiring: Wiring = {},
): Judgement {
  const notes = notesOf(body, received)
  const why = unregistered(body, accepted, wiring)
  if (why !== undefined)
    return { verdict: 'quarantine', flags: [{ flag: 'DEVICE_UNREGISTERED', why }], notes }
  return { verdict: 'accept', flags: [], notes }
}
