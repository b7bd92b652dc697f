import { createHash } from 'node:crypto'
import nacl from 'tweetnacl'

/*
 * Statements and envelopes from primitives alone, so that tests can make what src/wire never would: fixed
 * ephemeral keys, wrong lengths, bodies that are no bodies. Nothing here is taken from src/wire.
 */

type Part = Uint8Array | string

/** SHA-256 over the parts. */
export function digest(...parts: Part[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}

/** All parts, one after the other. */
export const join = (...parts: Part[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : part))))

/** Lower-case hex. */
export const digits = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** base64url without padding. */
export const text64 = (bytes: Part): string => Buffer.from(bytes).toString('base64url')

/** Key id (WIRE 2.2). */
export const kidOf = (use: 'ed25519' | 'x25519', key: Uint8Array): string =>
  digits(digest(`VG1 kid ${use} `, key).subarray(0, 8))

/** What a signature is over (WIRE 3.2). */
export const paeOf = (type: string, body: Part): Uint8Array =>
  join(`VG1 ${Buffer.byteLength(type)} ${type} ${join(body).length} `, body)

/** A holder of keys that follow from a label, for tests only. */
export interface Holder {
  id: string
  sign: nacl.SignKeyPair
  box: nacl.BoxKeyPair
  kid: string
  akid: string
}

const base32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** 16 bytes as an id (WIRE 2.1). */
export function idOf(bytes: Uint8Array): string {
  let bits = BigInt(`0x${digits(bytes)}`) << 2n
  let id = ''
  for (let at = 0; at < 26; at++) {
    id = base32[Number(bits & 31n)] + id
    bits >>= 5n
  }
  return id
}

/** The holder of this label. */
export function holder(label: string): Holder {
  const sign = nacl.sign.keyPair.fromSeed(digest('vector sign ', label))
  const box = nacl.box.keyPair.fromSecretKey(digest('vector box ', label))
  return {
    id: idOf(digest('vector id ', label).subarray(0, 16)),
    sign,
    box,
    kid: kidOf('ed25519', sign.publicKey),
    akid: kidOf('x25519', box.publicKey),
  }
}

/** The signature of a type and body. */
export const signatureOf = (type: string, body: Part, by: Holder): Uint8Array =>
  nacl.sign.detached(paeOf(type, body), by.sign.secretKey)

/** What is boxed: signature, length of the type, type, body (WIRE 4.2). */
export const plainOf = (type: string, body: Part, signature: Uint8Array): Uint8Array =>
  join(signature, Uint8Array.of(Buffer.byteLength(type)), type, body)

/** The header of an envelope (WIRE 4.1). */
export const headerOf = (akid: string, ephemeral: Uint8Array): Uint8Array =>
  join(Uint8Array.of(0x56, 0x47, 1, 0), Buffer.from(akid, 'hex'), ephemeral)

/** The envelope of a plaintext, with the ephemeral key that follows from a label (WIRE 4.2). */
export function sealPlain(plain: Uint8Array, to: Holder, label: string): Uint8Array {
  const once = nacl.box.keyPair.fromSecretKey(digest('vector ephemeral ', label))
  const header = headerOf(to.akid, once.publicKey)
  const nonce = digest('VG1 nonce', header, to.box.publicKey).subarray(0, 24)
  return join(header, nacl.box(plain, nonce, to.box.publicKey, once.secretKey))
}

/** The parties of a body (WIRE 3.6). */
export const partiesOf = (from: Holder, to: Holder) => ({
  iss: from.id,
  kid: from.kid,
  aud: to.id,
  akid: to.akid,
})

/** A public statement of a body (WIRE 3.7). */
export const publicOf = (type: string, body: Part, by: Holder) => ({
  type,
  body: text64(body),
  sig: text64(signatureOf(type, body, by)),
})

/** head(0) (WIRE 5.1), from the ids' 16 bytes. */
export function zeroHead(gateway: Holder, label: string, epoch: string, server: string): string {
  const mine = digest('vector id ', label).subarray(0, 16)
  const its = digest('vector id ', server).subarray(0, 16)
  return digits(digest('VG1 epoch', mine, Buffer.from(epoch, 'hex'), Buffer.from(gateway.kid, 'hex'), its))
}
