import type { Kind } from '../reading/kinds.ts'
import type { Weighed } from './settle.ts'

/**
 * When a stream of values is one measurement, as of an oximeter that sends every second while a finger is in.
 *
 * A frame counts when values came for `goodMs` and it has the median of `kind` among them: nothing is computed
 * that the device did not send. The next one counts only after no finger was seen for `breakMs`: neither a
 * value nor an `unstable` frame. So a sensor that slips for a moment does not measure a person twice, and what
 * is counted twice would be taken for the next person, whose wristband is scanned a little later.
 */
export interface Steady {
  kind: Kind
  goodMs: number
  /** Also how far two values may be apart at most, so that they belong together. */
  breakMs: number
}

/** How many values are looked at, at most: the latest. */
const most = 128

/** Starts for one connection: tells of each frame, in order, at its steady time, whether it counts. */
export function steadying({ kind, goodMs, breakMs }: Steady): (weighed: Weighed, now: number) => boolean {
  let values: number[] = []
  let since = 0 // when the first of the values came
  let last = 0 // when the last of them came
  let finger = Number.NEGATIVE_INFINITY // when a finger was seen last
  let counted = false

  const gone = (now: number): boolean => now - finger >= breakMs

  const seen = (now: number): void => {
    if (gone(now)) {
      values = []
      counted = false
    }
    finger = now
  }

  return (weighed, now) => {
    // What is damaged tells nothing about the finger: it is no value, and no break either.
    if ('fault' in weighed || ('silent' in weighed && weighed.silent === 'noise')) {
      if (!gone(now)) finger = now
      return false
    }
    if ('silent' in weighed) {
      // An irregular beat or a tremor: the finger is in, and the values around it still belong together.
      if (weighed.silent === 'unstable') seen(now)
      else if (weighed.silent !== 'ack') values = []
      return false
    }
    // What the device kept in its memory comes in a stream as well, and has no finger.
    if (!('measured' in weighed) || weighed.stored === true) return false
    const value = weighed.measured[kind]
    if (value === undefined) return false
    seen(now)
    if (now - last >= breakMs) values = []
    if (values.length === 0) since = now
    last = now
    values.push(value.n / 10 ** value.s)
    if (values.length > most) values.shift()
    if (counted || now - since < goodMs) return false
    const median = [...values].sort((a, b) => a - b)[(values.length - 1) >> 1]
    counted = values.at(-1) === median
    return counted
  }
}
