import { createHash } from 'node:crypto'
import { digest, digits, type Holder, join, paeOf, publicOf, text64 } from '../forge.ts'
import { gateway, operator, pem, registry, root, stranger } from '../samples.ts'
import type { Vector } from '../vector.ts'
import { refusedKeys } from './keys.ts'
import { wordsOf } from './words.ts'

/** What a box asks for. */
export const requestBody = (): object => ({
  gateway: gateway.id,
  kid: gateway.kid,
  keys: { sign: text64(gateway.sign.publicKey), box: text64(gateway.box.publicKey) },
  csr: pem('gateway.csr.pem'),
  hardware: 'test bench',
  software: '0.1.0',
  made: 1_783_000_000_000,
})

const signerOf = (type: string): Holder =>
  ['device-list', 'revocation', 'order', 'review'].includes(type)
    ? operator
    : type === 'request'
      ? gateway
      : root

function vector(
  name: string,
  comment: string,
  expect: string,
  type: string,
  value: unknown,
  more = {},
): Vector {
  const key = digits(signerOf(type).sign.publicKey)
  const known = type === 'request' ? {} : { 'signer-key': key }
  return {
    name,
    head: { comment, kind: 'public', type, ...known, expect, ...more },
    bytes: join(typeof value === 'string' ? value : JSON.stringify(value)),
  }
}

/** A public statement that is signed as it should be, whatever it says. */
export const signedPublic = (
  name: string,
  comment: string,
  expect: string,
  type: string,
  members: object,
): Vector => vector(name, comment, expect, type, publicOf(type, JSON.stringify(members), signerOf(type)))

/** One of every public statement. */
export function goodPublic(): Vector[] {
  const all = { ...registry, request: requestBody() }
  return Object.entries(all).map(([type, members]) => {
    const body = JSON.stringify(members)
    const salt = digest('vector id ', 'gateway').subarray(0, 16)
    const said = type === 'request' ? { words: wordsOf(paeOf(type, body), salt) } : {}
    const hash = createHash('sha256').update(paeOf(type, body)).digest('hex')
    const more = type === 'request' ? said : { 'pae-hash': hash }
    return vector(`public-${type}`, `a ${type}`, 'opened', type, publicOf(type, body, signerOf(type)), {
      body,
      ...more,
    })
  })
}

/** Public statements that are refused (WIRE 9.6). */
export function badPublic(): Vector[] {
  const binding = registry.binding as { keys: object }
  const list = registry['device-list'] as { devices: object[] }
  const of = (
    name: string,
    comment: string,
    expect: string,
    type: string,
    members: object,
    by = signerOf(type),
  ): Vector => vector(`public-${name}`, comment, expect, type, publicOf(type, JSON.stringify(members), by))
  const keyed = (keys: object): object => ({ ...binding, keys: { ...binding.keys, ...keys } })
  const good = publicOf('binding', JSON.stringify(binding), root)
  const form = (name: string, comment: string, value: unknown): Vector =>
    vector(`public-${name}`, comment, 'malformed', 'binding', value)
  const { x25519, ed25519 } = refusedKeys
  return [
    of('foreign-root', 'signed by another root', 'bad-signature', 'binding', binding, stranger),
    of('kid', 'signed by the root, names another key', 'unknown-key', 'binding', {
      ...binding,
      kid: stranger.kid,
    }),
    vector(
      'public-type',
      'an operator where a binding belongs',
      'wrong-type',
      'binding',
      publicOf('operator', JSON.stringify(registry.operator), root),
    ),
    vector('public-relabelled', 'an operator relabelled as a binding', 'bad-signature', 'binding', {
      ...publicOf('operator', JSON.stringify(binding), root),
      type: 'binding',
    }),
    of('unknown-member', 'a member that the type does not name', 'malformed', 'binding', {
      ...binding,
      note: '',
    }),
    of(
      'small-order-sign',
      'a signing key of small order',
      'malformed',
      'binding',
      keyed({ sign: text64(ed25519['p-minus-1']!) }),
    ),
    of(
      'small-order-box',
      'a box key of small order',
      'malformed',
      'binding',
      keyed({ box: text64(x25519.zero!) }),
    ),
    of(
      'top-bit-box',
      'a box key that is not canonical',
      'malformed',
      'binding',
      keyed({ box: text64(x25519['top-bit']!) }),
    ),
    of('small-order-receipt', 'a receipt key of small order', 'malformed', 'server-entry', {
      ...registry['server-entry'],
      keys: { ...(registry['server-entry'] as typeof binding).keys, receipt: text64(ed25519.one!) },
    }),
    of('small-order-operator', 'an operator key of small order', 'malformed', 'operator', {
      ...registry.operator,
      key: text64(ed25519['order-8']!),
    }),
    of('revocation-no-tls', "a gateway's revocation without its TLS key", 'malformed', 'revocation', {
      ...registry.revocation,
      tls: null,
    }),
    of('revocation-gap', 'a second revocation that names none before', 'malformed', 'revocation', {
      ...registry.revocation,
      number: 2,
    }),
    of('order-args', '17 arguments', 'malformed', 'order', {
      ...registry.order,
      args: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`a${at}`, at])),
    }),
    of('review-silent', 'a review without words', 'malformed', 'review', { ...registry.review, words: '' }),
    of('review-long', 'a review by 65 characters', 'malformed', 'review', {
      ...registry.review,
      by: '\u{1f600}'.repeat(65),
    }),
    of('version-zero', 'version 0', 'malformed', 'binding', { ...binding, version: 0 }),
    of('broker', 'a broker without TLS', 'malformed', 'server-entry', {
      ...registry['server-entry'],
      brokers: ['mqtt://broker.example:1883'],
    }),
    of('no-pins', 'no pins', 'malformed', 'server-entry', { ...registry['server-entry'], pins: [] }),
    of('device-twice', 'a device twice', 'malformed', 'device-list', {
      ...list,
      devices: [...list.devices, ...list.devices],
    }),
    vector(
      'public-space',
      'a body that is not compact',
      'malformed',
      'binding',
      publicOf('binding', JSON.stringify(binding, null, 1), root),
    ),
    form('form-member', 'a fourth member', { ...good, more: '' }),
    form('form-missing', 'no signature', { ...good, sig: undefined }),
    form('form-padding', 'a signature with padding', { ...good, sig: `${good.sig}==` }),
    form('form-stray', 'stray bits at the end of the signature', {
      ...good,
      sig: `${good.sig.slice(0, -1)}${good.sig.endsWith('B') ? 'D' : 'B'}`,
    }),
    form('form-plus', 'base64 instead of base64url', {
      ...good,
      body: `${good.body.slice(0, 4)}+/${good.body.slice(6)}`,
    }),
    form('form-json', 'no JSON', '{"type":"binding"'),
    of(
      'request-forged',
      'a request signed with another key than the one in it',
      'bad-signature',
      'request',
      requestBody(),
      stranger,
    ),
    of('request-kid', 'a request that names another key id', 'unknown-key', 'request', {
      ...requestBody(),
      kid: stranger.kid,
    }),
    of('request-small-order', 'a request whose key has small order', 'malformed', 'request', {
      ...requestBody(),
      keys: { sign: text64(ed25519.zero!), box: text64(gateway.box.publicKey) },
    }),
  ]
}
