import type { Bytes } from '../base/bytes.ts'
import type { FaultCode } from '../base/fault.ts'
import { hold } from './held.ts'

/**
 * What framing cut off: a whole frame, the length of its ending in bytes, and why it is none, if it is none.
 * `noise` are bytes between two frames.
 */
export interface Piece {
  frame: Bytes
  ending: number
  wrong?: Extract<FaultCode, 'frame.malformed' | 'frame.too-long'> | 'noise'
}

/** Cuts one stream. Byte by byte, so that it cannot matter how the stream came in chunks. */
export interface Cutter {
  /** Takes a byte; gives the pieces that it completed (hardly ever more than one). */
  push(byte: number): readonly Piece[]
  /** How many milliseconds of silence make `rest` due; undefined while nothing is held. */
  quietMs(): number | undefined
  /** Gives up what is held, because the line was silent for `quietMs` or has ended. */
  rest(): Piece | undefined
  /** Whether a frame that fails its check may have begun at a false start, so that its rest is cut again. */
  slides: boolean
}

/** How long a half-said frame is waited for. */
export const staleMs = 1000

const nothing: readonly Piece[] = []
/** The pieces that there are, in order. */
export const found = (...pieces: (Piece | undefined)[]): readonly Piece[] =>
  pieces.every(piece => piece === undefined) ? nothing : pieces.filter(piece => piece !== undefined)

/** How long an ending that may still grow (`\r` before `\n`) waits for its next byte. */
const growMs = 50

/** Cuts after each ending; see `until` in framing.ts. */
export function untilCutter(endings: readonly string[], limit: number, mask: number): Cutter {
  const held = hold(limit, mask)
  const sorted = [...endings].sort((a, b) => b.length - a.length)
  const keep = sorted[0]!.length - 1
  const grows = new Set(sorted.filter(short => sorted.some(long => long !== short && long.startsWith(short))))
  let ended: string | undefined
  let overlong = false

  const cut = (): Piece | undefined => {
    const ending = ended?.length ?? 0
    ended = undefined
    const frame = held.take()
    if (overlong) {
      overlong = false
      return undefined
    }
    return frame.length === ending ? undefined : { frame, ending }
  }

  /** Makes room: what does not fit is one fault, and everything up to the next ending goes with it. */
  const makeRoom = (): Piece | undefined => {
    if (!held.full()) return undefined
    const frame = held.takeBefore(keep)
    const told = overlong
    overlong = true
    return told ? undefined : { frame, ending: 0, wrong: 'frame.too-long' }
  }

  const append = (byte: number, before?: Piece): readonly Piece[] => {
    const overlong = makeRoom()
    held.add(byte)
    ended = sorted.find(ending => held.endsWith(ending))
    return found(before, overlong, ended === undefined || grows.has(ended) ? undefined : cut())
  }

  return {
    slides: false,
    push(byte) {
      if (ended === undefined) return append(byte)
      const grown = sorted.find(ending => ending.startsWith(ended!) && held.wouldEndWith(ending, byte))
      if (grown !== undefined && grown !== ended) {
        ended = undefined
        return append(byte)
      }
      const before = cut()
      return append(byte, before)
    },
    quietMs: () => (held.length() === 0 ? undefined : ended === undefined ? staleMs : growMs),
    rest() {
      if (ended !== undefined) return cut()
      const frame = held.take()
      const told = overlong
      overlong = false
      return frame.length === 0 || told ? undefined : { frame, ending: 0, wrong: 'frame.malformed' }
    },
  }
}

/** Cuts from mark to mark; see `from`, `to` in framing.ts. */
export function fromToCutter(from: string, to: string, limit: number, mask: number): Cutter {
  const held = hold(limit, mask)
  const keep = Math.max(from.length, to.length) - 1
  let inside = false

  const begin = (): Piece | undefined => {
    const before = held.takeBefore(from.length)
    const wrong = inside ? 'frame.malformed' : 'noise'
    inside = true
    return before.length === 0 ? undefined : { frame: before, ending: 0, wrong }
  }

  const end = (): Piece | undefined => {
    const frame = held.take()
    if (inside) {
      inside = false
      return { frame, ending: to.length }
    }
    return frame.length === to.length ? undefined : { frame, ending: to.length, wrong: 'frame.malformed' }
  }

  /** Makes room: the frame under way is one fault, and the next begins at the next mark. */
  const makeRoom = (): Piece | undefined => {
    if (!held.full()) return undefined
    inside = false
    return { frame: held.takeBefore(keep), ending: 0, wrong: 'frame.too-long' }
  }

  return {
    slides: false,
    push(byte) {
      const overlong = makeRoom()
      held.add(byte)
      if (held.endsWith(from)) return found(overlong, begin())
      return held.endsWith(to) ? found(overlong, end()) : found(overlong)
    },
    quietMs: () => (held.length() === 0 ? undefined : staleMs),
    rest() {
      const frame = held.take()
      const wrong = inside ? 'frame.malformed' : 'noise'
      inside = false
      return frame.length === 0 ? undefined : { frame, ending: 0, wrong }
    },
  }
}
