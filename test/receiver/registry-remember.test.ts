import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { remembering, standing } from '../../src/receiver/registry-remember.ts'

let db: Database.Database
beforeEach(() => {
  db = new Database(':memory:')
  db.exec('CREATE TABLE statements (id INTEGER PRIMARY KEY, word TEXT)')
})
afterEach(() => void db.close())

const enter = (word: string) => db.prepare('INSERT INTO statements (word) VALUES (?)').run(word)
const newest = () =>
  remembering(db).one(() =>
    db.prepare<[], string>("SELECT coalesce(max(word), 'none') FROM statements").pluck().get(),
  )

test('an answer is remembered until something was entered', () => {
  const answer = newest()
  expect(answer()).toBe('none')
  enter('a')
  expect(answer()).toBe('a')
  db.exec("UPDATE statements SET word = 'changed'")
  expect(answer()).toBe('a')
  enter('d')
  expect(answer()).toBe('d')
})

test('while the registry stands still what is entered waits; right after it counts', () => {
  const answer = newest()
  enter('a')
  const seen = standing(db, () => {
    const first = answer()
    enter('b')
    return [first, answer(), standing(db, answer), answer()]
  })
  expect(seen).toEqual(['a', 'a', 'a', 'a'])
  expect(answer()).toBe('b')
})

test('work that throws leaves nothing standing', () => {
  const answer = newest()
  const broken = () =>
    standing(db, () => {
      answer()
      throw new Error('broken')
    })
  expect(broken).toThrow('broken')
  enter('a')
  expect(answer()).toBe('a')
})

test('each database stands by itself', () => {
  const other = new Database(':memory:')
  try {
    standing(other, () => {
      const answer = newest()
      expect(answer()).toBe('none')
      enter('a')
      expect(answer()).toBe('a')
    })
  } finally {
    other.close()
  }
})
