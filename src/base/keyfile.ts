import { randomBytes, scryptSync } from 'node:crypto'
import nacl from 'tweetnacl'
import { z } from 'zod'
import { type Bytes, base64url, bytesOf, sha256, textOf, unbase64url } from './bytes.ts'
import { Fault } from './fault.ts'
import { readSecretFile, writeSecretFile } from './files.ts'

/** What opens a key file: 32 bytes kept beside it or handed by systemd, or what a person knows. */
export type Lock = { secret: Uint8Array } | { passphrase: string }

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

function keyOf(lock: Lock, salt: Uint8Array | undefined): Bytes {
  if ('secret' in lock) {
    if (lock.secret.length !== 32) {
      throw new Fault('key.invalid', `the secret of a key file is ${lock.secret.length} bytes, not 32`)
    }
    return sha256('VG1 keyfile', lock.secret)
  }
  const N = 2 ** 15
  // scrypt needs 128 × N × r bytes; Node's own limit lies at exactly that and refuses it
  const cost = { N, r: 8, p: 1, maxmem: 256 * N * 8 }
  return Uint8Array.from(scryptSync(bytesOf(lock.passphrase), salt ?? new Uint8Array(0), 32, cost))
}

/** The text of a key file (WIRE 11) that holds this object, sealed under the lock. */
export function lockKeyfile(secrets: object, lock: Lock): string {
  const salt = 'secret' in lock ? undefined : Uint8Array.from(randomBytes(32))
  const nonce = Uint8Array.from(randomBytes(24))
  const key = keyOf(lock, salt)
  const sealed = nacl.secretbox(bytesOf(JSON.stringify(secrets)), nonce, key)
  key.fill(0)
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

const lockedBy = { secret: 'a secret file', scrypt: 'a passphrase' } as const

/**
 * The object that a key file holds. Faults: `key.locked` where the secret or passphrase is another (or a
 * bit of the file has changed: the two cannot be told apart), `key.invalid` where it is no key file.
 */
export function unlockKeyfile(text: string, lock: Lock): Record<string, unknown> {
  const file = readForm(text)
  if ((file.lock.kind === 'secret') !== 'secret' in lock) {
    throw new Fault('key.locked', `key file is locked with ${lockedBy[file.lock.kind]}`)
  }
  const key = keyOf(lock, file.lock.kind === 'scrypt' ? bytesIn(file.lock.salt) : undefined)
  const plain = nacl.secretbox.open(bytesIn(file.sealed), bytesIn(file.nonce), key)
  key.fill(0)
  if (plain === null) {
    throw new Fault(
      'key.locked',
      'secret' in lock ? 'key file does not open with this secret' : 'the passphrase is wrong',
      {
        hint: 'secret' in lock ? 'the key file and its secret must come from the same box' : 'type it again',
      },
    )
  }
  const held = z.record(z.string(), z.unknown()).safeParse(parsed(textOf(plain)))
  if (!held.success) throw new Fault('key.invalid', 'key file does not hold an object')
  return held.data
}

/** The 32 bytes of a secret file (0600). Faults: `key.missing`, `permission`, `key.invalid`. */
export function readSecret(path: string): Bytes {
  const secret = Uint8Array.from(readSecretFile(path))
  if (secret.length === 32) return secret
  throw new Fault('key.invalid', `${path} is ${secret.length} bytes long, not 32`)
}

/** A new secret file of 32 random bytes. */
export function makeSecret(path: string): Bytes {
  const secret = Uint8Array.from(randomBytes(32))
  writeSecretFile(path, secret)
  return secret
}
