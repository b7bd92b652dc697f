import type Database from 'better-sqlite3'
import { unbase64url } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import { type VerifyKey, verifyKey } from '../wire/keys.ts'
import { decodeBody } from '../wire/statement.ts'
import { believe } from './registry-believe.ts'
import { rowsAbove, type StatementRow, statementOf } from './registry-rows.ts'
import type { Facts } from './state.ts'

/** The registry roots, and which of them may have signed what (WIRE 9.12). */
export interface Roots {
  /** Those whose signature counts on what is entered now. */
  now(): readonly VerifyKey[]
  /** Those whose signature counts on a row that is there: a former root's, where it was entered before the succession. */
  of(row: Pick<StatementRow, 'id'>): readonly VerifyKey[]
  /** Whether a row names a root whose signature counts now: what stands in the newest place must. */
  isOfToday(row: StatementRow): boolean
  /** Where the root in force took over: the first row under it, and when. Undefined while it is the first. */
  succession(): { id: number; at: number } | undefined
}

/**
 * Roots follow each other in the order of the facts. One takes over with the first server entry that it signed: what
 * the one before signed stands where it was entered earlier, and nowhere after, whatever date it bears.
 */
export function openRoots(
  db: Database.Database,
  { former = [], root, successor, server }: Pick<Facts, 'former' | 'root' | 'successor' | 'server'>,
  once: <T>(read: () => T) => () => T,
): Roots {
  const line = [...former, root, successor].map(key => verifyKey(unbase64url(key)))
  const entries = rowsAbove(db)
  const when = db.prepare<[number], number>('SELECT at FROM statements WHERE id = ?').pluck()

  /** For each root the id of the first server entry under it, if it signed one. */
  const firstUnder = once(() => {
    const first = new Map<VerifyKey, number>()
    for (const row of entries('server-entry', server, 0).toSorted((a, b) => a.id - b.id)) {
      const signer = line.find(key => isUnder(row, key))
      if (signer !== undefined && !first.has(signer)) first.set(signer, row.id)
    }
    return first
  })

  /** From which row on a root is believed no more. */
  const endOf = (place: number): number =>
    Math.min(...line.slice(place + 1).map(key => firstUnder().get(key) ?? Number.POSITIVE_INFINITY))

  const of = ({ id }: Pick<StatementRow, 'id'>): VerifyKey[] => line.filter((_, place) => id < endOf(place))
  const now = (): VerifyKey[] => line.filter((_, place) => endOf(place) === Number.POSITIVE_INFINITY)
  return {
    of,
    now,
    isOfToday: row => {
      const { kid } = decodeBody(statementOf(row).body)
      return now().some(root => root.kid === kid)
    },
    succession: () => {
      const [first] = now()
      const id = first === undefined || first === line[0] ? undefined : firstUnder().get(first)
      return id === undefined ? undefined : { id, at: when.get(id) ?? 0 }
    },
  }
}

function isUnder(row: StatementRow, key: VerifyKey): boolean {
  try {
    believe('server-entry', row, [key])
    return true
  } catch (error) {
    // whoever reads the entry itself tells what is wrong with it
    if (isFault(error, 'store.damaged')) return false
    throw error
  }
}
