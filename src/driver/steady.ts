import type { Kind } from '../reading/kinds.ts'
import type { Weighed } from './settle.ts'

/**
 * When a stream of values is one measurement, as of an oximeter that sends every second while a finger is in.
 *
 * A frame counts when values came without a break for `goodMs` and it has the median of `kind` among them:
 * nothing is computed that the device did not send. It counts again only after the device said that it had no
 * value, or when the line was silent for `breakMs`.
 */
export interface Steady {
  kind: Kind
  goodMs: number
  breakMs: number
}

/** How many values are looked at, at most: the latest. */
const most = 128

/** Starts for one connection: tells of each frame, in order, at its steady time, whether it counts. */
export function steadying({ kind, goodMs, breakMs }: Steady): (weighed: Weighed, now: number) => boolean {
  let values: number[] = []
  let since = 0
  let last = 0
  let counted = false

  const begin = (): void => {
    values = []
    counted = false
  }

  return (weighed, now) => {
    // A damaged frame tells nothing about the finger: it is no value, and no break either.
    if ('fault' in weighed) return false
    if ('silent' in weighed) {
      if (weighed.silent !== 'noise' && weighed.silent !== 'ack') begin()
      return false
    }
    const value = 'measured' in weighed ? weighed.measured[kind] : undefined
    if (value === undefined) return false
    if (values.length > 0 && now - last >= breakMs) begin()
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
