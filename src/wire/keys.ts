import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import nacl from 'tweetnacl'
import { type Bytes, concat, hex, sha256, unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { checkEd25519, checkX25519 } from './points.ts'

/** Signs as one holder. `kid` is the key id of WIRE 2.2. */
export interface SigningKey {
  kid: string
  publicKey: Bytes
  sign(message: Uint8Array): Bytes
}

/** Verifies what one holder signed. */
export interface VerifyKey {
  kid: string
  publicKey: Bytes
  verify(message: Uint8Array, signature: Uint8Array): boolean
}

/** The public half of a box key: what one seals to. */
export interface BoxPublic {
  kid: string
  publicKey: Bytes
  key: KeyObject
}

/** A box key with its secret: what one opens with. */
export interface BoxKey extends BoxPublic {
  secret: KeyObject
}

/** A new key of 32 secret bytes, of either kind, with its public half. */
export interface RawPair {
  secret: Bytes
  publicKey: Bytes
}

type Use = 'ed25519' | 'x25519'

// The fixed DER in front of the 32 bytes: PKCS #8 and SubjectPublicKeyInfo of RFC 8410.
const der = {
  ed25519: { secret: '302e020100300506032b657004220420', public: '302a300506032b6570032100' },
  x25519: { secret: '302e020100300506032b656e04220420', public: '302a300506032b656e032100' },
} as const

function secretObject(use: Use, secret: Uint8Array): KeyObject {
  const key = Buffer.concat([Buffer.from(der[use].secret, 'hex'), secret])
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  } finally {
    key.fill(0)
  }
}

const publicObject = (use: Use, key: Uint8Array): KeyObject =>
  createPublicKey({
    key: Buffer.concat([Buffer.from(der[use].public, 'hex'), key]),
    format: 'der',
    type: 'spki',
  })

const rawPublic = (key: KeyObject): Bytes =>
  Uint8Array.from(key.export({ format: 'der', type: 'spki' }).subarray(-32))

/** The key id of a public key (WIRE 2.2), 16 hex digits. */
export const keyId = (use: Use, publicKey: Uint8Array): string =>
  hex(sha256(`VG1 kid ${use} `, publicKey).subarray(0, 8))

/** A fresh pair from the system's random source. */
export function makePair(use: Use): RawPair {
  const { privateKey, publicKey } =
    use === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('x25519')
  const exported = privateKey.export({ format: 'der', type: 'pkcs8' })
  const secret = Uint8Array.from(exported.subarray(-32))
  exported.fill(0)
  return { secret, publicKey: rawPublic(publicKey) }
}

/** The signing key of a 32-byte seed. */
export function signingKey(seed: Uint8Array): SigningKey {
  if (seed.length !== 32) throw new Fault('key.invalid', `signing seed is ${seed.length} bytes long`)
  const secret = secretObject('ed25519', seed)
  const publicKey = rawPublic(createPublicKey(secret))
  return {
    kid: keyId('ed25519', publicKey),
    publicKey,
    sign: message => Uint8Array.from(sign(null, message, secret)),
  }
}

/** A key to verify with; a fault for a key that must never enter (WIRE 2.3). */
export function verifyKey(publicKey: Uint8Array): VerifyKey {
  checkEd25519(publicKey)
  const key = publicObject('ed25519', publicKey)
  return {
    kid: keyId('ed25519', publicKey),
    publicKey: Uint8Array.from(publicKey),
    verify: (message, signature) => signature.length === 64 && verify(null, message, key, signature),
  }
}

/** A key to seal to; a fault for a key that must never enter (WIRE 2.3). */
export function boxPublic(publicKey: Uint8Array): BoxPublic {
  checkX25519(publicKey)
  return {
    kid: keyId('x25519', publicKey),
    publicKey: Uint8Array.from(publicKey),
    key: publicObject('x25519', publicKey),
  }
}

/** The box key of 32 secret bytes. */
export function boxKey(secretBytes: Uint8Array): BoxKey {
  if (secretBytes.length !== 32)
    throw new Fault('key.invalid', `box secret is ${secretBytes.length} bytes long`)
  const secret = secretObject('x25519', secretBytes)
  const key = createPublicKey(secret)
  const publicKey = rawPublic(key)
  return { kid: keyId('x25519', publicKey), publicKey, key, secret }
}

/** A box key for one envelope (WIRE 4.3). */
export function ephemeral(): { secret: KeyObject; publicKey: Bytes } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  // as JWK: node:crypto writes it from the raw bytes, while DER, asked for at once, costs more than the key itself
  return { secret: privateKey, publicKey: unbase64url(publicKey.export({ format: 'jwk' }).x!) }
}

// tweetnacl's own types leave its low level out
const { crypto_core_hsalsa20: hsalsa20 } = (
  nacl as unknown as {
    lowlevel: {
      crypto_core_hsalsa20(out: Uint8Array, input: Uint8Array, key: Uint8Array, c: Uint8Array): number
    }
  }
).lowlevel
const sigma = new TextEncoder().encode('expand 32-byte k')
const zeros = new Uint8Array(16)

/**
 * The key of a NaCl box between two X25519 keys: HSalsa20 over the shared point. The point comes from
 * node:crypto, about a hundred times faster than in JavaScript; the bytes are those of crypto_box.
 */
export function boxSecret(secret: KeyObject, publicKey: KeyObject): Bytes {
  const shared = Uint8Array.from(diffieHellman({ privateKey: secret, publicKey }))
  const key = new Uint8Array(32)
  hsalsa20(key, zeros, shared, sigma)
  shared.fill(0)
  return key
}

// The base64 of the fixed DER in front of an X25519 key: twelve bytes, so that of the key follows as it is.
const pemHead = Buffer.from(der.x25519.public, 'hex').toString('base64')

/**
 * The KeyObject of raw X25519 public bytes from a header; unchecked, for opening only. Each envelope has one of its
 * own, so none is kept. As PEM, for node:crypto throws and catches four errors before it reads any other form, which
 * takes longer than the key agreement itself.
 */
export const rawBoxPublic = (publicKey: Uint8Array): KeyObject =>
  createPublicKey(
    `-----BEGIN PUBLIC KEY-----\n${pemHead}${Buffer.from(publicKey).toString('base64')}\n-----END PUBLIC KEY-----\n`,
  )

/** secretbox: tag first, then the ciphertext. */
export const seal24 = (plain: Uint8Array, nonce: Uint8Array, key: Uint8Array): Bytes =>
  // always in memory of this thread; tweetnacl's types do not say so
  nacl.secretbox(plain, nonce, key) as Bytes

/** The plaintext of a secretbox, or undefined if tag and key do not fit. */
export function open24(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Bytes | undefined {
  const plain = nacl.secretbox.open(box, nonce, key)
  return plain === null ? undefined : concat(plain)
}
