import { execFileSync } from 'node:child_process'
import {
  chmodSync,
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
import { type Fault, isFault } from '../../src/base/fault.ts'
import { writeFileAtomic, writeSecretFile } from '../../src/base/files.ts'
import { lockKeyfile, unlockKeyfile } from '../../src/base/keyfile.ts'
import { adoptCredential, hasSecret, readCredential, readLock, wipeLock } from '../../src/base/secret.ts'

const name = 'vitalgate-secret'
const secretOf = (from: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, at) => from + at)
const old = secretOf(0)
const given = secretOf(100)
const foreign = secretOf(200)

let folder = ''
let before: string | undefined
const credentials = () => join(folder, 'credentials')
const credential = () => join(credentials(), name)
const file = () => join(folder, 'keyfile.secret')
const place = () => ({ credential: name, file: file() })
const keyfiles = () => ['a.sealed', 'b.sealed', 'c.sealed'].map(one => join(folder, one))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-secret-'))
  mkdirSync(credentials(), { mode: 0o700 })
  before = process.env.CREDENTIALS_DIRECTORY
  process.env.CREDENTIALS_DIRECTORY = credentials()
})
afterEach(() => {
  if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY
  else process.env.CREDENTIALS_DIRECTORY = before
  rmSync(folder, { recursive: true, force: true })
})

/** Hands a credential over as systemd does where the file system has no ACL: 0400, owned by the service. */
function hand(content: string | Uint8Array): void {
  rmSync(credential(), { force: true })
  writeFileSync(credential(), content, { mode: 0o400 })
}

function faultOf(act: () => unknown): Fault {
  try {
    act()
  } catch (error) {
    if (isFault(error)) return error
    throw error
  }
  throw new Error('no fault was thrown')
}

const digits = Buffer.from(given).toString('hex')

test.each<[string, string | Uint8Array]>([
  ['32 bytes', given],
  ['64 hex digits', digits],
  ['64 hex digits and the end of a line', `${digits}\n`],
  ['64 upper-case hex digits', digits.toUpperCase()],
])('a credential of %s is taken', (_, content) => {
  hand(content)
  expect(readCredential(name)).toEqual(given)
})

test.each<[string, string | Uint8Array]>([
  ['empty', ''],
  ['a byte short', given.subarray(1)],
  ['a byte long', Uint8Array.from([...given, 10])],
  ['not hex', `${digits.slice(1)}g`],
  ['two line ends long', `${digits}\n\n`],
  ['huge', 'a'.repeat(5_000_000)],
])('a credential that is %s is refused, and the secret file is no way around it', (_, content) => {
  writeSecretFile(file(), old)
  hand(content)
  const fault = faultOf(() => readLock(place()))
  expect(fault.code).toBe('key.invalid')
  expect(fault.message).toContain(credential())
  expect(fault.message).not.toContain(digits.slice(1, 9))
})

test('a link, a folder, a pipe, or what others may use in its place is refused', () => {
  writeFileSync(join(folder, 'elsewhere'), given, { mode: 0o400 })
  symlinkSync(join(folder, 'elsewhere'), credential())
  expect(faultOf(() => readCredential(name)).message).toContain('is a symbolic link')
  rmSync(credential())
  mkdirSync(credential())
  expect(faultOf(() => readCredential(name)).code).toBe('permission')
  rmSync(credential(), { recursive: true })
  execFileSync('mkfifo', ['-m', '400', credential()])
  expect(faultOf(() => readCredential(name)).message).toContain('no plain file')
  hand(given)
  for (const mode of [0o404, 0o420, 0o644]) {
    chmodSync(credential(), mode)
    expect(faultOf(() => readCredential(name)).code).toBe('permission')
  }
  // how systemd shows one that an ACL opens to the service
  chmodSync(credential(), 0o440)
  expect(readCredential(name)).toEqual(given)
})

test('no credential, another one, or a service without any: the secret file counts', () => {
  writeSecretFile(file(), old)
  expect(readLock(place())).toEqual({ secret: old })
  writeFileSync(join(credentials(), 'another'), given, { mode: 0o400 })
  expect(readLock(place())).toEqual({ secret: old })
  for (const env of [{}, { CREDENTIALS_DIRECTORY: '' }])
    expect(readLock(place(), env)).toEqual({ secret: old })
  expect(faultOf(() => readLock(place(), { CREDENTIALS_DIRECTORY: 'credentials' })).code).toBe('key.invalid')
})

