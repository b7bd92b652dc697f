import { type Bytes, concat } from '../base/bytes.ts'
import type { Chunk } from './play.ts'
import { type Outcome, openSession } from './session.ts'
import type { Setup } from './setup.ts'
import { sortsOf } from './sort.ts'

/** Where something stands in all that the device sent: from the first byte to before the last. */
export interface Place {
  from: number
  to: number
}

/** A stretch of a recording that framing cut off: a frame with what belongs to no other, or several at once. */
export interface Part extends Place {
  /** The chunks that it came in. */
  pieces: (Place & { t: number; char?: string })[]
  /** The frames in it whose check fits, each with the length of its ending. */
  sealed: (Place & { ending: number })[]
  /** What sorts of things it says where it stands. */
  sorts: string[]
  /** Which round of a conversation it came in, from 1; 0 where nothing was ever asked. */
  round: number
}

/** A recording in its parts. Every byte stands in exactly one. */
export interface Parts {
  /** All that the device sent. */
  bytes: Bytes
  parts: Part[]
  /** When each round of a conversation began, milliseconds. */
  rounds: number[]
}

/** A frame that framing and check have seen. */
interface Opened {
  frame: Bytes
  ending: number
  fits: boolean
}

/** The same setup, which also tells what its session does. */
function watched(setup: Setup, opened: (one: Opened) => void, begins: () => void): Setup {
  const { check, voice } = setup
  const talk = voice.talk
  return {
    ...setup,
    check: {
      ...check,
      open(frame, ending) {
        let fits = false
        try {
          const payload = check.open(frame, ending)
          fits = true
          return payload
        } finally {
          opened({ frame: Uint8Array.from(frame), ending, fits })
        }
      },
    },
    voice:
      talk === undefined
        ? voice
        : {
            ...voice,
            talk: {
              ...talk,
              begin() {
                const round = talk.begin()
                return () => {
                  begins()
                  return round()
                }
              },
            },
          },
  }
}

/** Plays a recording byte by byte (over BLE value by value) and notes which bytes made which frame. */
export function partsOf(chunks: readonly Chunk[], setup: Setup): Parts {
  const bytes = concat(...chunks.map(chunk => chunk.in))
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const parts: Part[] = []
  const rounds: number[] = []
  let opened: Opened[] = []
  let clock = 0
  const session = openSession(
    watched(
      setup,
      one => opened.push(one),
      () => rounds.push(clock),
    ),
    0,
  )
  let pieces: Part['pieces'] = []

  /** Cuts off what came up to `to`: a frame that began in parts before (a false start) takes them along. */
  const cut = (from: number, to: number, sorts: string[], sealed: Part['sealed']): void => {
    const mine = pieces.filter(piece => piece.from < to)
    const last = parts.at(-1)
    if (mine.length === 0 && last !== undefined) {
      last.sorts.push(...sorts)
      last.sealed.push(...sealed)
      return
    }
    pieces = pieces.flatMap(piece => (piece.to > to ? [{ ...piece, from: Math.max(piece.from, to) }] : []))
    let part: Part = {
      from: mine[0]?.from ?? to,
      to,
      pieces: mine.map(piece => ({ ...piece, to: Math.min(piece.to, to) })),
      sealed,
      sorts,
      round: rounds.length,
    }
    while (parts.length > 0 && from < part.from) {
      const before = parts.pop()!
      part = {
        ...part,
        from: before.from,
        pieces: [...before.pieces, ...part.pieces],
        sealed: [...before.sealed, ...part.sealed],
        sorts: [...before.sorts, ...part.sorts],
      }
    }
    parts.push(part)
  }

  /** Where a frame that was just told stands among the bytes heard so far; the latest place, as it just ended. */
  const placeOf = (frame: Bytes, heard: number): Place | undefined => {
    if (frame.length === 0 || frame.length > heard) return undefined
    const from = text.lastIndexOf(frame, heard - frame.length)
    return from < 0 ? undefined : { from, to: from + frame.length }
  }

  const take = (outcomes: Outcome[], heard: number): void => {
    session.sends()
    const seen = opened.map(one => ({ ...one, place: placeOf(one.frame, heard) }))
    opened = []
    const places = [...seen.map(one => one.place), ...outcomes.map(one => placeOf(one.frame, heard))].filter(
      place => place !== undefined,
    )
    if (places.length === 0) return
    const sealed = seen.flatMap(({ fits, ending, place }) =>
      fits && place !== undefined ? [{ ...place, ending }] : [],
    )
    const start = Math.min(...sealed.map(place => place.from), Number.POSITIVE_INFINITY)
    cut(start, Math.max(...places.map(place => place.to)), sortsOf(outcomes, setup), sealed)
  }

  const whole = 'ble' in setup.link
  let heard = 0
  for (const { t, in: data, char } of chunks) {
    for (let due = session.due(); due !== undefined && due <= t; due = session.due()) {
      clock = due
      take(session.rest(due), heard)
    }
    clock = t
    const step = whole ? data.length : 1
    // Over BLE a value may be empty, and is heard like any other.
    if (data.length === 0) take(session.hear(data, t, char), heard)
    for (let at = 0; at < data.length; at += step) {
      const piece = { from: heard, to: heard + step, t, ...(char !== undefined && { char }) }
      const last = pieces.at(-1)
      if (last?.to === heard && last.t === t && at > 0) last.to = heard + step
      else pieces.push(piece)
      heard += step
      take(session.hear(data.subarray(at, at + step), t, char), heard)
    }
  }
  take(session.end(clock), heard)
  if (pieces.length > 0) cut(Number.POSITIVE_INFINITY, heard, [], [])
  return { bytes, parts, rounds }
}
