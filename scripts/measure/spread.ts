/** One thing that was measured many times, in whatever unit it has. */
export interface Spread {
  count: number
  min: number
  p50: number
  p99: number
  max: number
}

/** Three digits after the point, and more where a value is that small: no figure is rounded away. */
export const round = (value: number): number =>
  Math.abs(value) >= 1 ? Math.round(value * 1000) / 1000 : Number(value.toPrecision(3))

/** The spread of what was measured; percentiles by the nearest rank, so each is a value that occurred. */
export function spreadOf(measured: readonly number[]): Spread {
  if (measured.length === 0) throw new Error('nothing was measured')
  const sorted = [...measured].sort((a, b) => a - b)
  const rank = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!)
  return { count: sorted.length, min: rank(0), p50: rank(0.5), p99: rank(0.99), max: rank(1) }
}
