import nacl from 'tweetnacl'
import { digest, digits, headerOf, join, plainOf, sealPlain, signatureOf } from '../forge.ts'
import { gateway, reading, sealed, server, stranger } from '../samples.ts'
import type { Vector } from '../vector.ts'
import { envelopeOf, type Outcome, readerOf, signerOf, vector, wayOf } from './envelopes.ts'

/** Envelopes that do not open, and contents that are no statement (WIRE 4). */
export function boxVectors(): Vector[] {
  const body = JSON.stringify(reading)
  const good = envelopeOf('box', 'reading', body)
  const flip = (at: number, bit = 1): Uint8Array =>
    good.map((byte, index) => (index === at ? byte ^ bit : byte))
  const bad = (name: string, comment: string, expect: Outcome, bytes: Uint8Array): Vector =>
    vector(`box-${name}`, comment, expect, 'up', bytes)
  const under = (ephemeral: Uint8Array): Uint8Array => {
    // the key of a box whose shared point is zero: anybody can make it
    const header = headerOf(server.akid, ephemeral)
    const nonce = digest('VG1 nonce', header, server.box.publicKey).subarray(0, 24)
    const key = nacl.box.before(ephemeral, server.box.secretKey)
    return join(
      header,
      nacl.secretbox(plainOf('reading', body, signatureOf('reading', body, gateway)), nonce, key),
    )
  }
  const zero = new Uint8Array(32)
  const topBit = good.slice(12, 44)
  topBit[31]! |= 0x80
  const plain = (name: string, bytes: Uint8Array): Uint8Array => sealPlain(bytes, server, `box-${name}`)
  const signature = signatureOf('reading', body, gateway)
  const typed = (name: string, length: number, type: string): Uint8Array =>
    plain(name, join(signature, Uint8Array.of(length), type, body))
  return [
    bad('short', '125 bytes', 'malformed', good.slice(0, 125)),
    bad('empty', 'one byte', 'malformed', good.slice(0, 1)),
    bad('long', '16,385 bytes', 'malformed', join(good, new Uint8Array(16_385 - good.length))),
    bad('magic', 'another magic', 'malformed', flip(0)),
    bad('version', 'version 0', 'malformed', flip(2)),
    bad('reserved', 'the reserved byte is not 0', 'malformed', flip(3)),
    bad('kid', 'sealed to a key that is not the reader’s', 'wrong-audience', flip(4)),
    bad(
      'receiver',
      'sealed to somebody else',
      'wrong-audience',
      sealPlain(plainOf('reading', body, signature), stranger, 'box-receiver'),
    ),
    bad('ephemeral', 'a bit of the ephemeral key', 'unopened', flip(20)),
    bad('tag', 'a bit of the tag', 'unopened', flip(44)),
    bad('last', 'the last bit', 'unopened', flip(good.length - 1, 0x80)),
    bad('cut', 'the last byte is missing', 'unopened', good.slice(0, -1)),
    bad('longer', 'a byte more', 'unopened', join(good, Uint8Array.of(0))),
    bad('small-order', 'an ephemeral key of small order', 'unopened', under(zero)),
    bad('non-canonical', 'an ephemeral key with bit 255, else as it should be', 'unopened', under(topBit)),
    bad('type-empty', 'a type of no characters', 'malformed', typed('type-empty', 0, '')),
    bad('type-long', 'a type of 33 characters', 'malformed', typed('type-long', 33, 'a'.repeat(33))),
    bad('type-upper', 'a type in upper case', 'malformed', typed('type-upper', 7, 'Reading')),
    bad(
      'type-beyond',
      'a type longer than what is there',
      'malformed',
      plain('type-beyond', join(signature, Uint8Array.of(255), 'reading', body)),
    ),
    bad('body-empty', 'no body', 'malformed', plain('body-empty', plainOf('reading', '', signature))),
  ]
}

/** Statements that open and are still not to be believed (WIRE 12). */
export function trustVectors(): Vector[] {
  const text = (type: string, change: object = {}): string => JSON.stringify({ ...sealed[type], ...change })
  const made = (
    name: string,
    comment: string,
    expect: Outcome,
    type: string,
    body: string,
    signature: Uint8Array,
    way = wayOf(type),
  ): Vector =>
    vector(
      `trust-${name}`,
      comment,
      expect,
      way,
      sealPlain(plainOf(type, body, signature), readerOf(way), `trust-${name}`),
    )
  const by = (type: string, body: string, who = signerOf(wayOf(type))): Uint8Array =>
    signatureOf(type, body, who)
  const own = (name: string, comment: string, expect: Outcome, type: string, change: object): Vector =>
    made(name, comment, expect, type, text(type, change), by(type, text(type, change)))
  const receipt = text('receipt')
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const high = by('receipt', receipt)
  const s = BigInt(`0x${digits(high.slice(32).reverse())}`) + order
  high.set(Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse(), 32)
  return [
    made(
      'type-down',
      'a reading that comes down',
      'wrong-type',
      'reading',
      text('reading'),
      by('reading', text('reading')),
      'down',
    ),
    made('type-up', 'a receipt that goes up', 'wrong-type', 'receipt', receipt, by('receipt', receipt), 'up'),
    made('type-public', 'a registry statement, sealed', 'wrong-type', 'binding', '{}', by('binding', '{}')),
    made('type-order', 'an order, sealed', 'wrong-type', 'order', '{}', by('order', '{}'), 'down'),
    own('aud', 'meant for another server', 'wrong-audience', 'reading', { aud: stranger.id }),
    own('akid', 'names another box key than it is sealed to', 'wrong-audience', 'reading', {
      akid: stranger.akid,
    }),
    own('aud-down', 'a receipt for another gateway', 'wrong-audience', 'receipt', { aud: stranger.id }),
    own('akid-down', 'a receipt sealed again', 'wrong-audience', 'receipt', { akid: stranger.akid }),
    own('kid', 'signed with a key that is not bound', 'unknown-key', 'reading', { kid: stranger.kid }),
    own('kid-down', 'a receipt under a key that is not pinned', 'unknown-key', 'receipt', {
      kid: stranger.kid,
    }),
    own('iss-down', 'a receipt of another server', 'unknown-key', 'receipt', { iss: stranger.id }),
    made(
      'forged',
      'names the key, signed with another',
      'bad-signature',
      'reading',
      text('reading'),
      by('reading', text('reading'), stranger),
    ),
    made('type-swapped', 'signed as a welcome', 'bad-signature', 'receipt', receipt, by('welcome', receipt)),
    made(
      'changed',
      'a digit of the body changed after signing',
      'bad-signature',
      'reading',
      text('reading').replace('7240', '7241'),
      by('reading', text('reading')),
    ),
    made('zero-signature', 'a signature of zeros', 'bad-signature', 'receipt', receipt, new Uint8Array(64)),
    made(
      'high-s',
      'the same signature with S + L (RFC 8032 5.1.7)',
      'bad-signature',
      'receipt',
      receipt,
      high,
    ),
    made(
      'order',
      'bad members under a bad signature: the signature is told',
      'bad-signature',
      'receipt',
      text('receipt', { seq: 0 }),
      by('receipt', receipt),
    ),
  ]
}
