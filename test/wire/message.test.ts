import { expect, test } from '@jest/globals'
import { same } from '../../src/base/bytes.ts'
import { boxKey, boxPublic, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { isSealedType, openFrom, partiesOf, signAndSeal } from '../../src/wire/message.ts'
import { plainOf, sealPlain, signatureOf } from './forge.ts'
import { down, gateway, sealed, server, stranger } from './samples.ts'

const expected = {
  iss: server.id,
  key: verifyKey(server.sign.publicKey),
  aud: gateway.id,
  box: boxKey(gateway.box.secretKey),
}

/** What is wrong with an envelope, in the order in which WIRE 12 looks for it. */
const wrongs = [
  'magic',
  'receiver',
  'box',
  'type',
  'json',
  'parties',
  'aud',
  'akid',
  'kid',
  'signature',
  'members',
] as const
type Wrong = (typeof wrongs)[number]
const codes: Record<Wrong, string> = {
  magic: 'wire.malformed',
  receiver: 'wire.wrong-audience',
  box: 'wire.unopened',
  type: 'wire.wrong-type',
  json: 'wire.malformed',
  parties: 'wire.malformed',
  aud: 'wire.wrong-audience',
  akid: 'wire.wrong-audience',
  kid: 'wire.unknown-key',
  signature: 'wire.bad-signature',
  members: 'wire.malformed',
}

/** A receipt with all of these things wrong at once. */
function receiptWith(...what: Wrong[]): Uint8Array {
  const is = (one: Wrong): boolean => what.includes(one)
  const members = {
    ...sealed.receipt,
    ...(is('parties') ? { iss: 'none' } : {}),
    ...(is('aud') ? { aud: stranger.id } : {}),
    ...(is('akid') ? { akid: stranger.akid } : {}),
    ...(is('kid') ? { kid: stranger.kid } : {}),
    ...(is('members') ? { seq: 0 } : {}),
  }
  const body = `${JSON.stringify(members)}${is('json') ? ' ' : ''}`
  const type = is('type') ? 'ready' : 'receipt'
  const plain = plainOf(type, body, signatureOf(type, body, is('signature') ? stranger : server))
  const envelope = sealPlain(plain, is('receiver') ? stranger : gateway, what.join(' '))
  if (is('box')) envelope[envelope.length - 1]! ^= 1
  if (is('magic')) envelope[0]! ^= 1
  return envelope
}

const outcome = (envelope: Uint8Array): string => {
  try {
    return openFrom(envelope, ['welcome', 'receipt'], expected).type
  } catch (error) {
    const { name, code } = error as { name: string; code?: string }
    return name === 'Fault' ? String(code) : String(error)
  }
}

test('a receipt that is right is opened', () => {
  expect(outcome(receiptWith())).toBe('receipt')
  const { body } = openFrom(receiptWith(), ['receipt'], expected)
  expect(body).toEqual(sealed.receipt)
})

test('each wrong has its outcome, and of several the first of the order is told', () => {
  for (const [at, first] of wrongs.entries()) {
    expect([first, outcome(receiptWith(first))]).toEqual([first, codes[first]])
    expect([first, outcome(receiptWith(...wrongs.slice(at)))]).toEqual([first, codes[first]])
  }
})

test('a receipt of another server, of another gateway’s, or of a type not asked for is refused', () => {
  expect(() => openFrom(receiptWith(), ['receipt'], { ...expected, iss: stranger.id })).toThrow(
    expect.objectContaining({ code: 'wire.unknown-key' }),
  )
  expect(() => openFrom(receiptWith(), ['receipt'], { ...expected, aud: stranger.id })).toThrow(
    expect.objectContaining({ code: 'wire.wrong-audience' }),
  )
  expect(() => openFrom(receiptWith(), ['welcome'], expected)).toThrow(
    expect.objectContaining({ code: 'wire.wrong-type' }),
  )
})

test('what signAndSeal makes is opened by openFrom, every session type', () => {
  const keys = { id: server.id, key: signingKey(server.sign.secretKey.subarray(0, 32)) }
  const to = { id: gateway.id, box: boxPublic(gateway.box.publicKey) }
  for (const type of ['welcome', 'receipt'] as const) {
    const { iss: _iss, kid: _kid, aud: _aud, akid: _akid, ...members } = sealed[type] as typeof down
    const made = signAndSeal(type, keys, to, members)
    const opened = openFrom(made.envelope, [type], expected)
    expect(opened.body).toEqual(sealed[type])
    expect(same(opened.statement.body, made.statement.body)).toBe(true)
  }
})

test('signAndSeal refuses to sign what nobody would open', () => {
  const keys = { id: server.id, key: signingKey(server.sign.secretKey.subarray(0, 32)) }
  const to = { id: gateway.id, box: boxPublic(gateway.box.publicKey) }
  expect(() => signAndSeal('receipt', keys, to, { seq: 1 })).toThrow()
})

test('the sealed types are these ten; an order is none', () => {
  expect(Object.keys(sealed).filter(isSealedType)).toHaveLength(10)
  for (const type of ['order', 'binding', 'request', 'toString', '__proto__', 'constructor', '']) {
    expect(isSealedType(type)).toBe(false)
  }
})

test('parties are all four, or the body is malformed', () => {
  expect(partiesOf({ ...down, more: 1 })).toEqual(down)
  for (const name of ['iss', 'kid', 'aud', 'akid']) {
    for (const value of [undefined, null, 7, '', 'x'.repeat(26), [down.iss]]) {
      expect(() => partiesOf({ ...down, [name]: value })).toThrow(
        expect.objectContaining({ code: 'wire.malformed' }),
      )
    }
  }
})
