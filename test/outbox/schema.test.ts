import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { openFile } from '../../src/outbox/schema.ts'

let folder = ''
const megabyte = 1024 * 1024
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const codeIn = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return 'none'
}

test('every commit is synchronous after a write, on a new file and on one opened again', () => {
  const path = join(folder, 'outbox.db')
  for (const token of [1, 2]) {
    const db = openFile(path, megabyte)
    db.prepare("UPDATE meta SET value = ? WHERE name = 'token'").run(token)
    // 2 is FULL (SQLite manual, PRAGMA synchronous)
    expect(db.pragma('synchronous', { simple: true })).toBe(2)
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(db.pragma('page_size', { simple: true })).toBe(4096)
    expect(db.pragma('max_page_count', { simple: true })).toBe(256)
    expect(db.pragma('locking_mode', { simple: true })).toBe('exclusive')
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1)
    expect(db.pragma('trusted_schema', { simple: true })).toBe(0)
    expect(db.pragma('cell_size_check', { simple: true })).toBe(1)
    expect(db.pragma('secure_delete', { simple: true })).toBe(0)
    expect(db.pragma('temp_store', { simple: true })).toBe(2)
    expect(db.pragma('journal_size_limit', { simple: true })).toBe(8 * megabyte)
    db.close()
  }
  const plain = new Database(path)
  expect(plain.prepare("SELECT value FROM meta WHERE name = 'opened'").pluck().get()).toBe(2)
  const tables = plain.pragma('table_list') as { schema: string; name: string; strict: number }[]
  const own = tables.filter(({ name }) => !name.startsWith('sqlite_'))
  expect(own.map(({ name }) => name).sort()).toEqual([
    'abandoned',
    'abandonment',
    'epoch',
    'gone',
    'intent',
    'meta',
    'proof',
    'receipt',
    'row',
  ])
  expect(own.every(({ strict }) => strict === 1)).toBe(true)
  plain.close()
})

test('a second opener is refused, and the file is free again after closing', () => {
  const path = join(folder, 'outbox.db')
  const first = openFile(path, megabyte)
  expect(codeIn(() => openFile(path, megabyte))).toBe('outbox.locked')
  first.close()
  openFile(path, megabyte).close()
})

test('a file that is no outbox, and one of a later format, are refused', () => {
  const noise = join(folder, 'noise.db')
  writeFileSync(noise, Buffer.alloc(8192, 0x5a), { mode: 0o600 })
  expect(codeIn(() => openFile(noise, megabyte))).toBe('outbox.damaged')
  const later = join(folder, 'later.db')
  const db = new Database(later)
  db.pragma('user_version = 99')
  db.close()
  chmodSync(later, 0o600)
  expect(codeIn(() => openFile(later, megabyte))).toBe('outbox.damaged')
})

test('no file of the outbox may be read by others, whatever the umask, and one that may is refused', () => {
  const path = join(folder, 'outbox.db')
  const umask = process.umask(0)
  try {
    const db = openFile(path, megabyte)
    const made = readdirSync(folder)
    // SQLite gives journal and shared memory the rights of the file (os_unix.c, findCreateFileMode)
    expect(made.sort()).toEqual(['outbox.db', 'outbox.db-wal'])
    for (const one of made) expect(statSync(join(folder, one)).mode & 0o777).toBe(0o600)
    db.close()
  } finally {
    process.umask(umask)
  }
  chmodSync(path, 0o644)
  expect(codeIn(() => openFile(path, megabyte))).toBe('permission')
})
