import type { Clock } from '../base/clock.ts'

/** Who answered in the server's place: SHA-256 of the key shown, since when, and how often. */
export interface Unpinned {
  fingerprint: string
  since: number
  count: number
}

/** Remembers false servers, so that each is reported when first seen and summed up when the true one is back. */
export interface UnpinnedReports {
  saw(fingerprint: string): void
  /** The true server answered: tells what was seen since the last report. */
  flush(): void
  /** The one seen last, until a flush. */
  now(): Unpinned | undefined
}

/** Different keys worth remembering: an attacker may show a new one each second. */
const most = 16

/** `report` is told what is to become an event. */
export function unpinnedReports(clock: Clock, report: (seen: Unpinned) => void): UnpinnedReports {
  const seen = new Map<string, Unpinned & { told: number }>()
  let last: string | undefined
  const tell = (one: Unpinned & { told: number }): void => {
    one.told = one.count
    report({ fingerprint: one.fingerprint, since: one.since, count: one.count })
  }
  return {
    saw(fingerprint) {
      const one = seen.get(fingerprint)
      if (one !== undefined) one.count++
      else if (seen.size < most) {
        const first = { fingerprint, since: clock.now(), count: 1, told: 0 }
        seen.set(fingerprint, first)
        tell(first)
      } else return
      last = fingerprint
    },
    flush() {
      for (const one of seen.values()) if (one.count > one.told) tell(one)
      seen.clear()
      last = undefined
    },
    now() {
      const one = last === undefined ? undefined : seen.get(last)
      return one && { fingerprint: one.fingerprint, since: one.since, count: one.count }
    },
  }
}
