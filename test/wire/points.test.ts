import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import nacl from 'tweetnacl'
import { base64url, bytesOf } from '../../src/base/bytes.ts'
import { boxPublic, makePair, verifyKey } from '../../src/wire/keys.ts'
import { bundleForm, registryBodies } from '../../src/wire/registry.ts'
import { kidOf, publicOf, text64 } from './forge.ts'
import { refusedKeys } from './make/keys.ts'
import { registry, root } from './samples.ts'

const listed = (use: 'ed25519' | 'x25519') => Object.entries(refusedKeys[use])

test.each(listed('ed25519'))('Ed25519 %s is refused wherever a key enters', (_name, key) => {
  expect(() => verifyKey(key)).toThrow(expect.objectContaining({ code: 'key.invalid' }))
  const text = base64url(key)
  const { binding, 'server-entry': entry, operator } = registry as Record<string, { keys: object }>
  const bodies = [
    registryBodies.binding.safeParse({ ...binding, keys: { ...binding!.keys, sign: text } }),
    registryBodies['server-entry'].safeParse({ ...entry, keys: { ...entry!.keys, receipt: text } }),
    registryBodies['server-entry'].safeParse({ ...entry, keys: { ...entry!.keys, command: text } }),
    registryBodies.operator.safeParse({ ...operator, key: text }),
    registryBodies.request.safeParse({ ...request(), keys: { ...request().keys, sign: text } }),
    bundleForm.safeParse({ ...bundle(), root: text }),
    bundleForm.safeParse({ ...bundle(), successor: text }),
  ]
  expect(bodies.map(body => body.success)).toEqual(bodies.map(() => false))
})

test.each(listed('x25519'))('X25519 %s is refused wherever a key enters', (_name, key) => {
  expect(() => boxPublic(key)).toThrow(expect.objectContaining({ code: 'key.invalid' }))
  const text = base64url(key)
  const { binding, 'server-entry': entry } = registry as Record<string, { keys: object }>
  const bodies = [
    registryBodies.binding.safeParse({ ...binding, keys: { ...binding!.keys, box: text } }),
    registryBodies['server-entry'].safeParse({ ...entry, keys: { ...entry!.keys, box: text } }),
    registryBodies.request.safeParse({ ...request(), keys: { ...request().keys, box: text } }),
  ]
  expect(bodies.map(body => body.success)).toEqual(bodies.map(() => false))
})

function request() {
  const { keys } = registry.binding as { keys: { sign: string; box: string } }
  const { gateway } = registry.binding as { gateway: string }
  return {
    gateway,
    kid: root.kid,
    keys: { sign: keys.sign, box: keys.box },
    csr: '',
    hardware: '',
    software: '',
    made: 0,
  }
}

function bundle() {
  const statement = publicOf('binding', '{}', root)
  return {
    bundle: 1,
    gateway: request().gateway,
    root: text64(root.sign.publicKey),
    successor: null,
    operators: [],
    binding: statement,
    serverEntry: statement,
    certificate: '',
  }
}

test('the same bodies are taken with honest keys', () => {
  expect(registryBodies.binding.safeParse(registry.binding).success).toBe(true)
  expect(registryBodies['server-entry'].safeParse(registry['server-entry']).success).toBe(true)
  expect(registryBodies.operator.safeParse(registry.operator).success).toBe(true)
  expect(registryBodies.request.safeParse(request()).success).toBe(true)
  expect(bundleForm.safeParse(bundle()).success).toBe(true)
  expect(bundleForm.safeParse({ ...bundle(), successor: bundle().root }).success).toBe(true)
})

test('keys that honest programs make are taken', () => {
  for (let count = 0; count < 50; count++) {
    const sign = makePair('ed25519').publicKey
    const box = makePair('x25519').publicKey
    expect(verifyKey(sign).kid).toBe(kidOf('ed25519', sign))
    expect(boxPublic(box).kid).toBe(kidOf('x25519', box))
  }
})

test('the danger is real: under the point of order 1 one signature fits every message', () => {
  // R = the neutral element, S = 0: what 2.3 is there for; tweetnacl and node:crypto both take it
  const neutral = Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0))
  const signature = new Uint8Array(64)
  signature.set(neutral)
  fc.assert(
    fc.property(fc.string(), text => nacl.sign.detached.verify(bytesOf(text), signature, neutral)),
    { numRuns: 5 },
  )
})
