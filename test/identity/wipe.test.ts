import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { loadIdentity } from '../../src/identity/identity.ts'
import { makeKeys } from '../../src/identity/keys.ts'
import { beginWipe, finishWipe } from '../../src/identity/wipe.ts'

let folder = ''
let state = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-wipe-'))
  state = join(folder, 'state')
  mkdirSync(state, { mode: 0o700 })
})
afterEach(() => rmSync(folder, { recursive: true }))

const ours = [
  ...[
    'identity.json',
    'route.json',
    'registry.json',
    'devices.toml',
    'settings.toml',
    'outbox.db',
    'outbox.db-wal',
    'outbox.db-shm',
  ],
  ...['outbox.db.ballast', 'outbox.db.corrupt-1780000000000', 'keys.sealed.0123456789ab.tmp'],
]

test('nothing is touched that nobody began to wipe', () => {
  makeKeys(state)
  for (const name of ours) writeFileSync(join(state, name), 'x')
  const before = readdirSync(state).sort()
  expect(finishWipe(state)).toBe(false)
  expect(readdirSync(state).sort()).toEqual(before)
})

test('everything of ours goes, what is not ours stays, and the folder is that of a fresh box', () => {
  makeKeys(state)
  for (const name of ours) writeFileSync(join(state, name), 'x')
  writeFileSync(join(state, 'notes.txt'), 'of a technician')
  beginWipe(state)
  expect(finishWipe(state)).toBe(true)
  expect(readdirSync(state)).toEqual(['notes.txt'])
  expect(loadIdentity(state)).toEqual({ phase: 'fresh' })
  expect(finishWipe(state)).toBe(false)
})

test('cut short after any file, the next start goes on', () => {
  makeKeys(state)
  for (const name of ours) writeFileSync(join(state, name), 'x')
  beginWipe(state)
  for (const name of readdirSync(state).filter(one => one !== 'wiping')) {
    rmSync(join(state, name))
    beginWipe(state)
  }
  expect(finishWipe(state)).toBe(true)
  expect(readdirSync(state)).toEqual([])
})

test('a link in the place of a key is removed, and what it leads to is not overwritten', () => {
  const target = join(folder, 'target')
  writeFileSync(target, 'of somebody else')
  symlinkSync(target, join(state, 'keys.sealed'))
  beginWipe(state)
  expect(finishWipe(state)).toBe(true)
  expect([readdirSync(state), readFileSync(target, 'utf8')]).toEqual([[], 'of somebody else'])
})
