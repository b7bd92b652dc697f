import type { Spread } from './spread.ts'

/** Which of a figure's numbers a target is about, and what it must be. */
export interface Target {
  of: keyof Omit<Spread, 'count'>
  must: 'at least' | 'at most'
  value: number
}

const atLeast = (value: number): Target[] => [{ of: 'p50', must: 'at least', value }]
const atMost = (value: number): Target[] => [{ of: 'p50', must: 'at most', value }]
const atMostEver = (value: number): Target[] => [{ of: 'max', must: 'at most', value }]

/** What is wanted of a machine with two cores and an fsync of about 0.2 ms, by figure; the only list of it. */
export const targets: Readonly<Record<string, readonly Target[]>> = {
  latency: [
    { of: 'p50', must: 'at most', value: 4 },
    { of: 'p99', must: 'at most', value: 10 },
  ],
  'whole-burst': atLeast(2500),
  'whole-sustained': atLeast(2500),
  'whole-gateway-memory': atMostEver(150),
  'gateway-burst': atLeast(5000),
  'gateway-sustained': atLeast(5000),
  'gateway-memory': atMostEver(150),
  'drain-gateway': atLeast(5000),
  'drain-gateway-large': atLeast(5000),
  'drain-disordered': atMostEver(0),
  'drain-disordered-large': atMostEver(0),
  'drain-whole': atLeast(5000),
  'drain-whole-large': atLeast(5000),
  verified: atLeast(4000),
  'idle-gateway-memory': atMostEver(100),
  'idle-gateway-cpu': atMost(0.2),
  'written-single': atMost(8000),
  'written-burst': atMost(2000),
  'start-empty': atMost(0.6),
  'start-rows': atMost(1.5),
}

/** A target beside what was measured: `by` is the measured value divided by what it must be. */
export interface Judged extends Target {
  met: boolean
  by: number
}

/** Judges a spread by one target. */
export function judge(target: Target, spread: Spread): Judged {
  const measured = spread[target.of]
  const met = target.must === 'at least' ? measured >= target.value : measured <= target.value
  // where nothing at all is allowed there is no share of it
  const by = target.value === 0 ? measured : measured / target.value
  return { ...target, met, by: Math.round(by * 1000) / 1000 }
}
