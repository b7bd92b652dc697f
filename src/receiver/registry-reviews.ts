import type Database from 'better-sqlite3'
import { type Fault, isFault } from '../base/fault.ts'
import type { VerifyKey } from '../wire/keys.ts'
import type { Review } from '../wire/registry.ts'
import { believe, disbelieved } from './registry-believe.ts'
import { rowsAbove, type StatementRow } from './registry-rows.ts'

/** How the table of statements names a flag. */
export const flagSubject = (flag: number): string => `flag ${flag}`

/** By whom a review may be signed. */
export interface ReviewSigners {
  server: string
  operators(): readonly { name: string; key: VerifyKey }[]
  /** Whether a key was revoked when the row of this id was entered: what came before stays believed. */
  isRevokedAt(kid: string, id: number): boolean
}

/** What operators signed about a flag (WIRE 9.13), the oldest first; `tell` gets what is not believed. */
export function openReviews(
  db: Database.Database,
  { server, operators, isRevokedAt }: ReviewSigners,
  tell: (fault: Fault) => void,
): (subject: string) => readonly Review[] {
  const above = rowsAbove(db)

  function believed(row: StatementRow): Review {
    const known = operators()
    const review = believe(
      'review',
      row,
      known.map(one => one.key),
    )
    const signer = known.find(one => one.key.kid === review.kid)
    if (review.server !== server) throw disbelieved(row, 'it was signed for another server')
    if (signer?.name !== review.operator) throw disbelieved(row, `its key is not that of ${review.operator}`)
    if (isRevokedAt(review.kid, row.id)) throw disbelieved(row, 'its operator was revoked before')
    return review
  }

  return subject =>
    above('review', subject, 0).flatMap(row => {
      try {
        return [believed(row)]
      } catch (error) {
        if (!isFault(error, 'store.damaged')) throw error
        tell(error)
        return []
      }
    })
}
