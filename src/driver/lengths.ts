import type { Bytes } from '../base/bytes.ts'
import { type Cutter, found, type Piece, staleMs } from './cutters.ts'
import { hold } from './held.ts'

const nothing = new Uint8Array()

/** Cuts by length; see `lengthOf` in framing.ts. What lies between two frames is told before the second. */
export function lengthCutter(
  from: string,
  lengthOf: (begun: Bytes) => number | undefined,
  limit: number,
  mask: number,
): Cutter {
  const held = hold(limit, mask)
  const between = hold(limit, mask)
  let inside = from === ''

  const noise = (): Piece | undefined =>
    between.length() === 0 ? undefined : { frame: between.take(), ending: 0, wrong: 'noise' }

  /** Puts bytes aside that belong to no frame; they are told at once where there is no room for more. */
  const aside = (bytes: Bytes): Piece[] => {
    const told: Piece[] = []
    for (const byte of bytes) {
      if (between.full()) told.push(noise()!)
      between.add(byte)
    }
    return told
  }

  const reset = (): Bytes => {
    inside = from === ''
    return held.take()
  }

  const makeRoom = (): (Piece | undefined)[] => {
    if (!held.full()) return []
    // Before a beginning all but what may be part of one is noise.
    if (!inside) return aside(held.takeBefore(from.length - 1))
    return [noise(), { frame: reset(), ending: 0, wrong: 'frame.too-long' }]
  }

  const push = (byte: number): readonly (Piece | undefined)[] => {
    const told = makeRoom()
    held.add(byte)
    if (!inside) {
      if (!held.endsWith(from)) return told
      inside = true
      told.push(...aside(held.takeBefore(from.length)))
    }
    const whole = lengthOf(held.view())
    if (whole === undefined || (whole > 0 && held.length() < whole)) return told
    if (whole > 0) return [...told, noise(), { frame: reset(), ending: 0 }]
    // No frame begins with these bytes: one may begin with any of those after the first.
    const [first = 0, ...others] = reset()
    told.push(...aside(Uint8Array.of(first)))
    for (const other of others) told.push(...push(other))
    return told
  }

  return {
    slides: true,
    push: byte => found(...push(byte)),
    quietMs: () => (held.length() + between.length() === 0 ? undefined : staleMs),
    rest() {
      const begun = inside && held.length() > 0
      const left = reset()
      const before = between.length() === 0 ? nothing : between.take()
      const frame = Uint8Array.from([...before, ...left])
      if (frame.length === 0) return undefined
      return { frame, ending: 0, wrong: begun ? 'frame.malformed' : 'noise' }
    },
  }
}

/** Cuts frames of one length; see `length` in framing.ts. Without `from` nothing can be cut again. */
export const fixedCutter = (length: number, from: string, mask: number): Cutter => ({
  ...lengthCutter(from, () => length, Math.max(length, from.length) + 1, mask),
  slides: from !== '',
})

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
