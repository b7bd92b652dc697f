import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { isFault } from '../../src/base/fault.ts'
import { initialise } from '../../src/receiver/init.ts'
import { runReceiver } from '../../src/receiver/run.ts'
import {
  adoptSecret,
  brokerTls,
  clientTls,
  ownLock,
  paths,
  readSecrets,
  readServerKeys,
  readSigner,
} from '../../src/receiver/state.ts'
import { planAt } from './box.ts'

// The receiver's key files and the credential `vitalgate-receiver-secret`.
let folder = ''
let before: string | undefined
const state = () => join(folder, 'state')
const credentials = () => join(folder, 'credentials')
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-receiver-secret-'))
  mkdirSync(credentials())
  before = process.env.CREDENTIALS_DIRECTORY
  delete process.env.CREDENTIALS_DIRECTORY
})
afterEach(() => {
  if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY
  else process.env.CREDENTIALS_DIRECTORY = before
  rmSync(folder, { recursive: true, force: true })
})

const passphrase = 'a passphrase for the bench'
const init = (port = 8883) =>
  initialise(state(), { ...planAt(1_780_000_000_000), port }, async () => passphrase)
const hand = (byte: number): void => {
  process.env.CREDENTIALS_DIRECTORY = credentials()
  writeFileSync(join(credentials(), 'vitalgate-receiver-secret'), Buffer.alloc(32, byte), { mode: 0o600 })
}
const sealed = ['ca.sealed', 'operator.sealed', 'root.sealed', 'server.sealed', 'successor.sealed']
const contents = () => sealed.map(name => readFileSync(join(state(), name), 'utf8'))

/** Every key that this receiver holds, by what each is known as. */
const held = () => ({
  server: readServerKeys(state()).id,
  operator: readSigner(state(), 'operator', ownLock(state())).kid,
  authority: readSecrets(state(), 'authority', ownLock(state())).key,
  root: readSigner(state(), 'root', { passphrase }).kid,
  tls: [brokerTls(state()).key, clientTls(state()).key],
})

test('init under a credential makes no secret file', async () => {
  hand(1)
  await init()
  expect(readdirSync(state())).not.toContain('keyfile.secret')
  expect(held().server).toHaveLength(26)
})

test('a late credential takes operator, CA and server keys over at start-up; the root stays under its passphrase', async () => {
  await init(0)
  const keys = held()
  const [, , root, , successor] = contents()
  hand(2)
  expect(held()).toEqual(keys)
  const end = new AbortController()
  await runReceiver({ state: state(), signal: end.signal, onReady: () => end.abort() })
  expect(existsSync(paths(state()).secret)).toBe(false)
  expect(held()).toEqual(keys)
  expect([contents()[2], contents()[4]]).toEqual([root, successor])
  delete process.env.CREDENTIALS_DIRECTORY
  expect(() => readServerKeys(state())).toThrow(expect.objectContaining({ code: 'key.missing' }))
})

test('a foreign credential opens nothing, changes nothing, and the receiver does not start', async () => {
  hand(3)
  await init(0)
  hand(4)
  const kept = contents()
  expect(adoptSecret(state())).toBe(false)
  const why = await runReceiver({ state: state() }).catch((error: unknown) => error)
  expect(isFault(why, 'key.locked') && why.message).toContain('vitalgate-receiver-secret')
  expect(contents()).toEqual(kept)
})
