import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { readCapture } from '../../src/receiver/captures.ts'
import { makeCommander } from '../../src/receiver/command-dispatch.ts'
import { findIntent, storeIntent } from '../../src/receiver/commands.ts'
import { makeReceive, type Receive } from '../../src/receiver/receive.ts'
import { openRegistry, type Registry } from '../../src/receiver/registry.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { pack } from '../../src/wire/envelope.ts'
import { boxPublic } from '../../src/wire/keys.ts'
import { type SealedType, signAndSeal } from '../../src/wire/message.ts'
import { topics } from '../../src/wire/topics.ts'
import { gateway, standing, time } from './fixture.ts'
import { enrolled, silent } from './listen-fixture.ts'

// A real registry and store; the gateway is played by its keys.
let state = ''
let store: Store
let registry: Registry
let receive: Receive
let seq = 0
let head = ''
beforeEach(async () => {
  state = mkdtempSync(join(tmpdir(), 'vitalgate-captures-'))
  await enrolled(state)
  store = openStore(paths(state).database)
  registry = openRegistry(state, store.db)
  const commander = makeCommander(store, registry, silent)
  receive = makeReceive({ store, trust: registry, clock: standing(), log: silent, commander })
  seq = 0
  head = headZero(epoch, { gateway: gateway.id, server: registry.server.id, kid: gateway.key.kid })
  say('epoch-open', { before: null, why: 'start', software: '0.1.0' })
})
afterEach(() => {
  store.close()
  rmSync(state, { recursive: true })
})

const epoch = '0123456789abcdef'

/** The next statement of the gateway. */
function say(type: SealedType, members: object): void {
  const { id, box } = registry.server
  const place = { epoch, seq: ++seq }
  const body = { ...place, prev: head, time: time(), ...members }
  const from = { id: gateway.id, key: gateway.key }
  const { envelope } = signAndSeal(type, from, { id, box: boxPublic(box.publicKey) }, body)
  head = nextHead(head, envelope)
  receive([{ topic: topics(id, gateway.id).up, payload: pack({ ...place, envelope }) }])
}

test('a capture is read from its sealed parts, whole or not at all', () => {
  const wanted = { gateway: gateway.id, verb: 'capture-stop', args: {}, actor: 'anne', now: 1 } as const
  const intent = storeIntent(state, store, registry, wanted)
  const part = (part: number, raw: string) =>
    say('event', { event: 'capture-part', detail: { intent, part, parts: 3, raw } })
  const read = () => Buffer.from(readCapture(store, registry, { gateway: gateway.id, intent })).toString()
  expect(read).toThrow(/handed up no capture/)
  // in any order, and one of them twice
  part(3, '7d')
  part(1, '7b22')
  expect(read).toThrow(/1 of 3 parts of this capture have not arrived/)
  part(1, '7b22')
  part(2, '2261')
  expect(read()).toBe('{""a}')
  // in the open it is nowhere
  const plain = store.all<{ detail: string }>("SELECT detail FROM events WHERE event = 'capture-part'")
  expect(plain.map(one => JSON.parse(one.detail))).toEqual(
    [3, 1, 1, 2].map(part => ({ intent, part, parts: 3 })),
  )
  expect(findIntent(store, intent.slice(0, 8))?.intent).toBe(intent)
  for (const prefix of ['%', intent.slice(0, 7), 'g'.repeat(8)])
    expect(findIntent(store, prefix)).toBeUndefined()
})

test('a part that its gateway did not sign is not read', () => {
  const wanted = { gateway: gateway.id, verb: 'capture-stop', args: {}, actor: 'anne', now: 1 } as const
  const intent = storeIntent(state, store, registry, wanted)
  say('event', { event: 'capture-part', detail: { intent, part: 1, parts: 1, raw: '7b7d' } })
  const [row] = store.all<{ hash: string; envelope: Uint8Array }>(
    "SELECT hash, envelope FROM chains WHERE type = 'event'",
  )
  const envelope = Buffer.from(row!.envelope)
  envelope[envelope.length - 1]! ^= 1
  store.run('UPDATE chains SET envelope = ? WHERE hash = ?', envelope, row!.hash)
  expect(() => readCapture(store, registry, { gateway: gateway.id, intent })).toThrow(/handed up no capture/)
})
