import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { base64url, hex } from '../../src/base/bytes.ts'
import type { Identity } from '../../src/identity/identity.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { acceptBundle, makeRequest } from '../../src/identity/provision.ts'
import { type Routed, readBook } from '../../src/identity/registry-book.ts'
import { takeUpdate, type Updated } from '../../src/identity/update.ts'
import { makePair, type SigningKey, signingKey } from '../../src/wire/keys.ts'
import { type Bundle, type Request, type registryBodies, signRegistry } from '../../src/wire/registry.ts'
import {
  decodeBody,
  type PublicStatement,
  publish,
  type Statement,
  statementHash,
  unpublish,
} from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { makeBundle, makeRegistry, type StandIn, serverId } from './registry-stand-in.ts'

let standIn: StandIn
let state = ''
let bundle: Bundle
beforeAll(() => {
  standIn = makeRegistry()
})
afterAll(() => rmSync(standIn.folder, { recursive: true }))
beforeEach(async () => {
  state = join(mkdtempSync(join(tmpdir(), 'vitalgate-update-')), 'state')
  const clock = { now: () => 1_780_000_000_000, mono: () => 0 }
  const { identity } = await makeRequest(state, { hardware: 'bench', software: '0.1.0', clock })
  const request = decodeBody(unpublish(identity.request).body) as unknown as Request
  bundle = makeBundle(standIn, request)
  acceptBundle(state, JSON.stringify(bundle), rootWords(standIn.root.publicKey).join(' '))
})
afterEach(() => rmSync(join(state, '..'), { recursive: true }))

const take = (statements: readonly PublicStatement[], certificate?: string): Updated =>
  takeUpdate(state, { statements: [...statements], certificate, epochs: 1 })
const newSigner = (): SigningKey => signingKey(makePair('ed25519').secret)
const routed = (): Routed & Identity => loadIdentity(state) as Routed & Identity
const since = 1_770_000_000_000
const hashOf = (statement: Statement): string => hex(statementHash(statement))
const held = <T extends 'binding' | 'server-entry'>(type: T) => {
  const { kid: _, ...body } = decodeBody(
    unpublish(type === 'binding' ? bundle.binding : bundle.serverEntry).body,
  ) as unknown as ReturnType<(typeof registryBodies)[T]['parse']>
  return body
}
const operatorOf = (operator: string, key: SigningKey, by = standIn.root): PublicStatement =>
  publish(signRegistry('operator', { operator, key: base64url(key.publicKey), since }, by))
const revocationOf = (
  number: number,
  before: Statement | null,
  what: 'gateway' | 'operator',
  id: string,
  key: SigningKey,
  by = standIn.root,
): Statement =>
  signRegistry(
    'revocation',
    {
      ...{
        server: serverId,
        number,
        before: before === null ? null : hashOf(before),
        what,
        id,
        key: key.kid,
      },
      ...{ tls: what === 'gateway' ? 'ab'.repeat(32) : null, since, why: 'lost' },
    },
    by,
  )
const listOf = (version: number, by: SigningKey): PublicStatement =>
  publish(signRegistry('device-list', { gateway: routed().gateway, version, before: null, devices: [] }, by))

test('a newer entry and binding of the own route are taken, and stay after a start', () => {
  const entry = {
    ...held('server-entry'),
    version: 3,
    brokers: ['mqtts://other.example:8883'],
    until: since * 2,
  }
  const binding = { ...held('binding'), version: 2, site: 'elm-house' }
  const { taken, identity } = take([
    publish(signRegistry('server-entry', entry as never, standIn.root)),
    publish(signRegistry('binding', binding as never, standIn.root)),
  ])
  expect(taken).toEqual(['server-entry', 'binding'])
  for (const { route, keys } of [identity, routed()]) {
    expect([route.entry.version, route.entry.brokers, route.entry.until]).toEqual([
      3,
      entry.brokers,
      since * 2,
    ])
    expect([route.binding.version, route.binding.site]).toEqual([2, 'elm-house'])
    expect(keys.pins?.versions).toMatchObject({ binding: 2, serverEntry: 3 })
  }
  // the bundle of before is older than what was seen (WIRE 9.5)
  expect(() => acceptBundle(state, JSON.stringify(bundle), undefined)).toThrow(/older than version/)
})

