import type { Kind } from '../reading/kinds.ts'
import type { Quantity } from '../reading/quantity.ts'
import type { Said, Silent } from './driver.ts'

/**
 * When a stream of weights is one weighing. Thresholds are in the unit of the kind (kg).
 *
 * A weighing counts once: when two equal stable frames follow each other and the platform was empty or
 * moving before. It counts again only after the platform was empty (at or below `emptyBelow`), or two
 * frames in a row were further than `movedBy` from the weight that counted; so neither a stability sign
 * that flickers nor one damaged frame makes a second weighing of the same person.
 */
export interface Settle {
  kind: Kind
  emptyBelow: number
  movedBy: number
}

/** What weigh-once is told of a frame: its meaning, or that it was a fault. */
export type Weighed = Said | Silent | { fault: string }

const weightOf = ({ n, s }: Quantity): number => n / 10 ** s

/** Starts weigh-once for one connection: tells of each frame, in order, whether it counts. */
export function settling({ kind, emptyBelow, movedBy }: Settle): (weighed: Weighed) => boolean {
  let armed = false
  let before: number | undefined // the stable weight of the frame just before
  let counted: number | undefined // the weight that counted last
  let away = 0 // frames in a row that were far from it

  const moved = (value: number | undefined): void => {
    const far = counted === undefined || value === undefined || Math.abs(value - counted) > movedBy
    away = far ? away + 1 : 0
    if (away >= 2) armed = true
  }

  const unsettled = (value: number | undefined): false => {
    before = undefined
    // Before anything counted, a single moving frame shows that a weighing is going on.
    if (counted === undefined) armed = true
    else moved(value)
    return false
  }

  const empty = (): false => {
    before = undefined
    armed = true
    return false
  }

  return weighed => {
    // A fault tells nothing about the platform: it neither arms nor lets two frames meet across it.
    if ('fault' in weighed) {
      before = undefined
      return false
    }
    if ('silent' in weighed) {
      if (weighed.silent === 'zero' || weighed.silent === 'negative') return empty()
      const value = weighed.passing === undefined ? undefined : weightOf(weighed.passing)
      if (weighed.silent === 'unstable' || weighed.silent === 'overload') return unsettled(value)
      return false
    }
    const weight = 'measured' in weighed ? weighed.measured[kind] : undefined
    if (weight === undefined) return false
    const value = weightOf(weight)
    if (value <= emptyBelow) return empty()
    if (counted !== undefined) moved(value)
    const settled = armed && before === value
    before = value
    if (!settled) return false
    armed = false
    counted = value
    away = 0
    return true
  }
}
