import type { Clock } from '../base/clock.ts'

/** Tells what comes often only so many times a minute: a hostile device must not fill the disk with log. */
export interface Ration {
  /** How many this one stands for, itself and those held back since the last; 0 if it is held back as well. */
  take(kind: string): number
}

const minuteMs = 60_000

/** Lets `most` of each kind through in a minute. The kinds must be few: they are never forgotten. */
export function ration(clock: Pick<Clock, 'mono'>, most: number): Ration {
  const minutes = new Map<string, { began: number; told: number; held: number }>()
  return {
    take(kind) {
      const now = clock.mono()
      const known = minutes.get(kind)
      const minute =
        known !== undefined && now - known.began < minuteMs
          ? known
          : { began: now, told: 0, held: known?.held ?? 0 }
      minutes.set(kind, minute)
      minute.held++
      if (minute.told === most) return 0
      minute.told++
      const count = minute.held
      minute.held = 0
      return count
    },
  }
}
