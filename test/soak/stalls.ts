import { performance } from 'node:perf_hooks'

/**
 * Watches whether this process stood still: simulated time runs on meanwhile, so a device that is judged by
 * the time between its frames may count twice or not at all, which says nothing of the product.
 */
export interface Stalls {
  /** The longest standstill since a moment of `performance.now`, true milliseconds. */
  since(moment: number): number
  stop(): void
}

const lookMs = 10
/** Standstills that are remembered. */
const most = 1000

export function watchStalls(): Stalls {
  const stalls: { at: number; ms: number }[] = []
  let before = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const ms = now - before - lookMs
    before = now
    if (ms < lookMs) return
    stalls.push({ at: now, ms })
    if (stalls.length > most) stalls.shift()
  }, lookMs)
  return {
    since: moment => Math.max(0, ...stalls.filter(one => one.at >= moment).map(one => one.ms)),
    stop: () => clearInterval(timer),
  }
}
