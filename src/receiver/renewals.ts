import { X509Certificate } from 'node:crypto'
import type Database from 'better-sqlite3'
import { hex, sha256 } from '../base/bytes.ts'
import { encodeBody } from '../wire/statement.ts'
import { appendLog } from './registry-log.ts'
import type { Store } from './store.ts'

/** A certificate that followed another one for the same TLS key (WIRE 8.6). */
export interface RenewalRow {
  gateway: string
  /** From 1, of this gateway. */
  number: number
  /** H(SubjectPublicKeyInfo), hex. */
  tls_key: string
  /** PEM. */
  certificate: string
  at: number
  actor: string
}

/** How the log names a renewal, and its hash: over the row's compact JSON. */
export const renewalPlace = ({ gateway, number }: RenewalRow): string => `renewal ${number} of ${gateway}`
export const renewalHash = ({ gateway, number, tls_key, certificate, at, actor }: RenewalRow): string =>
  hex(sha256(encodeBody({ gateway, number, tls_key, certificate, at, actor })))

/** The certificate of a gateway's TLS key that was issued last; undefined where none was. */
export const newestCertificate = (db: Database.Database, gateway: string, tls: string): string | undefined =>
  db
    .prepare<[string, string, string, string], string>(
      `SELECT certificate FROM
         (SELECT number, certificate FROM renewals WHERE gateway = ? AND tls_key = ?
          UNION ALL SELECT 0, certificate FROM enrolments WHERE gateway = ? AND tls_key = ?)
       ORDER BY number DESC LIMIT 1`,
    )
    .pluck()
    .get(gateway, tls, gateway, tls)

/** Whether a certificate of this TLS key was ever renewed. */
export const isRenewed = (db: Database.Database, gateway: string, tls: string): boolean =>
  db.prepare('SELECT 1 FROM renewals WHERE gateway = ? AND tls_key = ?').get(gateway, tls) !== undefined

/** From when until when a certificate counts, milliseconds since 1970. */
export function spanOf(certificate: string): { from: number; until: number } {
  const { validFrom, validTo } = new X509Certificate(certificate)
  return { from: Date.parse(validFrom), until: Date.parse(validTo) }
}

/** Whether a certificate has passed half of its time. */
export function isHalfOver(certificate: string, now: number): boolean {
  const { from, until } = spanOf(certificate)
  return now > from + (until - from) / 2
}

/** Appends a certificate and its entry to the log. Inside `write`. */
export function insertRenewal(store: Store, renewal: Omit<RenewalRow, 'number'>): RenewalRow {
  const last = store.get<{ number: number | null }>(
    'SELECT max(number) AS number FROM renewals WHERE gateway = ?',
    renewal.gateway,
  )
  const row = { ...renewal, number: (last?.number ?? 0) + 1 }
  const { gateway, number, tls_key, certificate, at, actor } = row
  store.run(
    'INSERT INTO renewals (gateway, number, tls_key, certificate, at, actor) VALUES (?, ?, ?, ?, ?, ?)',
    ...[gateway, number, tls_key, certificate, at, actor],
  )
  appendLog(store.db, { at, actor, act: 'renewed', subject: renewalPlace(row), hash: renewalHash(row) })
  return row
}
