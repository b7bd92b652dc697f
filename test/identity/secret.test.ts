import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { isFault } from '../../src/base/fault.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { adoptSecret, readKeys, savePins } from '../../src/identity/keys.ts'
import { places } from '../../src/identity/places.ts'
import { makeRequest } from '../../src/identity/provision.ts'

// The gateway's key file and the credential `vitalgate-secret`; what adoption does is in test/base/secret.test.ts.
let folder = ''
let before: string | undefined
const state = () => join(folder, 'state')
const credentials = () => join(folder, 'credentials')
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-identity-secret-'))
  mkdirSync(credentials())
  before = process.env.CREDENTIALS_DIRECTORY
  delete process.env.CREDENTIALS_DIRECTORY
})
afterEach(() => {
  if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY
  else process.env.CREDENTIALS_DIRECTORY = before
  rmSync(folder, { recursive: true, force: true })
})

const facts = { hardware: 'test box', software: '0.0.0', clock: { now: () => 0, mono: () => 0 } }
const hand = (byte: number): void => {
  process.env.CREDENTIALS_DIRECTORY = credentials()
  writeFileSync(join(credentials(), 'vitalgate-secret'), Buffer.alloc(32, byte), { mode: 0o600 })
}
const codeThrown = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    return isFault(error) ? error.code : 'bug'
  }
  return 'none'
}

test('a box that has its credential from the start never writes a secret beside its keys', async () => {
  hand(1)
  await makeRequest(state(), facts)
  expect(readdirSync(state()).sort()).toEqual(['identity.json', 'keys.sealed'])
  expect(loadIdentity(state()).phase).toBe('requested')
  delete process.env.CREDENTIALS_DIRECTORY
  expect(codeThrown(() => loadIdentity(state()))).toBe('key.missing')
})

test('a box that gets one later keeps its keys; before and after its start-up they open', async () => {
  await makeRequest(state(), facts)
  const { gateway, signSeed } = readKeys(state())
  hand(2)
  expect(readKeys(state()).gateway).toBe(gateway)
  expect(adoptSecret(state())).toBe(true)
  expect(existsSync(places(state()).secret)).toBe(false)
  expect(readKeys(state()).signSeed).toEqual(signSeed)
  expect(adoptSecret(state())).toBe(false)
  const root = Buffer.alloc(32, 0x58).toString('base64url')
  const pins = { root, successor: null, versions: { binding: 1, serverEntry: 1 } }
  savePins(state(), pins)
  expect(readKeys(state()).pins).toEqual(pins)
})

test('a credential that is another box’s opens nothing and changes nothing', async () => {
  hand(3)
  await makeRequest(state(), facts)
  hand(4)
  const kept = readFileSync(places(state()).keys, 'utf8')
  expect(adoptSecret(state())).toBe(false)
  expect(codeThrown(() => loadIdentity(state()))).toBe('key.locked')
  expect(await makeRequest(state(), facts).catch((error: unknown) => isFault(error, 'key.locked'))).toBe(true)
  const pins = { root: 'x', successor: null, versions: { binding: 1, serverEntry: 1 } }
  expect(codeThrown(() => savePins(state(), pins))).toBe('key.locked')
  expect(readFileSync(places(state()).keys, 'utf8')).toBe(kept)
  hand(3)
  expect(loadIdentity(state()).phase).toBe('requested')
})
