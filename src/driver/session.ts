import { type Bytes, concat } from '../base/bytes.ts'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import { kinds } from '../reading/kinds.ts'
import { converse } from './conversation.ts'
import type { Piece } from './cutters.ts'
import type { Said, Silent } from './driver.ts'
import { cutterOf, longest } from './framing.ts'
import { settling, type Weighed } from './settle.ts'
import type { Setup } from './setup.ts'
import { steadying } from './steady.ts'

/** A frame that was not understood: the code, and the reason in words without any value of the frame. */
export interface Failed {
  fault: FaultCode
  why: string
}

/** What a frame means by itself, before weigh-once and the suppression of repeats. */
export type Heard = Said | Silent | Failed

/** One frame's outcome. `said` is what counts after weigh-once and the suppression of repeats, if anything. */
export interface Outcome {
  /** The whole frame as received, its ending included; of a conversation all that was heard for what is said. */
  frame: Bytes
  /** The BLE characteristic that it came from. */
  char?: string
  heard: Heard
  said?: Said
}

/**
 * One connection to one device: bytes in, outcomes out. Pure: no port, no timer; the time is handed in,
 * in milliseconds that never go back. The daemon, `capture decode` and the replay test use the same one.
 */
export interface Session {
  /** Takes bytes as they came; over BLE each is a value of a characteristic, and whole. */
  hear(chunk: Uint8Array, now: number, char?: string): Outcome[]
  /** When `rest` wants to be called; undefined while nothing waits. */
  due(): number | undefined
  /** Lets time pass without bytes: half-said frames are given up, questions are asked. */
  rest(now: number): Outcome[]
  /** What is to be written to the device, each handed over once. Look after every call of the others. */
  sends(): Bytes[]
  /** The line was closed: what is half-said is a fault. */
  end(now: number): Outcome[]
}

const nothing: Bytes = new Uint8Array()

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

/** Whether a frame counts, by what the card says: each, once for a weighing, or once for a steady stretch. */
export function counting({ settle, repeatMs }: Setup): (heard: Heard, now: number) => boolean {
  const settles = settle === undefined ? undefined : 'goodMs' in settle ? steadying(settle) : settling(settle)
  const repeats = repeating(repeatMs)
  return (heard, now) => {
    const settled = settles?.(heard as Weighed, now) ?? true
    if (!('measured' in heard) && !('scanned' in heard)) return false
    return settled && !repeats(heard, now)
  }
}

/**
 * Starts a session at `now`. `counts` is handed in where what counted in the session before still matters: a
 * finger stays in its oximeter when a link goes down and comes back.
 */
export function openSession(setup: Setup, now: number, counts = counting(setup)): Session {
  const { voice, link, check } = setup
  const cutter = 'ble' in link ? undefined : cutterOf(link.frame, check.mask)
  const understand = voice.listen?.()
  const talk = voice.talk === undefined ? undefined : converse(voice.talk.begin(), voice.talk, now)
  let answers: Bytes[] = []
  let clock = now
  let lastByte = now

  const outcome = (frame: Bytes, heard: Heard, char = ''): Outcome => ({
    frame,
    ...(char !== '' && { char }),
    heard,
    ...(counts(heard, clock) && { said: heard as Said }),
  })

  /** What an answer in a conversation means: what is said stands on all that was heard since the last said. */
  const answered = (frame: Bytes, payload: Bytes): Outcome[] => {
    answers.push(frame)
    // A card that hears on until its answer comes must not be led on for ever.
    if (answers.length > 1 && answers.reduce((sum, { length }) => sum + length, 0) > longest) {
      talk!.giveUp(clock)
      throw new Fault('frame.too-long', 'what was heard for one value is longer than its limit')
    }
    const all = talk!.answer(payload, clock).map(said => {
      const whole = 'silent' in said ? frame : concat(...answers)
      if (!('silent' in said)) answers = []
      return outcome(whole, kept(said, setup))
    })
    if (!talk!.asking()) answers = []
    return all
  }

  const meaning = (frame: Bytes, payload: Bytes, char: string): Outcome[] => {
    if (talk?.asking() === true) return answered(frame, payload)
    const heard = understand?.(payload, char) ?? { silent: 'unasked' as const }
    return [outcome(frame, kept(heard, setup), char)]
  }

  const takePiece = ({ frame, ending, wrong }: Piece, outcomes: Outcome[], char = ''): void => {
    if (wrong !== undefined) {
      const heard: Heard = wrong === 'noise' ? { silent: 'noise' } : { fault: wrong, why: reasons[wrong] }
      outcomes.push(outcome(frame, heard, char))
      return
    }
    try {
      outcomes.push(...meaning(frame, check.open(frame, ending), char))
    } catch (error) {
      if (!isFault(error)) throw error
      outcomes.push(outcome(frame, failed(error), char))
      answers = []
      if (error.code !== 'frame.check') return
      talk?.giveUp(clock)
      // A frame that tells its length may have begun inside another: cut again from the next byte.
      if (cutter?.slides === true) takeBytes(frame.subarray(1), outcomes)
    }
  }

  const takeBytes = (bytes: Uint8Array, outcomes: Outcome[]): void => {
    for (const byte of bytes) {
      for (const piece of cutter!.push(byte)) takePiece(piece, outcomes)
    }
  }

  const quietDue = (): number | undefined => {
    const quiet = cutter?.quietMs()
    return quiet === undefined ? undefined : lastByte + quiet
  }

  const giveUpHeld = (outcomes: Outcome[]): void => {
    const piece = cutter?.rest()
    if (piece !== undefined) takePiece(piece, outcomes)
  }

  /** Lets time pass: what is half-said is given up, and so is a question that was not answered. */
  const pass = (at: number): Outcome[] => {
    clock = Math.max(clock, at)
    const outcomes: Outcome[] = []
    const quiet = quietDue()
    if (quiet !== undefined && clock >= quiet) giveUpHeld(outcomes)
    talk?.lapse(clock)
    if (talk?.asking() === false) answers = []
    return outcomes
  }

  const rest = (at: number): Outcome[] => {
    const outcomes = pass(at)
    // What is said before anything was heard stands on no frame: a card may be silent there, no more.
    for (const said of talk?.turn(clock) ?? []) {
      const unfounded = {
        fault: 'driver.invalid',
        why: 'it says something before it heard anything',
      } as const
      outcomes.push(outcome(nothing, 'silent' in said ? said : unfounded))
    }
    return outcomes
  }

  return {
    hear(chunk, at, char) {
      // No round begins here: bytes that are there already are no answer to a question yet to be sent.
      const outcomes = pass(at)
      lastByte = clock
      if (cutter === undefined) takePiece({ frame: Uint8Array.from(chunk), ending: 0 }, outcomes, char)
      else takeBytes(chunk, outcomes)
      return outcomes
    },
    due() {
      const quiet = quietDue() ?? Number.POSITIVE_INFINITY
      const due = Math.min(quiet, talk?.due() ?? Number.POSITIVE_INFINITY)
      return due === Number.POSITIVE_INFINITY ? undefined : due
    },
    rest,
    sends: () => talk?.sends() ?? [],
    end(at) {
      clock = Math.max(clock, at)
      const outcomes: Outcome[] = []
      giveUpHeld(outcomes)
      return outcomes
    },
  }
}
