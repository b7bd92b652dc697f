import type { Bytes } from '../base/bytes.ts'
import { type Fault, type FaultCode, isFault } from '../base/fault.ts'
import { kinds } from '../reading/kinds.ts'
import { converse } from './conversation.ts'
import type { Piece } from './cutters.ts'
import type { Said, Silent } from './driver.ts'
import { cutterOf } from './framing.ts'
import { settling, type Weighed } from './settle.ts'
import type { Setup } from './setup.ts'

/** A frame that was not understood: the code, and the reason in words without any value of the frame. */
export interface Failed {
  fault: FaultCode
  why: string
}

/** What a frame means by itself, before weigh-once and the suppression of repeats. */
export type Heard = Said | Silent | Failed

/** One frame's outcome. `said` is what counts after weigh-once and the suppression of repeats, if anything. */
export interface Outcome {
  /** The whole frame as received, its ending included. */
  frame: Bytes
  heard: Heard
  said?: Said
}

/**
 * One connection to one device: bytes in, outcomes out. Pure: no port, no timer; the time is handed in,
 * in milliseconds that never go back. The daemon, `capture decode` and the replay test use the same one.
 */
export interface Session {
  /** Takes bytes as they came. */
  hear(chunk: Uint8Array, now: number): Outcome[]
  /** When `rest` wants to be called; undefined while nothing waits. */
  due(): number | undefined
  /** Lets time pass without bytes: half-said frames are given up, questions are asked. */
  rest(now: number): Outcome[]
  /** What is to be written to the device, each handed over once. Look after every call of the others. */
  sends(): Bytes[]
  /** The line was closed: what is half-said is a fault. */
  end(now: number): Outcome[]
}

const failed = (fault: Fault): Failed => ({ fault: fault.code, why: fault.message })

const reasons = {
  'frame.too-long': 'frame is longer than its limit',
  'frame.malformed': 'frame is not whole',
} as const

/** The said itself, if it keeps to the card; a driver that measures what its card does not say is refused. */
function kept(heard: Said | Silent, setup: Setup): Heard {
  if ('silent' in heard || 'scanned' in heard) return heard
  for (const [kind, value] of Object.entries(heard.measured)) {
    const known = setup.says.find(one => one === kind)
    if (known === undefined) return { fault: 'driver.invalid', why: `its card does not say ${kind}` }
    if (value.u !== kinds[known].unit) return { fault: 'driver.invalid', why: `${kind} is not in its unit` }
  }
  return heard
}

/** Whether the same thing was said less than `withinMs` ago; each repeat starts the wait anew. */
function repeating(withinMs: number): (said: Said, now: number) => boolean {
  let before = ''
  let last = Number.NEGATIVE_INFINITY
  return (said, now) => {
    if (withinMs === 0) return false
    const key = JSON.stringify(said)
    const again = key === before && now - last < withinMs
    before = key
    last = now
    return again
  }
}

/** Starts a session at `now`. */
export function openSession(setup: Setup, now: number): Session {
  const cutter = cutterOf(setup.link.frame, setup.check.mask)
  const settles = setup.settle === undefined ? undefined : settling(setup.settle)
  const repeats = repeating(setup.repeatMs)
  const { voice } = setup
  const understand = 'listen' in voice ? voice.listen() : undefined
  const talk = 'talk' in voice ? converse(voice.talk, voice, now) : undefined
  let clock = now
  let lastByte = now

  const counts = (heard: Heard): boolean => {
    const weighs = settles === undefined ? undefined : settles(heard as Weighed)
    if (!('measured' in heard) && !('scanned' in heard)) return false
    return (weighs ?? true) && !repeats(heard, clock)
  }

  const outcome = (frame: Bytes, heard: Heard): Outcome =>
    counts(heard) ? { frame, heard, said: heard as Said } : { frame, heard }

  const meaning = (payload: Bytes): Heard[] => {
    const heard = understand === undefined ? (talk?.answer(payload, clock) ?? []) : [understand(payload)]
    return heard.map(one => kept(one, setup))
  }

  const takePiece = (piece: Piece, outcomes: Outcome[]): void => {
    const { frame, ending, wrong } = piece
    if (wrong !== undefined) {
      outcomes.push(
        outcome(frame, wrong === 'noise' ? { silent: 'noise' } : { fault: wrong, why: reasons[wrong] }),
      )
      return
    }
    try {
      const payload = setup.check.open(frame, ending)
      for (const heard of meaning(payload)) outcomes.push(outcome(frame, heard))
    } catch (error) {
      if (!isFault(error)) throw error
      outcomes.push(outcome(frame, failed(error)))
      if (error.code !== 'frame.check') return
      talk?.giveUp(clock)
      // A frame that carries its length may have begun inside another: cut again from the next byte.
      if (cutter.slides) takeBytes(frame.subarray(1), outcomes)
    }
  }

  const takeBytes = (bytes: Uint8Array, outcomes: Outcome[]): void => {
    for (const byte of bytes) {
      for (const piece of cutter.push(byte)) takePiece(piece, outcomes)
    }
  }

  const quietDue = (): number | undefined => {
    const quiet = cutter.quietMs()
    return quiet === undefined ? undefined : lastByte + quiet
  }

  const rest = (at: number): Outcome[] => {
    clock = Math.max(clock, at)
    const outcomes: Outcome[] = []
    const quiet = quietDue()
    if (quiet !== undefined && clock >= quiet) {
      const piece = cutter.rest()
      if (piece !== undefined) takePiece(piece, outcomes)
    }
    for (const said of talk?.turn(clock) ?? []) outcomes.push(outcome(new Uint8Array(), kept(said, setup)))
    return outcomes
  }

  return {
    hear(chunk, at) {
      const outcomes = rest(at)
      lastByte = clock
      takeBytes(chunk, outcomes)
      return outcomes
    },
    due() {
      const quiet = quietDue()
      const turn = talk?.due()
      return quiet === undefined ? turn : turn === undefined ? quiet : Math.min(quiet, turn)
    },
    rest,
    sends: () => talk?.sends() ?? [],
    end(at) {
      clock = Math.max(clock, at)
      const outcomes: Outcome[] = []
      const piece = cutter.rest()
      if (piece !== undefined) takePiece(piece, outcomes)
      return outcomes
    },
  }
}
