import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { isFault } from '../../src/base/fault.ts'
import { readSecretFile, readTextFile, writeFileAtomic, writeSecretFile } from '../../src/base/files.ts'
import { lockKeyfile, makeSecret, readSecret, unlockKeyfile } from '../../src/base/keyfile.ts'
import { refuseOldNode } from '../../src/base/node.ts'
import { exitOf } from '../../src/base/output.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-keyfile-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const faultOf = (act: () => unknown) => {
  try {
    act()
  } catch (error) {
    if (isFault(error)) return error
    throw error
  }
  throw new Error('no fault was thrown')
}
const secret = Uint8Array.from({ length: 32 }, (_, at) => at)

// Both made with PyNaCl's SecretBox and Python's hashlib.scrypt from WIRE 11 alone.
const underSecret =
  '{"keyfile":1,"lock":{"kind":"secret"},"nonce":"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7","sealed":"exf0cbiX9fY7vcdLBBj7fcVPj2ZPdVhFyBk0RVOO"}'
const underPassphrase =
  '{"keyfile":1,"lock":{"kind":"scrypt","n":32768,"r":8,"p":1,"salt":"yMnKy8zNzs_Q0dLT1NXW19jZ2tvc3d7f4OHi4-Tl5uc"},"nonce":"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7","sealed":"dY7fRXAKnia4GdGPtXZjoMQM198pyKNvzmtJwxTJ"}'

test('a key file made elsewhere from the specification opens', () => {
  expect(unlockKeyfile(underSecret, { secret })).toEqual({ seed: 'abc' })
  expect(unlockKeyfile(underPassphrase, { passphrase: 'grüne Wiese' })).toEqual({ seed: 'abc' })
})

test('what was locked is unlocked by the same lock and shows nothing of its content', () => {
  const holds = { seed: 'canary-7f3a', n: 2 }
  for (const lock of [{ secret }, { passphrase: 'correct horse' }]) {
    const text = lockKeyfile(holds, lock)
    expect(text).not.toContain('canary')
    expect(unlockKeyfile(text, lock)).toEqual(holds)
    expect(lockKeyfile(holds, lock)).not.toBe(text)
  }
})

test('another secret, another passphrase, another kind of lock or a changed byte keep it locked', () => {
  const other = Uint8Array.from(secret, byte => byte ^ 1)
  expect(faultOf(() => unlockKeyfile(underSecret, { secret: other })).code).toBe('key.locked')
  expect(faultOf(() => unlockKeyfile(underPassphrase, { passphrase: 'gruene Wiese' })).code).toBe(
    'key.locked',
  )
  expect(faultOf(() => unlockKeyfile(underPassphrase, { secret })).code).toBe('key.locked')
  expect(faultOf(() => unlockKeyfile(underSecret.replace('exf0', 'exf1'), { secret })).code).toBe(
    'key.locked',
  )
})

test('what is no key file is refused without quoting it', () => {
  const spoilt = [
    '{"seed":"canary-7f3a"',
    '[]',
    underSecret.replace('"keyfile":1', '"keyfile":2'),
    underSecret.replace('"nonce"', '"more":1,"nonce"'),
    underSecret.replace('RVOO"', 'RVOO="'),
    underPassphrase.replace('32768', '1073741824'),
  ]
  for (const text of spoilt) {
    const fault = faultOf(() => unlockKeyfile(text, { secret }))
    expect(fault.code).toBe('key.invalid')
    expect(fault.message).not.toContain('canary')
  }
})

test('a secret file is 0600, 32 bytes, and refused when others may read it', () => {
  const path = join(folder, 'keyfile.secret')
  const made = makeSecret(path)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readSecret(path)).toEqual(made)
  chmodSync(path, 0o640)
  const fault = faultOf(() => readSecret(path))
  expect(fault.code).toBe('permission')
  expect(fault.hint).toContain(`chmod 600 ${path}`)
  expect(exitOf(fault)).toBe(13)
  chmodSync(path, 0o600)
  writeFileSync(path, 'short')
  expect(faultOf(() => readSecret(path)).code).toBe('key.invalid')
  expect(faultOf(() => readSecretFile(join(folder, 'absent'))).code).toBe('key.missing')
})

test('an atomic write replaces the whole file, leaves nothing beside it and keeps the old one on failure', () => {
  const path = join(folder, 'inner.json')
  writeFileAtomic(path, 'a long first content')
  writeFileAtomic(path, 'second')
  expect(readTextFile(path)).toBe('second')
  expect(statSync(path).mode & 0o777).toBe(0o644)
  writeSecretFile(path, 'third')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readFileSync(path, 'utf8')).toBe('third')
  expect(readdirSync(folder).filter(name => name.endsWith('.tmp'))).toEqual([])
  expect(faultOf(() => writeFileAtomic(join(folder, 'no', 'where'), 'x')).code).toBe('file.missing')
})

test('an old Node.js is refused with a hint and exit code 78, the pinned one is not', () => {
  const fault = faultOf(() => refuseOldNode('20.19.0'))
  expect(fault.message).toBe('Node.js 20.19.0 is too old, 24 or newer is needed')
  expect(fault.hint).toContain('scripts/vitalgate')
  expect(exitOf(fault)).toBe(78)
  expect(() => refuseOldNode()).not.toThrow()
  expect(() => refuseOldNode('24.0.0')).not.toThrow()
})
