import { createHash } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { hex } from '../../src/base/bytes.ts'
import { envelopeHash, headZero, makeEpoch, nextHead } from '../../src/wire/chain.ts'
import { proposalHash } from '../../src/wire/chained.ts'
import { seenHash } from '../../src/wire/session.ts'

const sha = (data: Buffer): Buffer => createHash('sha256').update(data).digest()

// base32 of 16 zero bytes, and of ff fe fd ... f0
const gateway = 'aaaaaaaaaaaaaaaaaaaaaaaaaa'
const server = '777p37h37l47r57w6x2ph4xr6a'
const kid = '0102030405060708'
const epoch = 'a0a1a2a3a4a5a6a7'
const zero = Buffer.concat([
  Buffer.from('VG1 epoch'),
  Buffer.alloc(16),
  Buffer.from('a0a1a2a3a4a5a6a7', 'hex'),
  Buffer.from('0102030405060708', 'hex'),
  Buffer.from('fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0', 'hex'),
])

test('head(0) binds gateway, epoch, key and server', () => {
  const owner = { gateway, server, kid }
  const head = headZero(epoch, owner)
  expect(head).toBe(sha(zero).toString('hex'))
  const others = [
    headZero('a0a1a2a3a4a5a6a8', owner),
    headZero(epoch, { ...owner, gateway: server }),
    headZero(epoch, { ...owner, server: gateway }),
    headZero(epoch, { ...owner, kid: '0102030405060709' }),
  ]
  expect(new Set([head, ...others]).size).toBe(5)
})

test('heads of three envelopes by hand', () => {
  const envelopes = [Buffer.from('one'), Buffer.from('two'), Buffer.alloc(16_384, 3)]
  let head = sha(zero)
  let ours = headZero(epoch, { gateway, server, kid })
  for (const envelope of envelopes) {
    head = sha(Buffer.concat([Buffer.from('VG1 chain'), head, sha(envelope)]))
    ours = nextHead(ours, envelope)
    expect(ours).toBe(head.toString('hex'))
  }
})

test('two rows exchanged give another head', () => {
  const [a, b] = [Buffer.from('a'), Buffer.from('b')]
  const start = hex(new Uint8Array(32))
  expect(nextHead(nextHead(start, a), b)).not.toBe(nextHead(nextHead(start, b), a))
})

test('H(envelope), and the hash of a proposal', () => {
  // printf abc | sha256sum
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  expect(hex(envelopeHash(Buffer.from('abc')))).toBe(abc)
  expect(proposalHash(Buffer.from('abc'))).toBe(abc)
})

test('what READY has seen', () => {
  const of = (type: string, body: string) => ({
    type,
    body: Uint8Array.from(Buffer.from(body)),
    signature: new Uint8Array(64),
  })
  const expected = sha(
    Buffer.concat([
      Buffer.from('VG1 ready'),
      sha(Buffer.from('VG1 5 hello 2 {}')),
      sha(Buffer.from('VG1 7 welcome 7 {"a":1}')),
    ]),
  )
  expect(seenHash(of('hello', '{}'), of('welcome', '{"a":1}'))).toBe(expected.toString('hex'))
})

test('epochs are 8 random bytes', () => {
  const made = Array.from({ length: 50 }, makeEpoch)
  for (const one of made) expect(one).toMatch(/^[0-9a-f]{16}$/)
  expect(new Set(made).size).toBe(50)
})
