import type Database from 'better-sqlite3'
import { hex, sha256 } from '../base/bytes.ts'
import { encodeBody } from '../wire/statement.ts'
import { appendLog } from './registry-log.ts'

/** The request behind a binding, and the certificate that was issued with it. Keys as the request and CSR have them. */
export interface EnrolmentRow {
  gateway: string
  /** That of the binding. */
  version: number
  /** The public statement's JSON text, as it was brought. */
  request: string
  sign_key: string
  box_key: string
  /** H(SubjectPublicKeyInfo), hex. */
  tls_key: string
  /** PEM. */
  certificate: string
  at: number
  actor: string
}

/** What the log says of a row: H over its compact JSON, hex. */
export function enrolmentHash(row: EnrolmentRow): string {
  const { gateway, version, request, sign_key, box_key, tls_key, certificate, at, actor } = row
  const members = { gateway, version, request, sign_key, box_key, tls_key, certificate, at, actor }
  return hex(sha256(encodeBody(members)))
}

/** How the log names a row. */
export const enrolmentName = ({ gateway, version }: Pick<EnrolmentRow, 'gateway' | 'version'>): string =>
  `enrolment ${version} of ${gateway}`

/** Appends an enrolment and its entry to the log. Inside the transaction that enters its binding. */
export function insertEnrolment(db: Database.Database, row: EnrolmentRow): void {
  const { gateway, version, request, sign_key, box_key, tls_key, certificate, at, actor } = row
  db.prepare(
    'INSERT INTO enrolments (gateway, version, request, sign_key, box_key, tls_key, certificate, at, actor) ' +
      'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  ).run(gateway, version, request, sign_key, box_key, tls_key, certificate, at, actor)
  appendLog(db, { at, actor, act: 'enrolled', subject: enrolmentName(row), hash: enrolmentHash(row) })
}

/** The newest enrolment of a gateway. */
export const newestEnrolment = (db: Database.Database, gateway: string): EnrolmentRow | undefined =>
  db
    .prepare<[string], EnrolmentRow>(
      'SELECT * FROM enrolments WHERE gateway = ? ORDER BY version DESC LIMIT 1',
    )
    .get(gateway)

/** The enrolments that have one of these keys, or this gateway id; of this gateway first. */
export const enrolmentsLike = (
  db: Database.Database,
  wanted: Pick<EnrolmentRow, 'gateway' | 'sign_key' | 'box_key' | 'tls_key'>,
): EnrolmentRow[] =>
  db
    .prepare<[string, string, string, string, string], EnrolmentRow>(
      'SELECT * FROM enrolments WHERE gateway = ? OR sign_key = ? OR box_key = ? OR tls_key = ? ' +
        'ORDER BY gateway = ? DESC, version DESC',
    )
    .all(wanted.gateway, wanted.sign_key, wanted.box_key, wanted.tls_key, wanted.gateway)
