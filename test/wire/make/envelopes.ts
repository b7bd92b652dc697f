import { digits, type Holder, plainOf, sealPlain, signatureOf } from '../forge.ts'
import { command, gateway, server } from '../samples.ts'
import type { Vector } from '../vector.ts'

/** Which way an envelope travels. */
export type Way = 'up' | 'down'
/** What a vector may expect (WIRE 13.3). */
export type Outcome =
  | 'opened'
  | 'malformed'
  | 'unopened'
  | 'wrong-type'
  | 'wrong-audience'
  | 'unknown-key'
  | 'bad-signature'

/** The way that statements of a type travel. */
export const wayOf = (type: string): Way =>
  ['welcome', 'receipt', 'update', 'command'].includes(type) ? 'down' : 'up'
/** The server with its command key (WIRE 2.4). */
const commander: Holder = { ...server, sign: command.sign, kid: command.kid }
/** Who speaks that way, in a statement of this type. */
export const signerOf = (way: Way, type = ''): Holder =>
  way === 'up' ? gateway : type === 'command' ? commander : server
/** Who reads what comes that way. */
export const readerOf = (way: Way): Holder => (way === 'up' ? server : gateway)

/** A sealed vector: who reads it, whom the reader knows, and what must come out. */
export function vector(
  name: string,
  comment: string,
  expect: Outcome,
  way: Way,
  bytes: Uint8Array,
  more: Record<string, string> = {},
  type = more.type ?? '',
): Vector {
  const signer = signerOf(way, type)
  const reader = readerOf(way)
  const head = {
    comment,
    kind: 'sealed',
    way,
    receiver: reader.id,
    'box-secret': digits(reader.box.secretKey),
    signer: signer.id,
    'signer-key': digits(signer.sign.publicKey),
    expect,
    ...more,
  }
  return { name, head, bytes }
}

/** The envelope of a body, signed and sealed as it should be. */
export function envelopeOf(name: string, type: string, body: string, way: Way = wayOf(type)): Uint8Array {
  return sealPlain(plainOf(type, body, signatureOf(type, body, signerOf(way, type))), readerOf(way), name)
}

/** Signs and seals any bytes as the body of a type. */
export const bodied = (
  name: string,
  comment: string,
  expect: Outcome,
  type: string,
  body: string | Uint8Array,
  signer: Holder = signerOf(wayOf(type), type),
): Vector => {
  const way = wayOf(type)
  const bytes = sealPlain(plainOf(type, body, signatureOf(type, body, signer)), readerOf(way), name)
  return vector(name, comment, expect, way, bytes, {}, type)
}
