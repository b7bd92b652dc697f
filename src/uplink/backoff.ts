/**
 * How long to wait before the next try: doubling from `firstMs` to `mostMs`, each time a random part between
 * a half and the whole, so that a building's boxes do not all come back in the same second.
 */
export interface Backoff {
  next(): number
  reset(): void
}

/** Starts at the first wait. `random` gives numbers from 0 up to 1. */
export function backoff(firstMs: number, mostMs: number, random: () => number = Math.random): Backoff {
  let wait = firstMs
  return {
    next() {
      const whole = wait
      wait = Math.min(mostMs, wait * 2)
      return Math.round(whole / 2 + (random() * whole) / 2)
    },
    reset() {
      wait = firstMs
    },
  }
}
