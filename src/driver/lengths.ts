import { type Cutter, found, type Piece, staleMs } from './cutters.ts'
import { hold } from './held.ts'

/** Cuts by length once `from` was seen; `lengthOf` tells the whole length as soon as it can be known. */
function measuredCutter(
  from: string,
  limit: number,
  mask: number,
  lengthOf: (at: (index: number) => number, have: number) => number | undefined,
): Cutter {
  const held = hold(limit, mask)
  let inside = from === ''

  const begin = (): Piece | undefined => {
    if (!held.endsWith(from)) return undefined
    inside = true
    const before = held.takeBefore(from.length)
    return before.length === 0 ? undefined : { frame: before, ending: 0, wrong: 'noise' }
  }

  const makeRoom = (): Piece | undefined => {
    if (!held.full()) return undefined
    inside = from === ''
    return { frame: held.take(), ending: 0, wrong: 'frame.too-long' }
  }

  return {
    slides: from !== '',
    push(byte) {
      const overlong = makeRoom()
      held.add(byte)
      if (!inside) return found(overlong, begin())
      const whole = lengthOf(held.at, held.length())
      if (whole === undefined || held.length() < whole) return found(overlong)
      inside = from === ''
      return found(overlong, { frame: held.take(), ending: 0 })
    },
    quietMs: () => (held.length() === 0 ? undefined : staleMs),
    rest() {
      const frame = held.take()
      const wrong = inside ? 'frame.malformed' : 'noise'
      inside = from === ''
      return frame.length === 0 ? undefined : { frame, ending: 0, wrong }
    },
  }
}

/** Cuts frames of one length; see `length` in framing.ts. */
export const fixedCutter = (length: number, from: string, mask: number): Cutter =>
  measuredCutter(from, length + 1, mask, () => length)

/** Cuts frames that carry their length; see `lengthAt` in framing.ts. */
export const lengthCutter = (
  from: string,
  place: number,
  plus: number,
  limit: number,
  mask: number,
): Cutter => measuredCutter(from, limit, mask, (at, have) => (have > place ? at(place) + plus : undefined))

/** Cuts where the line is silent; see `silenceMs` in framing.ts. */
export function silenceCutter(silenceMs: number, limit: number): Cutter {
  const held = hold(limit, 0xff)
  return {
    slides: false,
    push(byte) {
      const overlong: Piece | undefined = held.full()
        ? { frame: held.take(), ending: 0, wrong: 'frame.too-long' }
        : undefined
      held.add(byte)
      return found(overlong)
    },
    quietMs: () => (held.length() === 0 ? undefined : silenceMs),
    rest() {
      const frame = held.take()
      return frame.length === 0 ? undefined : { frame, ending: 0 }
    },
  }
}
