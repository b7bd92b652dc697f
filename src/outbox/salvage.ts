import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { codeOf, isFault } from '../base/fault.ts'
import { rescue } from './rescue.ts'
import { openFile, syncFolder } from './schema.ts'

/** The other files of a database: journal and shared memory. Never parted from it (SQLite, How To Corrupt). */
const beside = ['', '-wal', '-shm'] as const

const markOf = (path: string): string => `${path}.suspect`

/** Whether SQLite says that the file itself is not as it wrote it. */
export function isCorrupt(error: unknown): boolean {
  const code = codeOf(isFault(error) ? error.cause : error)
  return code !== undefined && /^SQLITE_(?:CORRUPT|NOTADB)/.test(code)
}

/** Notes beside the file that it is corrupt, so that the next opening salvages it. */
export const suspect = (path: string): void => {
  writeFileSync(markOf(path), '')
  syncFolder(path)
}

/** Says that the new outbox is whole, and has only to take the place of the corrupt one. */
const doneOf = (path: string): string => `${path}.salvaged-whole`

/** Whether the file was found corrupt and not salvaged yet, or its salvage was interrupted. */
export const isSuspect = (path: string): boolean => existsSync(markOf(path)) || existsSync(doneOf(path))

/** What can be read; where the page is destroyed, nothing. */
function read<T>(work: () => T[]): T[] {
  try {
    return work()
  } catch (error) {
    if (isCorrupt(error)) return []
    throw error
  }
}

/** Whether there is such a table: a file of an older program has not all of them. */
const hasTable = (db: Database.Database, table: string): boolean =>
  read(() => db.prepare<[string]>('SELECT 1 FROM sqlite_schema WHERE name = ?').all(table)).length > 0

/** Copies row by row what SQLite can still reach. Rows that are gone are found by the chain's check. */
function copy(from: Database.Database, to: Database.Database, path: string): number {
  const insert = (table: string, row: Record<string, unknown>): void => {
    const names = Object.keys(row)
    const marks = names.map(() => '?').join(', ')
    to.prepare(`INSERT OR REPLACE INTO ${table} (${names.join(', ')}) VALUES (${marks})`).run(
      ...Object.values(row),
    )
  }
  type Stored = Record<string, unknown>
  const all = (table: string): Stored[] =>
    hasTable(from, table) ? read(() => from.prepare<[], Stored>(`SELECT * FROM ${table}`).all()) : []
  const epochs = all('epoch') as { id: number; base: number; seq: number }[]
  for (const table of ['meta', 'proof']) for (const row of all(table)) insert(table, row)
  for (const epoch of epochs) insert('epoch', { ...epoch })
  for (const table of ['gone', 'receipt', 'intent', 'abandonment', 'abandoned'])
    for (const row of all(table)) insert(table, row)
  const top = epochs.reduce((most, { base, seq }) => Math.max(most, base + seq), 0)
  let rows = 0
  for (let id = 1; id <= top; id++) {
    for (const row of read(() => from.prepare<[number], Stored>('SELECT * FROM row WHERE id = ?').all(id))) {
      insert('row', row)
      rows += 1
    }
  }
  rows += rescue(path, to)
  to.exec(`UPDATE epoch SET settled = 0,
    queued = (SELECT count(*) FROM row WHERE row.epoch = epoch.id AND state = 'queued'),
    receipted = (SELECT count(*) FROM row WHERE row.epoch = epoch.id AND state = 'receipted')`)
  // what was given up stays given up, be it deleted or not
  to.exec(
    `UPDATE epoch SET settled = seq, queued = 0, receipted = 0 WHERE id IN (SELECT epoch FROM abandoned)`,
  )
  return rows
}

/** What a salvage brought over, and where the corrupt file was put. */
export interface Salvaged {
  rows: number
  aside: string
}

/** Copies what can be read into a new outbox, all of it on the disk afterwards; how many rows. */
function renew(path: string, fresh: string, quotaBytes: number): number {
  for (const end of beside) rmSync(fresh + end, { force: true })
  const to = openFile(fresh, quotaBytes)
  try {
    const from = new Database(path)
    try {
      return read(() => [to.transaction(() => copy(from, to, path))()])[0] ?? 0
    } finally {
      from.close()
    }
  } finally {
    to.close()
  }
}

/**
 * Makes a new outbox of what can be read of a corrupt one, and puts the corrupt one aside, never deleting
 * it. Interrupted at any point, it can be done again: from its beginning until the new one is whole, from there
 * on only what is left of the renaming.
 */
export function salvage(path: string, quotaBytes: number, now: number): Salvaged {
  const fresh = `${path}.salvaged`
  const aside = `${path}.corrupt-${now}`
  let rows = 0
  if (!existsSync(doneOf(path))) {
    rows = renew(path, fresh, quotaBytes)
    writeFileSync(doneOf(path), '')
    syncFolder(path)
  }
  // Where it is there no more, it is in its place already
  if (existsSync(fresh)) {
    for (const end of beside) if (existsSync(path + end)) renameSync(path + end, aside + end)
    syncFolder(path)
    renameSync(fresh, path)
    syncFolder(path)
  }
  for (const mark of [markOf(path), doneOf(path)]) rmSync(mark, { force: true })
  syncFolder(path)
  return { rows, aside }
}
