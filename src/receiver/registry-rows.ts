import type Database from 'better-sqlite3'
import type { RegistryType } from '../wire/registry.ts'
import type { Statement } from '../wire/statement.ts'

/** One row of the table of statements. */
export interface StatementRow {
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
export const statementOf = ({ type, body, signature }: StatementRow): Statement => ({
  type,
  body: Uint8Array.from(body),
  signature: Uint8Array.from(signature),
})

/** Appends a statement. Two of one version cannot be: the second throws SQLite's constraint error. */
export function insertStatement(db: Database.Database, entered: Entered): void {
  const { type, body, signature } = entered.statement
  db.prepare(
    'INSERT INTO statements (type, subject, version, body, signature, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?)',
  ).run(type, entered.subject, entered.version, body, signature, entered.at, entered.actor)
}

/** Reads the newest rows of a kind about a subject, newest first, at most two. */
export function newestRows(db: Database.Database): (type: RegistryType, subject: string) => StatementRow[] {
  const query = db.prepare<[string, string], StatementRow>(
    'SELECT type, subject, version, body, signature FROM statements WHERE type = ? AND subject = ? ' +
      'ORDER BY version DESC LIMIT 2',
  )
  return (type, subject) => query.all(type, subject)
}
