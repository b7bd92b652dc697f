import { closeSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { codeOf, Fault } from '../base/fault.ts'
import { makePrivateFile } from '../base/files.ts'

/** Bytes of one page of the database: flash and ext4 work in blocks of this size. */
export const pageSize = 4096

/** The journal is folded into the database after so many pages: it must fit into the ballast (see there). */
export const foldPages = 256

const version = 1

// Rows of one epoch have the ids base + 1 to base + seq, and a later epoch's base lies above: so one tree
// orders rows by age, finds (epoch, seq) without an index, and never gives an id or a seq twice.
const tables = `
CREATE TABLE epoch (
  id INTEGER PRIMARY KEY,
  epoch TEXT NOT NULL UNIQUE CHECK (length(epoch) = 16),
  server TEXT NOT NULL,
  kid TEXT NOT NULL,
  opened INTEGER NOT NULL,
  base INTEGER NOT NULL,
  zero BLOB NOT NULL,
  seq INTEGER NOT NULL,
  head BLOB NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0,
  regretted INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL DEFAULT 0,
  receipted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE row (
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL REFERENCES epoch (id),
  seq INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'receipted', 'lost')),
  taken INTEGER NOT NULL,
  receipted INTEGER,
  prev BLOB NOT NULL,
  head BLOB NOT NULL,
  envelope BLOB NOT NULL
) STRICT;
CREATE TABLE gone (
  epoch INTEGER NOT NULL REFERENCES epoch (id),
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  before BLOB NOT NULL,
  after BLOB NOT NULL,
  why TEXT NOT NULL CHECK (why IN ('forgotten', 'missing', 'altered')),
  PRIMARY KEY (epoch, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE proof (
  id INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  body BLOB NOT NULL,
  signature BLOB NOT NULL
) STRICT;
CREATE TABLE receipt (
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL REFERENCES epoch (id),
  seq INTEGER NOT NULL,
  head BLOB NOT NULL,
  holes TEXT NOT NULL,
  time INTEGER NOT NULL,
  proof INTEGER NOT NULL REFERENCES proof (id)
) STRICT;
CREATE INDEX receipt_epoch ON receipt (epoch);
CREATE INDEX receipt_proof ON receipt (proof);
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('token', 0), ('opened', 0);
`

// Tables that came later, and that an older program does without: no other format
const later = `
CREATE TABLE IF NOT EXISTS intent (
  id INTEGER PRIMARY KEY,
  intent TEXT NOT NULL UNIQUE CHECK (length(intent) = 32),
  verb TEXT NOT NULL,
  begun INTEGER NOT NULL,
  outcome TEXT CHECK (outcome IN ('done', 'failed', 'interrupted')),
  detail TEXT,
  epoch TEXT,
  seq INTEGER,
  row INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS abandonment (
  id INTEGER PRIMARY KEY,
  intent TEXT NOT NULL UNIQUE CHECK (length(intent) = 32),
  what TEXT NOT NULL CHECK (what IN ('server', 'key')),
  named TEXT NOT NULL,
  orders TEXT NOT NULL,
  at INTEGER NOT NULL,
  count INTEGER,
  first INTEGER,
  last INTEGER,
  done INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS abandoned (
  epoch INTEGER PRIMARY KEY REFERENCES epoch (id),
  count INTEGER NOT NULL,
  intent TEXT NOT NULL,
  swept INTEGER NOT NULL
) STRICT;
`

/** What went wrong in SQLite, as a fault; anything that is not SQLite's stays what it is. */
export function storeFault(error: unknown): unknown {
  const code = codeOf(error)
  if (error instanceof Fault || code === undefined || !code.startsWith('SQLITE_')) return error
  if (code === 'SQLITE_FULL') {
    return new Fault('outbox.full', 'outbox has reached its quota, or the disk is full', {
      cause: error,
      hint: 'connect the gateway to its server, or free disk space',
    })
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return new Fault('outbox.locked', 'outbox is in use by another process', {
      cause: error,
      hint: 'only one gateway daemon may run on one state folder',
    })
  }
  return new Fault('outbox.damaged', `outbox cannot be read or written (${code})`, { cause: error })
}

/** Makes a new file's name as durable as its content: SQLite syncs the file, not its folder. */
export function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** better-sqlite3 is built with SQLITE_DEFAULT_WAL_SYNCHRONOUS=1: only after a write does it show. */
function assertDurable(db: Database.Database): void {
  db.exec("UPDATE meta SET value = value + 1 WHERE name = 'opened'")
  const synchronous = db.pragma('synchronous', { simple: true })
  const journal = db.pragma('journal_mode', { simple: true })
  if (synchronous !== 2 || journal !== 'wal') {
    throw new Fault('outbox.damaged', `outbox is not durable: journal ${journal}, synchronous ${synchronous}`)
  }
}

/** The database never grows beyond so many bytes; what is there already stays. */
export const limitPages = (db: Database.Database, quotaBytes: number): void =>
  void db.pragma(`max_page_count = ${Math.max(1, Math.floor(quotaBytes / pageSize))}`)

function prepare(db: Database.Database, path: string, quotaBytes: number): void {
  // First, so that no other process ever shares the file and no shared-memory file is made
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma(`page_size = ${pageSize}`)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('trusted_schema = OFF')
  db.pragma('cell_size_check = ON')
  db.pragma('foreign_keys = ON')
  db.pragma('temp_store = MEMORY')
  db.pragma('mmap_size = 0')
  // Off is right where only sealed bytes are stored, and saves writes
  db.pragma('secure_delete = OFF')
  db.pragma(`wal_autocheckpoint = ${foldPages}`)
  db.pragma(`journal_size_limit = ${8 * 1024 * 1024}`)
  limitPages(db, quotaBytes)
  const found = db.pragma('user_version', { simple: true })
  if (found === 0) {
    db.exec(`BEGIN IMMEDIATE; ${tables} PRAGMA user_version = ${version}; COMMIT`)
    syncFolder(path)
  } else if (found !== version) {
    throw new Fault('outbox.damaged', `outbox has format ${found}, this program knows ${version}`, {
      hint: 'run the version of Vitalgate that made it, or a newer one',
    })
  }
  db.exec(later)
  assertDurable(db)
}

/**
 * Opens the outbox's file for this process alone, durable on every commit, never larger than the quota.
 * Faults: `outbox.locked` where another process has it, `outbox.damaged` where it is none, `permission` where
 * others may read it.
 */
export function openFile(path: string, quotaBytes: number): Database.Database {
  let db: Database.Database | undefined
  // SQLite would make it with the rights of the umask; journal and shared memory then follow the file
  makePrivateFile(path)
  try {
    db = new Database(path, { timeout: 1000 })
    prepare(db, path, quotaBytes)
    return db
  } catch (error) {
    db?.close()
    throw storeFault(error)
  }
}
