import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { initialise } from '../../src/receiver/init.ts'
import { readFacts } from '../../src/receiver/state.ts'
import { count, counted, dayOf, openStore } from '../../src/receiver/store.ts'
import { morning, thrownBy } from './fixture.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  path = join(folder, 'receiver.db')
})
afterEach(() => rmSync(folder, { recursive: true }))

test('every commit is on disk: WAL, and synchronous stays FULL behind a write', () => {
  const store = openStore(path)
  expect(store.db.pragma('journal_mode', { simple: true })).toBe('wal')
  store.write(() => count(store, 'DUPLICATE', null, morning))
  // 2 is FULL (sqlite.org/pragma.html#pragma_synchronous)
  expect(store.db.pragma('synchronous', { simple: true })).toBe(2)
  store.close()
})

test('a work that throws leaves nothing behind', () => {
  const store = openStore(path)
  const work = () => {
    count(store, 'DUPLICATE', null, morning)
    throw new Error('half way')
  }
  expect(() => store.write(work)).toThrow('half way')
  expect(counted(store, 'DUPLICATE')).toBe(0)
  store.close()
})

test('two processes count the same thing without losing any', () => {
  const [left, right] = [openStore(path), openStore(path)]
  for (const store of [left, right, left]) store.write(() => count(store, 'DUPLICATE', null, morning))
  expect(counted(right, 'DUPLICATE')).toBe(3)
  for (const store of [left, right]) store.close()
})

test('while one holds the write lock another cannot begin', () => {
  const [left, right] = [openStore(path), openStore(path)]
  right.db.pragma('busy_timeout = 0')
  left.write(() => {
    expect(thrownBy(() => right.write(() => undefined))).toBe('SQLITE_BUSY')
  })
  for (const store of [left, right]) store.close()
})

test.each([4, 99])('a database of another version, %i, is refused with a hint', version => {
  openStore(path).close()
  const db = new Database(path)
  db.pragma(`user_version = ${version}`)
  db.close()
  const opened = () => openStore(path)
  expect(thrownBy(opened)).toBe('store.damaged')
  expect(opened).toThrow(`version ${version}`)
})

test('a file that is no database is refused as damaged', () => {
  writeFileSync(path, 'not a database at all, only some text that is long enough to be looked at', {
    mode: 0o600,
  })
  expect(thrownBy(() => openStore(path))).toBe('store.damaged')
})

test('whatever the umask, only its owner may read the database and what lies beside it', () => {
  const before = process.umask(0)
  try {
    const store = openStore(path)
    store.write(() => count(store, 'DUPLICATE', null, morning))
    const modes = readdirSync(folder).map(name => [name, statSync(join(folder, name)).mode & 0o777])
    expect(modes.sort()).toEqual([
      ['receiver.db', 0o600],
      ['receiver.db-shm', 0o600],
      ['receiver.db-wal', 0o600],
    ])
    store.close()
  } finally {
    process.umask(before)
  }
})

test('a state folder that others may enter is refused, by init and by whatever reads it', async () => {
  chmodSync(folder, 0o755)
  expect(thrownBy(() => readFacts(folder))).toBe('permission')
  const plan = {
    hosts: ['localhost'],
    port: 8883,
    broker: 'embedded',
    announced: [],
    operator: 'operator',
    now: morning,
  }
  await expect(initialise(folder, plan, async () => 'correct horse battery')).rejects.toMatchObject({
    code: 'permission',
    hint: expect.stringContaining(`chmod 700 ${folder}`),
  })
  expect(readdirSync(folder)).toEqual([])
})

test('a folder that is not there is a fault, not a bug', () => {
  expect(thrownBy(() => openStore(join(folder, 'nowhere', 'receiver.db')))).toBe('file.missing')
})

test('acts about flags can be neither changed nor deleted', () => {
  const { db, close } = openStore(path)
  db.exec("INSERT INTO flag_acts (act, flag, at, actor, detail) VALUES ('raised', 'GAP', 0, 'receiver', '')")
  expect(() => db.exec("UPDATE flag_acts SET detail = 'x'")).toThrow('only appended')
  expect(() => db.exec('DELETE FROM flag_acts')).toThrow('only appended')
  close()
})

test('days are those of UTC', () => {
  expect(dayOf(Date.UTC(2026, 6, 11, 23, 59, 59, 999))).toBe('2026-07-11')
})
