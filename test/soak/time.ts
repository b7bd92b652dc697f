import { type Clock, systemClock } from '../../src/base/clock.ts'
import type { After } from '../../src/transport/port.ts'

/** A clock that runs so many times faster than the true one, and timers that keep to it. */
export interface FastTime {
  clock: Clock
  after: After
  /** Resolves after so many simulated milliseconds. */
  pass(ms: number): Promise<void>
}

/** Starts at this moment of the machine's wall clock. */
export function fastTime(speed: number): FastTime {
  const wall = systemClock.now()
  const begun = systemClock.mono()
  const mono = (): number => (systemClock.mono() - begun) * speed
  const after: After = (ms, act) => {
    const timer = setTimeout(act, ms / speed)
    return () => clearTimeout(timer)
  }
  return {
    clock: { now: () => wall + Math.round(mono()), mono },
    after,
    pass: ms => new Promise(resolve => after(ms, resolve)),
  }
}
