import type { Bytes } from '../base/bytes.ts'
import type { Check } from './checks.ts'
import type { Part } from './parts.ts'

/** What is to be replaced, and how it is known whether a replacement is a good one. */
export interface Trial {
  /** The whole recording; changed in place. */
  bytes: Bytes
  /** The parts of it that are replaced together. */
  own: readonly Part[]
  /** Whether these are frames of text: then only digits and letters are replaced. */
  text: boolean
  check: Check
  /** Chance for one place: the same for the same place of an equal part. */
  random(at: number, part: Part, pass: number): () => number
  /** Whether the parts, as they are now, say the same sorts of things. */
  fits(): boolean
  /** A frame of the same length to whose digits these are to be set before all else. */
  like?: Bytes
}

/** The first character and the size of the class of a character that is replaced by its like. */
function classOf(plain: number): readonly [number, number] | undefined {
  const classes = [
    [0x30, 10],
    [0x41, 26],
    [0x61, 26],
  ] as const
  return classes.find(([first, size]) => plain >= first && plain < first + size)
}

const isDigit = (plain: number): boolean => plain >= 0x30 && plain <= 0x39

/** How many bits from below are replaced, where a byte is no character: all first, then fewer and fewer. */
const widths = [8, 8, 8, 7, 6, 5, 4, 4, 3, 2, 1, 1]
const letterTries = 5
/** How many digits before the end of a number may be one that guards it. */
const guards = 3

/** Other bytes for a byte, the likeliest to fit first. */
function others(byte: number, { text, check: { mask } }: Trial, random: () => number): number[] {
  const plain = byte & mask
  const kin = classOf(plain)
  const alike: number[] = []
  if (kin !== undefined) {
    const [first, size] = kin
    const rest = Array.from({ length: size }, (_, at) => first + at).filter(one => one !== plain)
    const wanted = text && size > 10 ? letterTries : 9
    // Of 256 values, those above the last whole multiple would favour the first ones a little: no matter here.
    while (rest.length > 0 && alike.length < wanted) alike.push(rest.splice(random() % rest.length, 1)[0]!)
  }
  if (text) return alike.map(one => (byte & ~mask) | one)
  const any = widths.map(width => {
    const low = (1 << width) - 1
    return (plain & ~low) | (random() & low)
  })
  return [...alike, ...any].filter(one => one !== plain).map(one => (byte & ~mask) | (one & mask))
}

/** The digits around a place, as far as they stand together. */
function digitsAround(
  bytes: Bytes,
  at: number,
  { from, to }: Part,
  mask: number,
): { first: number; last: number } {
  let first = at
  let last = at
  while (first > from && isDigit(bytes[first - 1]! & mask)) first--
  while (last + 1 < to && isDigit(bytes[last + 1]! & mask)) last++
  return { first, last }
}

/**
 * Replaces what can be replaced, in place. False, and nothing is changed, if `like` was given and the parts with
 * its digits do not fit.
 */
export function replaced(trial: Trial): boolean {
  const { bytes, own, check, fits, like } = trial
  const { mask } = check
  const [from, to] = [own[0]!.from, own.at(-1)!.to]
  const sealed = own.flatMap(part => part.sealed)

  /** Changes bytes, makes checks right again, and undoes it all unless the parts still fit. */
  const change = (changes: readonly (readonly [number, number])[]): boolean => {
    const before = bytes.slice(from, to)
    for (const [at, byte] of changes) bytes[at] = byte
    for (const place of sealed) {
      if (!changes.some(([at]) => at >= place.from && at < place.to)) continue
      bytes.set(check.seal(bytes.slice(place.from, place.to), place.ending), place.from)
    }
    // A byte of the check itself follows from the others.
    if (before.every((byte, at) => byte === bytes[from + at])) return true
    if (fits()) return true
    bytes.set(before, from)
    return false
  }

  /** Another digit, where a second one of the same number must change with it: a check digit inside the frame. */
  const together = (at: number, part: Part): boolean => {
    const random = trial.random(at, part, 0)
    const { last, first } = digitsAround(bytes, at, part, mask)
    const wanted = others(bytes[at]!, trial, random).slice(0, 2)
    for (let guard = last; guard > last - guards && guard >= first; guard--) {
      if (guard === at) continue
      for (const one of wanted) {
        for (let digit = 0; digit < 10; digit++) {
          const guarding = (bytes[guard]! & ~mask) | (0x30 + digit)
          if (
            change([
              [at, one],
              [guard, guarding],
            ])
          )
            return true
        }
      }
    }
    return false
  }

  if (like !== undefined) {
    const changes = Array.from(like, (byte, at) => [from + at, byte] as const).filter(
      ([at, byte]) => isDigit(byte & mask) && isDigit(bytes[at]! & mask),
    )
    if (!change(changes)) return false
  }
  for (const pass of [1, 2]) {
    for (const part of own) {
      for (let at = part.from; at < part.to; at++) {
        const digit = isDigit(bytes[at]! & mask)
        if (pass === 2 && !digit) continue
        const random = trial.random(at, part, pass)
        const done = others(bytes[at]!, trial, random).some(one => change([[at, one]]))
        if (!done && digit && pass === 1) together(at, part)
      }
    }
  }
  return true
}
