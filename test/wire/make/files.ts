import { scryptSync } from 'node:crypto'
import nacl from 'tweetnacl'
import { digest, digits, type Holder, join, publicOf, text64 } from '../forge.ts'
import { gateway, pem, registry, root, stranger } from '../samples.ts'
import type { Vector } from '../vector.ts'
import { refusedKeys } from './keys.ts'
import { wordsOf } from './words.ts'

/** Bundles (WIRE 10.2), as far as they prove themselves. */
export function bundleVectors(): Vector[] {
  const by = (type: string, who: Holder): object => publicOf(type, JSON.stringify(registry[type]), who)
  const good = {
    bundle: 1,
    gateway: gateway.id,
    root: text64(root.sign.publicKey),
    successor: null,
    operators: [by('operator', root)],
    binding: by('binding', root),
    serverEntry: by('server-entry', root),
    certificate: pem('gateway.pem'),
  }
  const of = (name: string, comment: string, expect: string, change: object, more = {}): Vector => ({
    name: `bundle${name}`,
    head: { comment, kind: 'bundle', expect, ...more },
    bytes: join(JSON.stringify({ ...good, ...change })),
  })
  return [
    of('', 'a bundle', 'opened', {}, { words: wordsOf(root.sign.publicKey, 'VG1 root') }),
    of('-successor', 'a bundle that pins a second root', 'opened', {
      successor: text64(stranger.sign.publicKey),
    }),
    of('-binding', 'a binding that another root signed', 'bad-signature', {
      binding: by('binding', stranger),
    }),
    of('-entry', 'a server entry that another root signed', 'bad-signature', {
      serverEntry: by('server-entry', stranger),
    }),
    of('-operator', 'an operator that another root certified', 'bad-signature', {
      operators: [by('operator', stranger)],
    }),
    of('-root', 'a root of small order', 'malformed', { root: text64(refusedKeys.ed25519.one!) }),
    of('-successor-root', 'a successor of small order', 'malformed', {
      successor: text64(refusedKeys.ed25519.zero!),
    }),
    of('-member', 'a member that a bundle has not', 'malformed', { server: 'x' }),
    of('-version', 'another version', 'malformed', { bundle: 2 }),
  ]
}

/** Key files (WIRE 11). */
export function keyfileVectors(): Vector[] {
  const nonce = digest('keyfile nonce').subarray(0, 24)
  const salt = digest('keyfile salt')
  const secret = digest('keyfile secret')
  const plain = JSON.stringify({ sign: text64(gateway.sign.secretKey.subarray(0, 32)) })
  const file = (lock: object, key: Uint8Array): string =>
    JSON.stringify({
      keyfile: 1,
      lock,
      nonce: text64(nonce),
      sealed: text64(nacl.secretbox(join(plain), nonce, key)),
    })
  const passphrase = 'grüne Äpfel'
  const derived = Uint8Array.from(scryptSync(passphrase, salt, 32, { N: 32768, r: 8, p: 1, maxmem: 2 ** 26 }))
  const scrypt = { kind: 'scrypt', n: 32768, r: 8, p: 1, salt: text64(salt) }
  const of = (name: string, comment: string, expect: string, lock: object, text: string): Vector => ({
    name: `keyfile-${name}`,
    head: { comment, kind: 'keyfile', ...lock, expect, ...(expect === 'opened' ? { plain } : {}) },
    bytes: join(text),
  })
  const bySecret = file({ kind: 'secret' }, digest('VG1 keyfile', secret))
  return [
    of('secret', 'under a secret file', 'opened', { secret: digits(secret) }, bySecret),
    of('passphrase', 'under a passphrase', 'opened', { passphrase }, file(scrypt, derived)),
    of('other-secret', 'another secret', 'unopened', { secret: digits(salt) }, bySecret),
    of(
      'other-passphrase',
      'another passphrase',
      'unopened',
      { passphrase: 'red pears' },
      file(scrypt, derived),
    ),
    of(
      'cost',
      'a cost that the file chose itself',
      'malformed',
      { passphrase },
      file({ ...scrypt, n: 2 }, derived),
    ),
  ]
}
