import { randomBytes, scryptSync } from 'node:crypto'
import nacl from 'tweetnacl'
import { z } from 'zod'
import { type Bytes, base64url, bytesOf, sha256, textOf, unbase64url } from './bytes.ts'
import { Fault } from './fault.ts'
import { readSecretFile, writeSecretFile } from './files.ts'

/**
 * What opens a key file: 32 bytes kept beside it or handed by systemd, or what a person knows. `former` opens as
 * well, and never locks; `told` is what people are told the secret is.
 */
export type Lock = { secret: Uint8Array; former?: Uint8Array; told?: string } | { passphrase: string }

const b64 = (length: number) => z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${length}}$`))

/** WIRE 11.1. The cost of scrypt is fixed: a file must not choose how long we compute. */
const keyfileForm = z.strictObject({
  keyfile: z.literal(1),
  lock: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('secret') }),
    z.strictObject({
      kind: z.literal('scrypt'),
      n: z.literal(32768),
      r: z.literal(8),
      p: z.literal(1),
      salt: b64(43),
    }),
  ]),
  nonce: b64(32),
  sealed: z.string().max(65_536),
})
type Keyfile = z.infer<typeof keyfileForm>

/** Does something with bytes, and overwrites them. */
function wiping<T>(bytes: Uint8Array, act: () => T): T {
  try {
    return act()
  } finally {
    bytes.fill(0)
  }
}

function keyOfSecret(secret: Uint8Array): Bytes {
  if (secret.length === 32) return sha256('VG1 keyfile', secret)
  throw new Fault('key.invalid', `the secret of a key file is ${secret.length} bytes, not 32`)
}

function keyOfPassphrase(passphrase: string, salt: Uint8Array): Bytes {
  const N = 2 ** 15
  // scrypt needs 128 × N × r bytes; Node's own limit lies at exactly that and refuses it
  const cost = { N, r: 8, p: 1, maxmem: 256 * N * 8 }
  const typed = bytesOf(passphrase)
  const key = scryptSync(typed, salt, 32, cost)
  typed.fill(0)
  return wiping(key, () => Uint8Array.from(key))
}

/** The text of a key file (WIRE 11) that holds this object, sealed under the lock. */
export function lockKeyfile(secrets: object, lock: Lock): string {
  const salt = 'secret' in lock ? undefined : Uint8Array.from(randomBytes(32))
  const nonce = Uint8Array.from(randomBytes(24))
  const key =
    'secret' in lock ? keyOfSecret(lock.secret) : keyOfPassphrase(lock.passphrase, salt ?? new Uint8Array(0))
  const plain = bytesOf(JSON.stringify(secrets))
  const sealed = wiping(key, () => wiping(plain, () => nacl.secretbox(plain, nonce, key)))
  const kind: Keyfile['lock'] =
    salt === undefined ? { kind: 'secret' } : { kind: 'scrypt', n: 32768, r: 8, p: 1, salt: base64url(salt) }
  const file: Keyfile = { keyfile: 1, lock: kind, nonce: base64url(nonce), sealed: base64url(sealed) }
  return `${JSON.stringify(file)}\n`
}

/** JSON's own error is left out everywhere here: it quotes what it found. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Fault('key.invalid', 'key file is not JSON')
  }
}

function readForm(text: string): Keyfile {
  const result = keyfileForm.safeParse(parsed(text))
  if (result.success) return result.data
  throw new Fault('key.invalid', `key file: ${result.error.issues[0]?.path.join('.')} does not fit`)
}

function bytesIn(text: string): Bytes {
  try {
    return unbase64url(text)
  } catch (cause) {
    throw new Fault('key.invalid', 'key file is not canonical base64url', { cause })
  }
}

const lockedBy = { secret: 'a secret of 32 bytes', scrypt: 'a passphrase' } as const

/** The fault of a key file that stays locked. */
function lockedFault(lock: Lock): Fault {
  if (!('secret' in lock)) {
    return new Fault('key.locked', 'the passphrase is wrong', { hint: 'type it again' })
  }
  if (lock.told === undefined) {
    return new Fault('key.locked', 'key file does not open with this secret', {
      hint: 'the key file and its secret must come from the same box',
    })
  }
  return new Fault('key.locked', `key file does not open with ${lock.told}`, {
    hint: 'nothing was changed; hand over the secret that locked it, or bring its secret file back from a backup',
  })
}

/** The keys that may open this file, each made when it is its turn. */
function* keysFor(file: Keyfile, lock: Lock): Generator<Bytes> {
  if (file.lock.kind === 'scrypt' && 'passphrase' in lock) {
    yield keyOfPassphrase(lock.passphrase, bytesIn(file.lock.salt))
  } else if (file.lock.kind === 'secret' && 'secret' in lock) {
    yield keyOfSecret(lock.secret)
    if (lock.former !== undefined) yield keyOfSecret(lock.former)
  } else {
    throw new Fault('key.locked', `key file is locked with ${lockedBy[file.lock.kind]}`)
  }
}

function openBox(file: Keyfile, lock: Lock): Uint8Array {
  const sealed = bytesIn(file.sealed)
  const nonce = bytesIn(file.nonce)
  for (const key of keysFor(file, lock)) {
    const plain = wiping(key, () => nacl.secretbox.open(sealed, nonce, key))
    if (plain !== null) return plain
  }
  throw lockedFault(lock)
}

/**
 * The object that a key file holds. Faults: `key.locked` where the secret or passphrase is another (or a
 * bit of the file has changed: the two cannot be told apart), `key.invalid` where it is no key file. The bytes
 * on the way are overwritten; the object's own texts are JavaScript strings, which nobody can overwrite.
 */
export function unlockKeyfile(text: string, lock: Lock): Record<string, unknown> {
  const plain = openBox(readForm(text), lock)
  const held = wiping(plain, () => z.record(z.string(), z.unknown()).safeParse(parsed(textOf(plain))))
  if (!held.success) throw new Fault('key.invalid', 'key file does not hold an object')
  return held.data
}

/** The 32 bytes of a secret file (0600). Faults: `key.missing`, `permission`, `key.invalid`. */
export function readSecret(path: string): Bytes {
  const held = readSecretFile(path)
  return wiping(held, () => {
    if (held.length === 32) return Uint8Array.from(held)
    throw new Fault('key.invalid', `${path} is ${held.length} bytes long, not 32`)
  })
}

/** A new secret file of 32 random bytes. */
export function makeSecret(path: string): Bytes {
  const secret = Uint8Array.from(randomBytes(32))
  writeSecretFile(path, secret)
  return secret
}
