import { expect, test } from '@jest/globals'
import { bytesOf, concat, hex, same } from '../../src/base/bytes.ts'
import { envelopeLimit, noEpoch, open, pack, readHeader, seal, unpack } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, signingKey } from '../../src/wire/keys.ts'
import { type Statement, signStatement } from '../../src/wire/statement.ts'
import { gateway, sealed, server } from './samples.ts'

const receiver = boxKey(server.box.secretKey)
const other = boxKey(gateway.box.secretKey)
const key = signingKey(gateway.sign.secretKey.subarray(0, 32))
const ready = signStatement('ready', sealed.ready!, key)
const fault = (code: string) => expect.objectContaining({ name: 'Fault', code })

const bodyOf = (length: number): Statement => ({
  type: 'reading',
  body: new Uint8Array(length).fill(0x20),
  signature: new Uint8Array(64),
})

test('what is sealed is opened by its receiver, and by nobody else', () => {
  const envelope = seal(ready, boxPublic(server.box.publicKey))
  // 44 header, 16 tag, 64 signature, 1 length, 5 "ready"
  expect(envelope.length).toBe(44 + 16 + 64 + 1 + 5 + ready.body.length)
  expect(hex(envelope.subarray(0, 4))).toBe('56470100')
  expect(readHeader(envelope).akid).toBe(server.akid)
  const opened = open(envelope, receiver)
  expect(opened.type).toBe('ready')
  expect(same(opened.body, ready.body)).toBe(true)
  expect(same(opened.signature, ready.signature)).toBe(true)
  expect(() => open(envelope, other)).toThrow(fault('wire.wrong-audience'))
  const renamed = concat(envelope.subarray(0, 4), Buffer.from(gateway.akid, 'hex'), envelope.subarray(12))
  expect(() => open(renamed, other)).toThrow(fault('wire.unopened'))
})

test('each sealing has its own ephemeral key', () => {
  const made = Array.from({ length: 20 }, () => hex(seal(ready, receiver).subarray(12, 44)))
  expect(new Set(made).size).toBe(20)
})

test('every single flipped bit of an envelope is refused', () => {
  const envelope = seal(ready, receiver)
  const outcomes: Record<string, number> = {}
  for (let bit = 0; bit < envelope.length * 8; bit++) {
    envelope[bit >> 3]! ^= 1 << (bit & 7)
    try {
      open(envelope, receiver)
      throw new Error(`bit ${bit} went unnoticed`)
    } catch (error) {
      const code = String((error as { code?: string }).code ?? error)
      outcomes[code] = (outcomes[code] ?? 0) + 1
    }
    envelope[bit >> 3]! ^= 1 << (bit & 7)
  }
  // 4 bytes of magic, 8 of key id; all the rest is the box's own doing
  expect(outcomes).toEqual({
    'wire.malformed': 32,
    'wire.wrong-audience': 64,
    'wire.unopened': (envelope.length - 12) * 8,
  })
  expect(open(envelope, receiver).type).toBe('ready')
})

test('every length but its own is refused', () => {
  const envelope = seal(ready, receiver)
  for (let length = 0; length < envelope.length; length++) {
    const code = length < 126 ? 'wire.malformed' : 'wire.unopened'
    expect(() => open(envelope.subarray(0, length), receiver)).toThrow(fault(code))
  }
  expect(() => open(concat(envelope, Uint8Array.of(0)), receiver)).toThrow(fault('wire.unopened'))
})

test('an envelope of 16,384 bytes is the largest', () => {
  const room = 16_384 - 44 - 16 - 64 - 1 - 'reading'.length
  expect(envelopeLimit).toBe(16_384)
  const largest = seal(bodyOf(room), receiver)
  expect(largest.length).toBe(16_384)
  expect(open(largest, receiver).body.length).toBe(room)
  expect(() => seal(bodyOf(room + 1), receiver)).toThrow(fault('wire.too-large'))
  expect(() => readHeader(concat(largest, Uint8Array.of(0)))).toThrow(fault('wire.malformed'))
})

test('a parcel is epoch, number and envelope', () => {
  const envelope = Uint8Array.of(9, 8, 7)
  const payload = pack({ epoch: '00112233aabbccdd', seq: 258, envelope })
  expect(hex(payload)).toBe('00112233aabbccdd0000000000000102090807')
  expect(unpack(payload)).toEqual({ epoch: '00112233aabbccdd', seq: 258, envelope })
  expect(hex(pack({ epoch: noEpoch, seq: 0, envelope }))).toBe(`${'00'.repeat(16)}090807`)
  const last = pack({ epoch: noEpoch, seq: 2 ** 53 - 1, envelope })
  expect(hex(last.subarray(8, 16))).toBe('001fffffffffffff')
  expect(unpack(last).seq).toBe(2 ** 53 - 1)
})

test('what is no parcel is refused', () => {
  const payload = pack({ epoch: noEpoch, seq: 1, envelope: new Uint8Array(16_384) })
  expect(payload.length).toBe(16_400)
  expect(unpack(payload).envelope.length).toBe(16_384)
  expect(() => unpack(concat(payload, Uint8Array.of(0)))).toThrow(fault('wire.malformed'))
  for (const length of [0, 1, 15, 16]) {
    expect(() => unpack(payload.subarray(0, length))).toThrow(fault('wire.malformed'))
  }
  const unsafe = concat(bytesOf('epoch___'), Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0), Uint8Array.of(1))
  expect(() => unpack(unsafe)).toThrow(fault('wire.malformed'))
})
