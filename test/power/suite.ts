import { test } from '@jest/globals'
import { seededRandom } from '../way/random.ts'
import { whyNoTrace } from './trace.ts'

/** The seed of this run: VITALGATE_SEED, else one of its own. */
export const { seed } = seededRandom()

const why = whyNoTrace()

/** A test that needs strace; where it cannot trace, it is skipped and says why. */
export const tracedTest = why === undefined ? test : test.skip

/** Tells how a suite is repeated, or why it is not run. */
export function announce(suite: string): void {
  process.stdout.write(
    why === undefined ? `${suite}: VITALGATE_SEED=${seed} repeats it\n` : `${suite}: skipped: ${why}\n`,
  )
}

/** `3,000` as people write it. */
export const grouped = (count: number): string => count.toLocaleString('en')
