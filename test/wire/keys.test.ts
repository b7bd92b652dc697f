import { diffieHellman } from 'node:crypto'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import nacl from 'tweetnacl'
import { hex } from '../../src/base/bytes.ts'
import {
  boxKey,
  boxPublic,
  boxSecret,
  ephemeral,
  keyId,
  makePair,
  open24,
  seal24,
  signingKey,
  verifyKey,
} from '../../src/wire/keys.ts'
import { isRelease } from '../size.ts'

const numRuns = isRelease ? 1000 : 15
const bytes = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'))
const raw = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

test.each([
  // RFC 8032 7.1, tests 1 to 3
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
])('RFC 8032: seed %s signs as the RFC says', (seed, publicKey, message, signature) => {
  const key = signingKey(bytes(seed))
  expect(hex(key.publicKey)).toBe(publicKey)
  expect(hex(key.sign(bytes(message)))).toBe(signature)
  expect(verifyKey(bytes(publicKey)).verify(bytes(message), bytes(signature))).toBe(true)
})

test('RFC 7748 6.1 and the box of the NaCl manual: same points, same key, same bytes', () => {
  const alice = boxKey(bytes('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'))
  const bob = boxKey(bytes('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'))
  expect(hex(alice.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
  expect(hex(bob.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
  expect(diffieHellman({ privateKey: alice.secret, publicKey: bob.key }).toString('hex')).toBe(
    '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
  )
  const key = boxSecret(alice.secret, bob.key)
  expect(hex(key)).toBe('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389')
  const nonce = bytes('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37')
  const message = bytes(
    'be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705',
  )
  const box =
    'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5'
  expect(hex(seal24(message, nonce, key))).toBe(box)
  expect(hex(open24(bytes(box), nonce, boxSecret(bob.secret, alice.key))!)).toBe(hex(message))
})

test('node:crypto signs and verifies exactly as tweetnacl does', () => {
  fc.assert(
    fc.property(raw(32), fc.uint8Array({ maxLength: 300 }), fc.nat(511), (seed, message, bit) => {
      const theirs = nacl.sign.keyPair.fromSeed(seed)
      const ours = signingKey(seed)
      expect(hex(ours.publicKey)).toBe(hex(theirs.publicKey))
      const signature = ours.sign(message)
      expect(hex(signature)).toBe(hex(nacl.sign.detached(message, theirs.secretKey)))
      expect(verifyKey(ours.publicKey).verify(message, signature)).toBe(true)
      signature[bit >> 3]! ^= 1 << (bit & 7)
      expect(verifyKey(ours.publicKey).verify(message, signature)).toBe(false)
    }),
    { numRuns },
  )
})

test('a box made with node:crypto has the bytes of tweetnacl’s', () => {
  fc.assert(
    fc.property(
      raw(32),
      raw(32),
      raw(24),
      fc.uint8Array({ maxLength: 300 }),
      (one, other, nonce, message) => {
        const theirs = nacl.box.keyPair.fromSecretKey(other)
        const mine = boxKey(one)
        const key = boxSecret(mine.secret, boxPublic(theirs.publicKey).key)
        expect(hex(key)).toBe(hex(nacl.box.before(theirs.publicKey, one)))
        expect(hex(seal24(message, nonce, key))).toBe(hex(nacl.box(message, nonce, theirs.publicKey, one)))
      },
    ),
    { numRuns },
  )
})

test('a key id is the first 8 bytes of the hash that WIRE 2.2 names, and the use is part of it', () => {
  // printf 'VG1 kid ed25519 ' and 32 zero bytes through sha256sum
  expect(keyId('ed25519', new Uint8Array(32))).toBe('e3eb811e1cbf27bb')
  expect(keyId('x25519', new Uint8Array(32))).toBe('1e2d2cf6f9f6f0ae')
})

test('lengths that are none are refused', () => {
  for (const length of [0, 31, 33, 64]) {
    const wrong = new Uint8Array(length).fill(9)
    for (const make of [signingKey, boxKey, verifyKey, boxPublic]) {
      expect(() => make(wrong)).toThrow(expect.objectContaining({ code: 'key.invalid' }))
    }
  }
  const { secret } = makePair('ed25519')
  const key = signingKey(secret)
  const message = bytes('00')
  expect(verifyKey(key.publicKey).verify(message, key.sign(message).subarray(0, 63))).toBe(false)
  expect(verifyKey(key.publicKey).verify(message, new Uint8Array(0))).toBe(false)
})

test('fresh pairs and ephemeral keys are never the same', () => {
  const made = Array.from({ length: 20 }, () => [
    hex(makePair('ed25519').secret),
    hex(makePair('x25519').secret),
    hex(ephemeral().publicKey),
  ]).flat()
  expect(new Set(made).size).toBe(60)
})
