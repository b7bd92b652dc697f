import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { codeOf, Fault } from '../base/fault.ts'
import { isThere, makePrivateFile } from '../base/files.ts'
import { registrySchema } from './registry-schema.ts'
import { storeSchema } from './store-schema.ts'

/** A value that SQLite keeps. */
export type Cell = string | number | bigint | null | Uint8Array

/** The receiver's database. Each statement's text is compiled once. */
export interface Store {
  db: Database.Database
  /** Runs `work` in one transaction that holds the write lock from its start; on disk when it returns. */
  write<T>(work: () => T): T
  /** Runs `work` so that, if it throws, it alone has changed nothing. Inside `write`. */
  part<T>(work: () => T): T
  run(sql: string, ...cells: Cell[]): { changes: number; lastInsertRowid: number | bigint }
  get<T>(sql: string, ...cells: Cell[]): T | undefined
  all<T>(sql: string, ...cells: Cell[]): T[]
  each<T>(sql: string, ...cells: Cell[]): IterableIterator<T>
  close(): void
}

/** `PRAGMA synchronous` says FULL as 2. */
const full = 2

/**
 * Opens receiver.db, made or brought up to date where needed. Several processes may have it open: the
 * daemon, workers and the command line. Faults: `store.damaged` where the file is none of ours or cannot
 * keep what it is given, `permission` where others may read it.
 */
export function openStore(path: string): Store {
  try {
    return storeOf(openDatabase(path))
  } catch (error) {
    const code = codeOf(error)
    if (code === 'SQLITE_NOTADB' || code === 'SQLITE_CORRUPT') {
      throw new Fault('store.damaged', `${path} is damaged`, {
        hint: 'restore it from a backup; gateways send again what the backup does not hold',
        cause: error,
      })
    }
    throw error
  }
}

function openDatabase(path: string): Database.Database {
  if (!isThere(dirname(path))) {
    throw new Fault('file.missing', `there is no folder ${dirname(path)}`, {
      hint: 'name the state folder with --state',
    })
  }
  // SQLite would make it with the rights of the umask; its journal and shared memory then follow the file
  makePrivateFile(path)
  const db = new Database(path, { timeout: 5000 })
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = ON')
  // what a part of a transaction would take back is kept apart meanwhile: not in a file of its own
  db.pragma('temp_store = MEMORY')
  db.transaction(() => {
    storeSchema(db)
    db.exec(registrySchema)
    db.prepare(
      "INSERT INTO facts (name, value) VALUES ('opened', 1) ON CONFLICT DO UPDATE SET value = value + 1",
    ).run()
  }).immediate()
  // better-sqlite3 falls back to NORMAL with the first write in WAL mode unless told (DESIGN 4, traps)
  const synchronous = db.pragma('synchronous', { simple: true })
  if (synchronous !== full) {
    db.close()
    throw new Fault(
      'store.damaged',
      `database keeps synchronous=${String(synchronous)} instead of FULL: ${path}`,
    )
  }
  return db
}

function storeOf(db: Database.Database): Store {
  const compiled = new Map<string, Database.Statement<Cell[]>>()
  const statement = (sql: string): Database.Statement<Cell[]> => {
    let found = compiled.get(sql)
    if (found === undefined) {
      found = db.prepare<Cell[]>(sql)
      compiled.set(sql, found)
    }
    return found
  }
  // made once: each call of db.transaction would build a new one
  const transact = db.transaction((work: () => unknown) => work())
  return {
    db,
    write: <T>(work: () => T) => transact.immediate(work) as T,
    part: <T>(work: () => T) => transact(work) as T,
    run: (sql, ...cells) => statement(sql).run(...cells),
    get: <T>(sql: string, ...cells: Cell[]) => statement(sql).get(...cells) as T | undefined,
    all: <T>(sql: string, ...cells: Cell[]) => statement(sql).all(...cells) as T[],
    // compiled anew: a statement that is being walked cannot run a second time
    each: <T>(sql: string, ...cells: Cell[]) =>
      db.prepare<Cell[]>(sql).iterate(...cells) as IterableIterator<T>,
    close: () => {
      db.close()
    },
  }
}

/** The UTC day of a time, `2026-11-22`: what daily limits count by. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** Counts something that is not worth a row of its own, by day and gateway. Inside `write`. */
export function count(store: Store, name: string, gateway: string | null, at: number): void {
  store.run(
    'INSERT INTO counters (day, name, gateway, n) VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1',
    dayOf(at),
    name,
    gateway ?? '',
  )
}

/** How often something was counted on all days together. */
export function counted(store: Store, name: string): number {
  const row = store.get<{ n: number | null }>('SELECT sum(n) AS n FROM counters WHERE name = ?', name)
  return row?.n ?? 0
}
