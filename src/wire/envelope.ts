import { type Bytes, bytesOf, concat, hex, sha256 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type BoxKey, type BoxPublic, boxSecret, ephemeral, open24, rawBoxPublic, seal24 } from './keys.ts'
import { checkX25519 } from './points.ts'
import type { Statement } from './statement.ts'

/** Largest envelope, bytes (WIRE 1.5). */
export const envelopeLimit = 16_384

const magic = Uint8Array.of(0x56, 0x47, 0x01, 0x00)
const headerLength = 44
const signatureLength = 64
const typeGrammar = /^[a-z-]{1,32}$/

const nonceOf = (header: Uint8Array, receiver: Uint8Array): Bytes =>
  sha256('VG1 nonce', header, receiver).subarray(0, 24)

/** Seals a signed statement to a box key (WIRE 4). A fault if the envelope would be too large. */
export function seal(statement: Statement, to: BoxPublic): Bytes {
  const once = ephemeral()
  const header = concat(magic, Buffer.from(to.kid, 'hex'), once.publicKey)
  const type = bytesOf(statement.type)
  const plain = concat(statement.signature, Uint8Array.of(type.length), type, statement.body)
  if (headerLength + 16 + plain.length > envelopeLimit) {
    throw new Fault('wire.too-large', `envelope would be ${headerLength + 16 + plain.length} bytes`)
  }
  const key = boxSecret(once.secret, to.key)
  const box = seal24(plain, nonceOf(header, to.publicKey), key)
  key.fill(0)
  return concat(header, box)
}

/** What an envelope's header says before anything is opened (WIRE 4.1). */
export interface Header {
  /** Key id of the box key it is sealed to, 16 hex digits. */
  akid: string
}

/** Reads the header; a fault `wire.malformed` for a wrong size, magic or version. */
export function readHeader(envelope: Uint8Array): Header {
  if (envelope.length > envelopeLimit) {
    throw new Fault('wire.malformed', `envelope of ${envelope.length} bytes is too large`)
  }
  if (envelope.length < headerLength + 16 + signatureLength + 2) {
    throw new Fault('wire.malformed', `envelope of ${envelope.length} bytes is too short`)
  }
  if (!magic.every((byte, at) => envelope[at] === byte)) {
    throw new Fault('wire.malformed', 'not an envelope of version 1')
  }
  return { akid: hex(envelope.subarray(4, 12)) }
}

/**
 * Opens an envelope with the box key it is sealed to. The statement's signature is not verified yet.
 * Faults: `wire.malformed` where header or content are none, `wire.wrong-audience` where it is sealed to
 * another key, `wire.unopened` where the box does not open (any flipped bit).
 */
export function open(envelope: Uint8Array, key: BoxKey): Statement {
  const { akid } = readHeader(envelope)
  if (akid !== key.kid) throw new Fault('wire.wrong-audience', `sealed to key ${akid}, not to ${key.kid}`)
  const header = envelope.subarray(0, headerLength)
  let plain: Bytes | undefined
  try {
    // the ephemeral key is a public key that enters (WIRE 2.3)
    checkX25519(header.subarray(12))
    const secret = boxSecret(key.secret, rawBoxPublic(header.subarray(12)))
    plain = open24(envelope.subarray(headerLength), nonceOf(header, key.publicKey), secret)
    secret.fill(0)
  } catch (cause) {
    throw new Fault('wire.unopened', 'envelope does not open', { cause })
  }
  if (plain === undefined) throw new Fault('wire.unopened', 'envelope does not open')
  const typeLength = plain[signatureLength]!
  const bodyAt = signatureLength + 1 + typeLength
  const typeBytes = plain.subarray(signatureLength + 1, bodyAt)
  if (typeBytes.length !== typeLength || bodyAt >= plain.length) {
    throw new Fault('wire.malformed', 'statement is cut short')
  }
  const type = Buffer.from(typeBytes).toString('latin1')
  if (!typeGrammar.test(type)) throw new Fault('wire.malformed', 'statement type is not a word')
  return { type, signature: plain.slice(0, signatureLength), body: plain.slice(bodyAt) }
}

/** A row on its way up: the unproven hint and the envelope (WIRE 8.3). */
export interface Parcel {
  /** 16 hex digits; zeros for an unchained statement. */
  epoch: string
  seq: number
  envelope: Bytes
}

/** The epoch hint of an unchained statement. */
export const noEpoch = '0'.repeat(16)

/** The MQTT payload of a parcel. */
export function pack({ epoch, seq, envelope }: Parcel): Bytes {
  const place = Buffer.alloc(8)
  place.writeBigUInt64BE(BigInt(seq))
  return concat(Buffer.from(epoch, 'hex'), place, envelope)
}

/** The parcel of an MQTT payload; a fault where it is too short or too long to be one. */
export function unpack(payload: Uint8Array): Parcel {
  if (payload.length <= 16 || payload.length > envelopeLimit + 16) {
    throw new Fault('wire.malformed', `payload of ${payload.length} bytes is no parcel`)
  }
  const seq = Buffer.from(payload.subarray(8, 16)).readBigUInt64BE()
  if (seq > BigInt(Number.MAX_SAFE_INTEGER)) throw new Fault('wire.malformed', 'sequence number is too large')
  return { epoch: hex(payload.subarray(0, 8)), seq: Number(seq), envelope: payload.slice(16) }
}
