import type { Fault } from './faults.ts'
import { type Run, simulate } from './run.ts'

/**
 * The same world with as few faults as still break one of the same invariants: half of them are left out, then a
 * quarter, and so on to single ones; what still fails is kept.
 */
export async function shrink(run: Run): Promise<Run> {
  const broken = new Set(run.violations.map(one => one.invariant))
  let least = run
  for (let size = Math.ceil(run.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < least.faults.length; ) {
      const faults: Fault[] = least.faults.filter((_, index) => index < at || index >= at + size)
      const again = await simulate(run.seed, { faults })
      if (again.violations.some(one => broken.has(one.invariant))) least = again
      else at += size
    }
  }
  return least
}
