/** What can be wrong with an adapter that is there: it hears nothing, cannot scan, or does not answer a connect. */
export type Trouble = 'silent' | 'scan' | 'connect'

/**
 * How far recovery has gone. First a new connection to the bus; then power off and on; then people are told,
 * while it is tried again, ever more seldom. A bond is never touched.
 */
export interface Ladder {
  /** One step up. */
  trouble(kind: Trouble): void
  /** It works after all. */
  fine(kind: Trouble): void
  /** How long nothing may be heard, milliseconds. */
  patienceMs(): number
  /** Whether the power is to be switched now; asked anew, no. */
  cycleDue(): boolean
  /** Whether all means are used up. */
  spent(): boolean
}

/** After a new connection or new power an adapter that works hears something soon. */
const soonMs = 60_000
const longestMs = 3_600_000

/** Stands on the ground; `silenceMs` is how long an adapter may hear nothing of anybody. */
export function ladder(silenceMs: number): Ladder {
  const steps: Record<Trouble, number> = { silent: 0, scan: 0, connect: 0 }
  let cycle = false
  const step = (): number => Math.max(...Object.values(steps))
  return {
    trouble(kind) {
      steps[kind]++
      // at the second step, the fourth, the eighth: power goes for all that use the adapter
      cycle = steps[kind] >= 2 && (steps[kind] & (steps[kind] - 1)) === 0
    },
    fine(kind) {
      steps[kind] = 0
    },
    patienceMs() {
      const { silent } = steps
      if (silent === 0) return silenceMs
      if (silent < 3) return Math.min(soonMs, silenceMs)
      return Math.max(silenceMs, Math.min(longestMs, silenceMs * 2 ** (silent - 3)))
    },
    cycleDue() {
      const due = cycle
      cycle = false
      return due
    },
    spent: () => step() >= 3,
  }
}
