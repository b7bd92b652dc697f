import { X509Certificate } from 'node:crypto'
import type Database from 'better-sqlite3'
import type { Revoked } from './authority.ts'
import type { Revocations } from './registry-revocations.ts'

/**
 * The certificates of revoked gateways that this registry issued. One whose row was changed so that it cannot be
 * read is left out: `registry verify` tells of it, and its key is refused all the same.
 */
export function revokedCertificates(
  db: Database.Database,
  revocations: Pick<Revocations, 'ofTls'>,
): Revoked[] {
  const rows = db
    .prepare<[], { tls_key: string; certificate: string }>(
      'SELECT tls_key, certificate FROM enrolments ORDER BY at',
    )
    .all()
  return rows.flatMap(({ tls_key, certificate }) => {
    const revocation = revocations.ofTls(tls_key)
    if (revocation === undefined) return []
    try {
      return [{ serial: new X509Certificate(certificate).serialNumber.toLowerCase(), at: revocation.since }]
    } catch {
      // judged by nothing but that it cannot be read: errors of node:crypto have no class to ask for
      return []
    }
  })
}