test('without either the fault tells of both', () => {
  const fault = faultOf(() => readLock(place()))
  expect([fault.code, fault.message]).toEqual(['key.missing', `there is no ${file()}`])
  expect(fault.hint).toContain(name)
  expect(hasSecret(place())).toBe(false)
  hand(given)
  expect(hasSecret(place())).toBe(true)
})

test('the credential locks, the secret file only opens what it locked before', () => {
  hand(given)
  writeSecretFile(file(), old)
  const lock = readLock(place())
  expect(unlockKeyfile(lockKeyfile({ n: 1 }, { secret: old }), lock)).toEqual({ n: 1 })
  const text = lockKeyfile({ n: 2 }, lock)
  expect(unlockKeyfile(text, { secret: given })).toEqual({ n: 2 })
  const fault = faultOf(() => unlockKeyfile(lockKeyfile({ n: 3 }, { secret: foreign }), lock))
  expect(fault.message).toBe(`key file does not open with the credential ${name}`)
  expect(fault.hint).toContain('nothing was changed')
  wipeLock(lock)
  expect(lock).toMatchObject({ secret: new Uint8Array(32), former: new Uint8Array(32) })
})

/** Three key files under these secrets, a secret file and a credential: a box that gets its credential late. */
function late(secrets: readonly Uint8Array[] = [old, old, old]): void {
  writeSecretFile(file(), old)
  for (const [at, path] of keyfiles().entries()) {
    writeSecretFile(path, lockKeyfile({ at }, { secret: secrets[at]! }))
  }
  hand(given)
}
const contents = () => keyfiles().map(path => readFileSync(path, 'utf8'))
const heldWith = (secret: Uint8Array) => contents().map(text => unlockKeyfile(text, { secret }))
const adopted = [{ at: 0 }, { at: 1 }, { at: 2 }]
const left = () => readdirSync(folder).sort()

test('a late credential takes the key files over, and the secret file goes', () => {
  late()
  expect(adoptCredential(place(), keyfiles())).toBe(true)
  expect(heldWith(given)).toEqual(adopted)
  expect(left()).toEqual(['a.sealed', 'b.sealed', 'c.sealed', 'credentials'])
  const texts = contents()
  expect(adoptCredential(place(), keyfiles())).toBe(false)
  expect(contents()).toEqual(texts)
})

test.each([0, 1, 2])(
  'cut off at the write of key file %i it loses nothing, and goes on at the next start',
  cut => {
    late()
    let writes = 0
    expect(() =>
      adoptCredential(place(), keyfiles(), (...given) => {
        if (writes++ === cut) throw new Error('the power went')
        writeFileAtomic(...given)
      }),
    ).toThrow('the power went')
    expect(readFileSync(file())).toEqual(Buffer.from(old))
    const lock = readLock(place())
    expect(contents().map(text => unlockKeyfile(text, lock))).toEqual(adopted)
    expect(adoptCredential(place(), keyfiles())).toBe(true)
    expect(heldWith(given)).toEqual(adopted)
    expect(left()).not.toContain('keyfile.secret')
  },
)

test('cut off while the secret file is overwritten, the next start only removes it', () => {
  late([given, given, given])
  writeSecretFile(file(), new Uint8Array(32))
  const texts = contents()
  expect(adoptCredential(place(), keyfiles())).toBe(true)
  expect(contents()).toEqual(texts)
  expect(left()).not.toContain('keyfile.secret')
})

test('a write that does not read back keeps the secret file', () => {
  late()
  const careless = (path: string) => writeSecretFile(path, lockKeyfile({ at: 9 }, { secret: given }))
  expect(faultOf(() => adoptCredential(place(), keyfiles(), careless)).code).toBe('file.unreadable')
  expect(left()).toContain('keyfile.secret')
})

test.each([0, 1, 2])('where key file %i opens with neither, nothing at all is written', at => {
  late([old, old, old].map((secret, which) => (which === at ? foreign : secret)))
  const texts = contents()
  expect(faultOf(() => adoptCredential(place(), keyfiles())).code).toBe('key.locked')
  expect([contents(), readFileSync(file())]).toEqual([texts, Buffer.from(old)])
})

test('nothing is taken over without a credential, without a secret file, or while a key file is missing', () => {
  late()
  rmSync(keyfiles()[1]!)
  expect(adoptCredential(place(), keyfiles())).toBe(false)
  late()
  rmSync(credential())
  expect(adoptCredential(place(), keyfiles())).toBe(false)
  late([given, given, given])
  rmSync(file())
  expect(adoptCredential(place(), keyfiles())).toBe(false)
  expect(heldWith(given)).toEqual(adopted)
})
