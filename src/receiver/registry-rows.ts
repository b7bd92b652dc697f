import type Database from 'better-sqlite3'
import { hex } from '../base/bytes.ts'
import type { RegistryType } from '../wire/registry.ts'
import { decodeBody, type Statement, statementHash } from '../wire/statement.ts'
import { appendLog } from './registry-log.ts'

/** One row of the table of statements. `id` rises in the order in which they were entered. */
export interface StatementRow {
  id: number
  type: string
  subject: string
  version: number
  body: Uint8Array
  signature: Uint8Array
}

/** A statement with its place in the table, and who put it there. */
export interface Entered {
  subject: string
  version: number
  statement: Statement
  at: number
  actor: string
}

/** A row's statement, in memory of our own. */
export const statementOf = ({
  type,
  body,
  signature,
}: Pick<StatementRow, 'type' | 'body' | 'signature'>): Statement => ({
  type,
  body: Uint8Array.from(body),
  signature: Uint8Array.from(signature),
})

/** How the log names the place of a statement. */
export const placeOf = ({
  type,
  subject,
  version,
}: Pick<StatementRow, 'type' | 'subject' | 'version'>): string => `${type} ${version} of ${subject}`

/**
 * Appends a statement, and its entry to the log. Two of one version cannot be: the second throws SQLite's
 * constraint error.
 */
export function insertStatement(db: Database.Database, entered: Entered): void {
  const { subject, version, statement, at, actor } = entered
  const { type, body, signature } = statement
  db.transaction(() => {
    db.prepare(
      'INSERT INTO statements (type, subject, version, body, signature, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ).run(type, subject, version, body, signature, at, actor)
    const hash = hex(statementHash(statement))
    appendLog(db, { at, actor, act: 'entered', subject: placeOf({ type, subject, version }), hash })
  })()
}

/** Which server a binding or an entry names; undefined where it cannot be read, which its signature tells of. */
export function namedServer(row: StatementRow): unknown {
  try {
    return decodeBody(statementOf(row).body).server
  } catch {
    return undefined
  }
}

const columns = 'id, type, subject, version, body, signature'

/** A statement by its place, as it was signed; undefined where there is none. */
export function statementAt(
  db: Database.Database,
  type: RegistryType,
  subject: string,
  version: number,
): Statement | undefined {
  const row = db
    .prepare<[string, string, number], StatementRow>(
      `SELECT ${columns} FROM statements WHERE type = ? AND subject = ? AND version = ?`,
    )
    .get(type, subject, version)
  return row === undefined ? undefined : statementOf(row)
}

/** Reads the newest rows of a kind about a subject, newest first, at most two. */
export function newestRows(db: Database.Database): (type: RegistryType, subject: string) => StatementRow[] {
  const query = db.prepare<[string, string], StatementRow>(
    `SELECT ${columns} FROM statements WHERE type = ? AND subject = ? ORDER BY version DESC LIMIT 2`,
  )
  return (type, subject) => query.all(type, subject)
}

/** Reads the rows of a kind about a subject above a version, oldest first. */
export function rowsAbove(
  db: Database.Database,
): (type: RegistryType, subject: string, above: number) => StatementRow[] {
  const query = db.prepare<[string, string, number], StatementRow>(
    `SELECT ${columns} FROM statements WHERE type = ? AND subject = ? AND version > ? ORDER BY version`,
  )
  return (type, subject, above) => query.all(type, subject, above)
}

/** Reads all rows of a kind, whoever they are about. */
export function rowsOf(db: Database.Database): (type: RegistryType) => StatementRow[] {
  const query = db.prepare<[string], StatementRow>(
    `SELECT ${columns} FROM statements WHERE type = ? ORDER BY id`,
  )
  return type => query.all(type)
}
