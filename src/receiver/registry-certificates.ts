import { X509Certificate } from 'node:crypto'
import type Database from 'better-sqlite3'
import type { Revoked } from './authority.ts'
import type { Enrolled } from './registry.ts'
import { turnedTo } from './registry-former.ts'
import type { Revocations } from './registry-revocations.ts'

/**
 * Whether a TLS key belongs to a binding before the one under which its gateway speaks by now (WIRE 9.9): its
 * certificate counts as revoked. Until the gateway has spoken under the new keys, it needs the old certificate.
 */
export function isReplacedTls(
  db: Database.Database,
  bindings: readonly Enrolled[],
  gateway: string,
  tls: string,
): boolean {
  const named = bindings.findLast(one => one.tls === tls)
  return named !== undefined && bindings.length > 1 && named.version < turnedTo(db, gateway)
}

interface CertificateRow {
  gateway: string
  tls_key: string
  certificate: string
}

/** Since when a TLS key is replaced; undefined where it is not. */
function replacedSince(
  db: Database.Database,
  bindings: readonly Enrolled[],
  { gateway, tls_key }: CertificateRow,
): number | undefined {
  if (!isReplacedTls(db, bindings, gateway, tls_key)) return undefined
  const version = bindings.findLast(one => one.tls === tls_key)?.version ?? 0
  return db
    .prepare<[string, number], number>('SELECT min(at) FROM key_turns WHERE gateway = ? AND version > ?')
    .pluck()
    .get(gateway, version)
}

/**
 * The certificates of revoked gateways, and of keys that were replaced, that this registry issued. One whose row
 * was changed so that it cannot be read is left out: `registry verify` tells of it, and its key is refused all the
 * same.
 */
export function revokedCertificates(
  db: Database.Database,
  revocations: Pick<Revocations, 'ofTls'>,
  bindings: (gateway: string) => readonly Enrolled[],
): Revoked[] {
  const rows = db
    .prepare<[], CertificateRow>(
      `SELECT gateway, tls_key, certificate FROM
         (SELECT gateway, tls_key, certificate, at FROM enrolments
          UNION ALL SELECT gateway, tls_key, certificate, at FROM renewals) ORDER BY at`,
    )
    .all()
  return rows.flatMap(row => {
    const since = revocations.ofTls(row.tls_key)?.since ?? replacedSince(db, bindings(row.gateway), row)
    if (since === undefined) return []
    try {
      return [{ serial: new X509Certificate(row.certificate).serialNumber.toLowerCase(), at: since }]
    } catch {
      // judged by nothing but that it cannot be read: errors of node:crypto have no class to ask for
      return []
    }
  })
}
