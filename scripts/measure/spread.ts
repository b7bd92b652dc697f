/** Durations of one thing that was measured many times, in milliseconds. */
export interface Spread {
  count: number
  p50: number
  p99: number
  max: number
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000

/** The spread of durations; percentiles by the nearest rank. */
export function spreadOf(durations: readonly number[]): Spread {
  const sorted = [...durations].sort((a, b) => a - b)
  const rank = (share: number): number =>
    round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0)
  return { count: sorted.length, p50: rank(0.5), p99: rank(0.99), max: rank(1) }
}
