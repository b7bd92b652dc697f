import type Database from 'better-sqlite3'
import { hex, sha256 } from '../base/bytes.ts'
import { encodeBody, type Statement } from '../wire/statement.ts'
import { appendLog } from './registry-log.ts'
import { statementAt } from './registry-rows.ts'
import type { Store } from './store.ts'

/** What goes down to a gateway that belongs to another server by now (WIRE 9.11). */
export interface MoveRow {
  gateway: string
  /** That of the binding. */
  version: number
  server: string
  /** The version of that server's entry. */
  entry: number
  /** PEM: for the gateway's own TLS key, by a CA of that entry. */
  certificate: string
  at: number
  actor: string
}

/** Append-only, as the registry is. */
export const movesSchema = `
CREATE TABLE IF NOT EXISTS moves (
  gateway TEXT NOT NULL, version INTEGER NOT NULL,
  server TEXT NOT NULL, entry INTEGER NOT NULL, certificate TEXT NOT NULL,
  at INTEGER NOT NULL, actor TEXT NOT NULL,
  PRIMARY KEY (gateway, version)
) STRICT;
CREATE TRIGGER IF NOT EXISTS moves_stay BEFORE UPDATE ON moves
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;
CREATE TRIGGER IF NOT EXISTS moves_remain BEFORE DELETE ON moves
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;
`

/** How the log names a move, and its hash: over the row's compact JSON. */
export const movePlace = ({ gateway, version, server }: MoveRow): string =>
  `move ${version} of ${gateway} to ${server}`
export const moveHash = ({ gateway, version, server, entry, certificate, at, actor }: MoveRow): string =>
  hex(sha256(encodeBody({ gateway, version, server, entry, certificate, at, actor })))

/** Appends a move and its entry to the log. Inside the transaction that enters its binding. */
export function insertMove(store: Store, row: MoveRow): void {
  const { gateway, version, server, entry, certificate, at, actor } = row
  store.run(
    'INSERT INTO moves (gateway, version, server, entry, certificate, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...[gateway, version, server, entry, certificate, at, actor],
  )
  appendLog(store.db, { at, actor, act: 'moved', subject: movePlace(row), hash: moveHash(row) })
}

/** What a gateway needs to follow: binding, entry of the other server, certificate. */
export function moveOf(
  db: Database.Database,
  gateway: string,
  version: number,
): { statements: Statement[]; certificate: string } | undefined {
  const row = db
    .prepare<[string, number], MoveRow>('SELECT * FROM moves WHERE gateway = ? AND version = ?')
    .get(gateway, version)
  if (row === undefined) return undefined
  const binding = statementAt(db, 'binding', gateway, version)
  const entry = statementAt(db, 'server-entry', row.server, row.entry)
  return binding === undefined || entry === undefined
    ? undefined
    : { statements: [binding, entry], certificate: row.certificate }
}
