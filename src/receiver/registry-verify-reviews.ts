import { isFault } from '../base/fault.ts'
import type { Registry } from './registry.ts'
import { type ActRow, actPlace } from './registry-acts.ts'
import type { Logged } from './registry-log.ts'
import type { RegistryProblem } from './registry-verify.ts'
import { raisedHash, signedAs } from './reviews.ts'
import type { Store } from './store.ts'

const isReview = ({ act, subject }: Logged): boolean => act === 'entered' && subject.startsWith('review ')

/** Whether a flag is still as it was when somebody signed something about it. */
function isAsRaised(store: Store, flag: number, raised: string): boolean {
  try {
    return raisedHash(store, flag) === raised
  } catch (error) {
    if (isFault(error, 'flag.unknown')) return false
    throw error
  }
}

/**
 * What was done about flags: each act is in an operator's signed words, and each flag is as it was when he signed.
 * Acts from before the first signed one are of a program that did not sign yet; they count for nobody.
 */
export function checkReviews(store: Store, registry: Registry, log: readonly Logged[]): RegistryProblem[] {
  const first = log.find(isReview)?.number
  if (first === undefined) return []
  const before = new Set(log.filter(one => one.number < first).map(one => one.subject))
  const problems: RegistryProblem[] = []
  const changed = new Set<number>()
  const acts = store.all<ActRow>(
    "SELECT id, act, about, at, actor, detail FROM flag_acts WHERE act IN ('released', 'reviewed') ORDER BY id",
  )
  for (const row of acts) {
    const place = actPlace(row)
    const said = registry.reviews(row.about)
    const review = signedAs(said, row)
    if (review === undefined) {
      if (!before.has(place)) problems.push({ place, problem: 'no operator signed it' })
    } else if (!changed.has(row.about) && !isAsRaised(store, row.about, review.raised)) {
      changed.add(row.about)
      problems.push({ place: `flag ${row.about}`, problem: 'it is not the flag that was reviewed' })
    }
  }
  return problems
}
