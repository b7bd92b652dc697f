import type Database from 'better-sqlite3'
import { hex } from '../base/bytes.ts'
import { type Fault, isFault } from '../base/fault.ts'
import type { VerifyKey } from '../wire/keys.ts'
import type { Revocation } from '../wire/registry.ts'
import { type Statement, statementHash } from '../wire/statement.ts'
import { believe, disbelieved } from './registry-believe.ts'
import { rowsAbove, type StatementRow, statementOf } from './registry-rows.ts'

/** Who may sign a revocation. */
export interface RevocationSigners {
  roots(row: StatementRow): readonly VerifyKey[]
  operators(): readonly VerifyKey[]
}

/** What is revoked. Once told so, a key stays revoked in this process, whatever becomes of the rows. */
export interface Revocations {
  /** Reads what was entered since, and gives what is wrong with it. */
  read(): Fault[]
  /** The revocation of a signing key. */
  of(kid: string): Revocation | undefined
  /** The revocation of a gateway's TLS key: H(SubjectPublicKeyInfo), hex. */
  ofTls(tls: string): Revocation | undefined
  /** Whether a key was revoked when the row of this id was entered: what came before stays believed. */
  isRevokedAt(kid: string, id: number): boolean
  /** All of them, by number. */
  all(): Revocation[]
  /** The highest number up to which none is missing, and what the next one names as `before` (WIRE 9.7). */
  end(): { number: number; hash: string | null }
  /** Those above a number as they were signed, oldest first, up to `end`. */
  statements(above: number): Statement[]
}

/** Opens the revocations of a server. */
export function openRevocations(
  db: Database.Database,
  server: string,
  signers: RevocationSigners,
): Revocations {
  const above = rowsAbove(db)
  const byKey = new Map<string, { revocation: Revocation; id: number }>()
  const byTls = new Map<string, Revocation>()
  let end: { number: number; hash: string | null } = { number: 0, hash: null }

  /** What a row revokes, if whoever signed it might: an operator another operator never (WIRE 9.7). */
  function believed(row: StatementRow): Revocation {
    const roots = signers.roots(row)
    const revocation = believe('revocation', row, [...roots, ...signers.operators()])
    if (roots.some(root => root.kid === revocation.kid)) return revocation
    if (revocation.what === 'operator') throw disbelieved(row, 'only the root revokes an operator')
    const signer = byKey.get(revocation.kid)?.revocation
    if (signer === undefined || signer.number >= revocation.number) return revocation
    throw disbelieved(row, `its operator ${signer.id} was revoked before`)
  }

  function take(row: StatementRow): void {
    const revocation = believed(row)
    // whoever may revoke has said so: it counts even where a row before it is missing
    if (!byKey.has(revocation.key)) byKey.set(revocation.key, { revocation, id: row.id })
    if (revocation.tls !== null && !byTls.has(revocation.tls)) byTls.set(revocation.tls, revocation)
    if (row.version !== end.number + 1 || revocation.before !== end.hash) {
      throw disbelieved(row, 'it does not follow the revocation before')
    }
    end = { number: row.version, hash: hex(statementHash(statementOf(row))) }
  }

  return {
    read: () =>
      above('revocation', server, end.number).flatMap(row => {
        try {
          take(row)
          return []
        } catch (error) {
          if (isFault(error, 'store.damaged')) return [error]
          throw error
        }
      }),
    of: kid => byKey.get(kid)?.revocation,
    ofTls: tls => byTls.get(tls),
    isRevokedAt: (kid, id) => {
      const held = byKey.get(kid)
      return held !== undefined && held.id < id
    },
    all: () => [...byKey.values()].map(one => one.revocation).sort((a, b) => a.number - b.number),
    end: () => end,
    statements: number =>
      above('revocation', server, number)
        .filter(row => row.version <= end.number)
        .map(statementOf),
  }
}
