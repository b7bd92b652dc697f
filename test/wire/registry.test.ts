import { expect, test } from '@jest/globals'
import { signingKey, verifyKey } from '../../src/wire/keys.ts'
import { publicForm, type RegistryType, signRegistry, verifyRegistry } from '../../src/wire/registry.ts'
import { publish, type Statement, unpublish } from '../../src/wire/statement.ts'
import { publicOf } from './forge.ts'
import { operator, registry, root, stranger } from './samples.ts'

const rootKey = signingKey(root.sign.secretKey.subarray(0, 32))
const known = verifyKey(root.sign.publicKey)
const fault = (code: string) => expect.objectContaining({ name: 'Fault', code })
const types = Object.keys(registry) as RegistryType[]
const signerOf = (type: string) =>
  ['device-list', 'revocation', 'order', 'review'].includes(type) ? operator : root

/** A statement as somebody made it who does not ask schemas. */
const forged = (type: string, body: object | string, by = signerOf(type)): Statement =>
  unpublish(publicOf(type, typeof body === 'string' ? body : JSON.stringify(body), by))

test.each(types)('%s: what its signer signs is believed, and nothing else', type => {
  const signer = signerOf(type)
  const key = signingKey(signer.sign.secretKey.subarray(0, 32))
  const { kid: _kid, ...members } = registry[type] as { kid: string }
  const statement = signRegistry(type, members as never, key)
  const carried = unpublish(publicForm.parse(JSON.parse(JSON.stringify(publish(statement)))))
  expect(verifyRegistry(type, carried, verifyKey(signer.sign.publicKey))).toEqual(registry[type])
  expect(() => verifyRegistry(type, carried, verifyKey(stranger.sign.publicKey))).toThrow(
    fault('wire.bad-signature'),
  )
  for (const other of types) {
    if (other === type) continue
    expect(() => verifyRegistry(other, carried, verifyKey(signer.sign.publicKey))).toThrow(
      fault('wire.wrong-type'),
    )
  }
})

test.each(types)('%s: one bit of the body or of the signature is enough', type => {
  const statement = forged(type, registry[type]!)
  const key = verifyKey(signerOf(type).sign.publicKey)
  for (const part of ['body', 'signature'] as const) {
    for (let at = 0; at < statement[part].length; at += 3) {
      const bytes = Uint8Array.from(statement[part])
      bytes[at]! ^= 1 << (at & 7)
      expect(() => verifyRegistry(type, { ...statement, [part]: bytes }, key)).toThrow(
        fault('wire.bad-signature'),
      )
    }
  }
})

test('a signed statement with wrong members, another form or another key id is refused', () => {
  const { binding, operator: anne } = registry as Record<string, object>
  expect(() => verifyRegistry('binding', forged('binding', { ...binding, extra: 1 }), known)).toThrow(
    fault('wire.malformed'),
  )
  expect(() => verifyRegistry('binding', forged('binding', { ...binding, version: 0 }), known)).toThrow(
    fault('wire.malformed'),
  )
  expect(() => verifyRegistry('binding', forged('binding', `${JSON.stringify(binding)} `), known)).toThrow(
    fault('wire.malformed'),
  )
  expect(() => verifyRegistry('operator', forged('operator', { ...anne, kid: stranger.kid }), known)).toThrow(
    fault('wire.unknown-key'),
  )
})

test.each([
  [['mqtts://broker.example:8883'], true],
  [['mqtts://10.0.0.1:1', 'mqtts://[::1]:8883'], true],
  [[], false],
  [['mqtt://broker.example:8883'], false],
  [['mqtts://broker.example'], false],
  [['mqtts://user@broker.example:8883'], false],
  [['mqtts://broker.example:8883/path'], false],
  [['mqtts://broker.example:8883\n'], false],
  [['mqtts://Broker:8883'], false],
  [['mqtts://:8883'], false],
  [[`mqtts://${'a'.repeat(242)}:8883`], true],
  [[`mqtts://${'a'.repeat(243)}:8883`], false],
  [Array.from({ length: 9 }, () => 'mqtts://broker.example:8883'), false],
])('brokers %j: %s', (brokers, fits) => {
  const statement = forged('server-entry', { ...registry['server-entry'], brokers })
  if (fits) expect(verifyRegistry('server-entry', statement, known).brokers).toEqual(brokers)
  else expect(() => verifyRegistry('server-entry', statement, known)).toThrow(fault('wire.malformed'))
})

test('a device list names each device once, at most 256', () => {
  const key = verifyKey(operator.sign.publicKey)
  const [device] = (registry['device-list'] as { devices: object[] }).devices
  const listed = (count: number, name: (at: number) => string) =>
    forged('device-list', {
      ...registry['device-list'],
      devices: Array.from({ length: count }, (_, at) => ({ ...device, device: name(at) })),
    })
  expect(
    verifyRegistry(
      'device-list',
      listed(256, at => `d${at}`),
      key,
    ).devices,
  ).toHaveLength(256)
  expect(verifyRegistry('device-list', listed(0, String), key).devices).toEqual([])
  expect(() =>
    verifyRegistry(
      'device-list',
      listed(257, at => `d${at}`),
      key,
    ),
  ).toThrow(fault('wire.malformed'))
  expect(() =>
    verifyRegistry(
      'device-list',
      listed(2, () => 'd'),
      key,
    ),
  ).toThrow(fault('wire.malformed'))
})

test('the root does not sign what it would not believe', () => {
  const { kid: _kid, ...members } = registry.operator as { kid: string }
  expect(() => signRegistry('operator', { ...members, extra: 1 } as never, rootKey)).toThrow()
})

test('nothing that a statement says begins a line or a colour of its own', () => {
  // 32 characters of a-z and - (WIRE 1.5)
  const form = publish(forged('binding', registry.binding as object))
  for (const type of ['binding\nenrolled', '\u001b[31m', '', 'a'.repeat(33)]) {
    expect(publicForm.safeParse({ ...form, type }).success).toBe(false)
  }
  expect(publicForm.safeParse(form).success).toBe(true)
  expect(() =>
    verifyRegistry('binding', forged('binding', { ...registry.binding, 'x\nenrolled\u001b[31m': 1 }), known),
  ).toThrow(expect.objectContaining({ message: expect.stringContaining('x?enrolled?[31m') }))
})
