import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { flags, noteNames } from '../../src/wire/flags.ts'

test('flags and notes are two lists that share nothing', () => {
  expect(new Set(noteNames).size).toBe(noteNames.length)
  for (const flag of Object.keys(flags)) expect(flag).toMatch(/^[A-Z]+(?:_[A-Z]+)*$/)
  for (const note of noteNames) expect(note).toMatch(/^[a-z]+(?:-[a-z]+)*$/)
})

test('docs/FLAGS.md names every flag and note', () => {
  const page = new URL('../../docs/FLAGS.md', import.meta.url)
  const text = existsSync(page) ? readFileSync(page, 'utf8') : undefined
  const missing = [...Object.keys(flags), ...noteNames].filter(name => text?.includes(name) === false)
  expect(missing).toEqual([])
})

test('SERVER_KEY_UNPINNED, BROKER_REFUSED and DUPLICATE never quarantine; what lacks proof does', () => {
  expect(flags).toMatchObject({
    SERVER_KEY_UNPINNED: 'refuse',
    BROKER_REFUSED: 'refuse',
    DUPLICATE: 'ignore',
    GAP: 'flag',
    FORK: 'flag',
    UNKNOWN_KEY: 'quarantine',
    BAD_SIG: 'quarantine',
  })
})