test('what is not newer, not ours or not proven is passed over, and nothing is changed', () => {
  const before = readFileSync(join(state, 'route.json'), 'utf8')
  const thief = newSigner()
  const other = `${'d'.repeat(25)}a`
  const forms = [
    publish(signRegistry('server-entry', held('server-entry') as never, standIn.root)),
    publish(signRegistry('server-entry', { ...held('server-entry'), version: 9 } as never, thief)),
    publish(
      signRegistry(
        'server-entry',
        { ...held('server-entry'), version: 9, server: other } as never,
        standIn.root,
      ),
    ),
    publish(signRegistry('binding', { ...held('binding'), version: 9 } as never, thief)),
    publish(
      signRegistry('binding', { ...held('binding'), version: 9, gateway: other } as never, standIn.root),
    ),
    // the keys of another box
    publish(
      signRegistry(
        'binding',
        { ...held('binding'), version: 9, keys: { ...held('binding').keys, tls: 'cd'.repeat(32) } } as never,
        standIn.root,
      ),
    ),
    operatorOf('mallory', thief, thief),
    listOf(9, thief),
    { type: 'request', body: 'AA', sig: 'A'.repeat(86) },
    { type: 'operator', body: 'no base64url!', sig: 'A'.repeat(86) },
  ]
  for (const form of forms) expect(take([form]).taken).toEqual([])
  expect(readFileSync(join(state, 'route.json'), 'utf8')).toBe(before)
  expect(readBook(state, routed()).operators.size).toBe(0)
})

test('a binding to another server is kept and told, and the gateway stays with its own', () => {
  const binding = { ...held('binding'), version: 2, server: `${'d'.repeat(25)}a` }
  const form = publish(signRegistry('binding', binding as never, standIn.root))
  expect(take([form]).taken).toEqual(['binding'])
  expect(readBook(state, routed()).moved).toMatchObject({ server: binding.server, version: 2 })
  expect([routed().route.server, routed().route.binding.version]).toEqual([serverId, 1])
})

test('operators, their lists and their end: what a revoked one signs later is not taken', () => {
  const anne = newSigner()
  expect(take([operatorOf('anne', anne), listOf(1, anne)]).taken).toEqual(['operator', 'device-list'])
  expect(readBook(state, routed()).operators.get(anne.kid)).toMatchObject({ name: 'anne', revoked: false })
  const first = revocationOf(1, null, 'operator', 'anne', anne)
  expect(take([publish(first), listOf(2, anne)]).taken).toEqual(['revocation'])
  const book = readBook(state, routed())
  expect(book.operators.get(anne.kid)?.revoked).toBe(true)
  expect(book.versions).toEqual({ devices: 1, revocations: 1 })
  // certified anew under the same key he stays out
  expect(take([operatorOf('anne', anne)]).taken).toEqual([])
})

test('revocations are taken in their order, none left out; an operator never ends another', () => {
  const [anne, bert, lost] = [newSigner(), newSigner(), newSigner()]
  take([operatorOf('anne', anne), operatorOf('bert', bert)])
  const other = `${'d'.repeat(25)}a`
  const one = revocationOf(1, null, 'gateway', other, lost, anne)
  const two = revocationOf(2, one, 'operator', 'anne', anne)
  const three = revocationOf(3, two, 'gateway', other, lost, anne)
  expect(take([publish(two)]).taken).toEqual([])
  expect(take([publish(revocationOf(1, null, 'operator', 'bert', bert, anne))]).taken).toEqual([])
  expect(take([one, two, three].map(publish)).taken).toEqual(['revocation', 'revocation'])
  // another one with the right number that does not follow
  const stray = revocationOf(3, one, 'operator', 'bert', bert)
  expect(take([publish(stray)]).taken).toEqual([])
  const next = revocationOf(3, two, 'gateway', routed().gateway, routed().keys.sign)
  expect(take([publish(next)]).taken).toEqual(['revocation'])
  const book = readBook(state, routed())
  expect([book.versions.revocations, book.own?.number, book.behind]).toEqual([3, 3, false])
  expect([book.operators.get(anne.kid)?.revoked, book.operators.get(bert.kid)?.revoked]).toEqual([
    true,
    false,
  ])
})

test('a file that was set back, damaged or emptied lets no revoked operator in again, and is filled anew', () => {
  const anne = newSigner()
  take([operatorOf('anne', anne)])
  const path = join(state, 'registry.json')
  const early = readFileSync(path, 'utf8')
  const forms = [operatorOf('anne', anne), publish(revocationOf(1, null, 'operator', 'anne', anne))]
  take(forms)
  for (const text of [early, '{}', 'no JSON', early.replace(/"sig": "[^"]{4}/, '"sig": "AAAA')]) {
    writeFileSync(path, text)
    const book = readBook(state, routed())
    expect([book.versions.revocations, book.behind]).toEqual([0, true])
    expect(book.operators.get(anne.kid)?.revoked ?? true).toBe(true)
    take(forms)
    expect(readBook(state, routed())).toMatchObject({ behind: false, versions: { revocations: 1 } })
  }
})
