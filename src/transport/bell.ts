import type { After } from './port.ts'

/** Wakes one who waits; rung while nobody waits, it is heard by the next wait. */
export interface Bell {
  ring(): void
  /** What was rung until now is forgotten. */
  still(): void
  /** Waits until it rings, at most so many milliseconds. */
  rung(ms: number): Promise<void>
}

/** Starts still. */
export function openBell(after: After): Bell {
  let ringing = false
  let wake = (): void => {}
  return {
    ring() {
      ringing = true
      wake()
    },
    still() {
      ringing = false
    },
    async rung(ms) {
      if (!ringing) {
        await new Promise<void>(resolve => {
          const callOff = after(ms, resolve)
          wake = () => {
            callOff()
            resolve()
          }
        })
      }
      ringing = false
    },
  }
}
