import { Fault } from '../base/fault.ts'
import type { VerifyKey } from '../wire/keys.ts'
import { type RegistryBody, type RegistryType, verifyRegistry } from '../wire/registry.ts'
import { decodeBody } from '../wire/statement.ts'
import { placeOf, type StatementRow, statementOf } from './registry-rows.ts'

/** Reads something; where a row is not believed it counts as this, and is told. */
export type OrNone = <T, N>(read: () => T, none: N) => T | N

/** A fault `store.damaged` that says which row cannot be believed. */
export const disbelieved = (row: StatementRow, why: string, cause?: unknown): Fault =>
  new Fault('store.damaged', `${placeOf(row)} is not believed: ${why}`, {
    hint: 'somebody changed the database by hand or it is damaged; restore it from a backup',
    cause,
  })

/** Whom a registry statement is about, and its place among those. */
function subjectOf(type: RegistryType, body: object): { subject: string; version: number } {
  const all = body as {
    gateway?: string
    server?: string
    operator?: string
    version?: number
    number?: number
    flag?: number
  }
  if (type === 'operator') return { subject: all.operator ?? '', version: 1 }
  if (type === 'review') return { subject: `flag ${all.flag}`, version: all.version ?? 0 }
  if (type === 'revocation') return { subject: all.server ?? '', version: all.number ?? 0 }
  if (type === 'server-entry') return { subject: all.server ?? '', version: all.version ?? 0 }
  return { subject: all.gateway ?? '', version: all.version ?? 0 }
}

/** The body of a row that one of these keys signed about this very subject and version. Fault `store.damaged`. */
export function believe<T extends RegistryType>(
  type: T,
  row: StatementRow,
  keys: readonly VerifyKey[],
): RegistryBody<T> {
  const statement = statementOf(row)
  try {
    const named = decodeBody(statement.body).kid
    const key = keys.find(one => one.kid === named)
    if (key === undefined) throw new Fault('wire.unknown-key', `it names key ${String(named)}`)
    const body = verifyRegistry(type, statement, key)
    const { subject, version } = subjectOf(type, body)
    // an operator is certified anew by the next root: the place of that row is not in its body
    if (subject === row.subject && (type === 'operator' || version === row.version)) return body
  } catch (cause) {
    throw disbelieved(row, cause instanceof Fault ? cause.message : 'it is not readable', cause)
  }
  throw disbelieved(row, 'it was signed for another place')
}
