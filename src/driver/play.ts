import type { Bytes } from '../base/bytes.ts'
import type { Outcome, Session } from './session.ts'

/** Bytes from a device and when they came, milliseconds. */
export interface Chunk {
  t: number
  in: Bytes
  /** The BLE characteristic that they came from. */
  char?: string
}

/** An outcome and when it came, milliseconds. */
export interface Timed extends Outcome {
  t: number
}

/** What a session made of a recording: its outcomes, and what it would have sent, in order. */
export interface Played {
  outcomes: Timed[]
  sent: Bytes[]
}

/** Plays recorded chunks into a session at their recorded times, as if the clock ran, and ends it. */
export function play(session: Session, chunks: Iterable<Chunk>): Played {
  const outcomes: Timed[] = []
  const sent: Bytes[] = []
  const take = (t: number, found: Outcome[]): void => {
    for (const outcome of found) outcomes.push({ ...outcome, t })
    sent.push(...session.sends())
  }
  let now = 0
  for (const chunk of chunks) {
    for (let due = session.due(); due !== undefined && due <= chunk.t; due = session.due()) {
      take(due, session.rest(due))
    }
    now = chunk.t
    take(now, session.hear(chunk.in, now, chunk.char))
  }
  take(now, session.end(now))
  return { outcomes, sent }
}
