import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { unbase64url } from '../../src/base/bytes.ts'
import { acceptDevice, listDevices, recordProposal } from '../../src/receiver/devices.ts'
import { initialise } from '../../src/receiver/init.ts'
import { openRegistry, type Registry } from '../../src/receiver/registry.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { ownLock, paths, readSigner } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { makePair, type SigningKey, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { type Binding, signRegistry, verifyRegistry } from '../../src/wire/registry.ts'
import { type Statement, statementHash } from '../../src/wire/statement.ts'
import { makeBox, planAt } from './box.ts'

const state = mkdtempSync(join(tmpdir(), 'vitalgate-registry-'))
const now = Date.now()
let store: Store
let registry: Registry
let root: SigningKey
let operator: SigningKey
let box: Awaited<ReturnType<typeof makeBox>>
let gateway: string

beforeAll(async () => {
  const passphrase = 'correct horse battery'
  await initialise(state, planAt(now), async () => passphrase)
  store = openStore(paths(state).database)
  root = readSigner(state, 'root', { passphrase })
  operator = readSigner(state, 'operator', ownLock(state))
})
beforeEach(async () => {
  registry = openRegistry(state, store.db)
  box = await makeBox()
  gateway = box.gateway
})
afterAll(() => {
  store.close()
  rmSync(state, { recursive: true, force: true })
})

function binding(change: Partial<Binding> = {}, key: SigningKey = root): Statement {
  const { keys } = JSON.parse(Buffer.from(box.statement.body).toString())
  return signRegistry(
    'binding',
    {
      gateway,
      server: registry.server.id,
      version: 1,
      site: 'oak-house',
      keys: { ...keys, tls: 'ab'.repeat(32) },
      since: now,
      ...change,
    },
    key,
  )
}
const enter = (statement: Statement, version = 1, subject = gateway): void =>
  insertStatement(store.db, { subject, version, statement, at: now, actor: 'test' })

test('a binding under the root, or under the successor, is believed as soon as it is there', () => {
  expect(registry.gateway(gateway)).toBeUndefined()
  enter(binding())
  expect(registry.gateway(gateway)).toMatchObject({ site: 'oak-house', version: 1, tls: 'ab'.repeat(32) })
  const successor = readSigner(state, 'successor', { passphrase: 'correct horse battery' })
  enter(binding({ version: 2, site: 'elm-house' }, successor), 2)
  expect(registry.gateway(gateway)).toMatchObject({ site: 'elm-house', version: 2 })
  expect(registry.gateways()).toContain(gateway)
})

test('a running receiver sees what another process entered', () => {
  expect(registry.gateway(gateway)).toBeUndefined()
  const other = openStore(paths(state).database)
  insertStatement(other.db, { subject: gateway, version: 1, statement: binding(), at: now, actor: 'test' })
  other.close()
  expect(registry.gateway(gateway)?.verifyKey.kid).toBe(box.sign.kid)
})

test('a row that the root did not sign for this very place is told and not believed', async () => {
  const cases: [string, () => Statement, number][] = [
    ['a stranger', () => binding({}, signingKey(makePair('ed25519').secret)), 1],
    ['an operator', () => binding({}, operator), 1],
    ['another gateway', () => binding({ gateway: 'aaaabbbbccccddddeeeeffffga' }), 1],
    ['another version', () => binding({ version: 7 }), 1],
    [
      'an altered body',
      () => {
        const statement = binding()
        const text = Buffer.from(statement.body).toString().replace('oak-house', 'oak-mouse')
        return { ...statement, body: Uint8Array.from(Buffer.from(text)) }
      },
      1,
    ],
    [
      'an altered signature',
      () => {
        const statement = binding()
        statement.signature[10]! ^= 1
        return statement
      },
      1,
    ],
    ['no JSON', () => ({ ...binding(), body: Uint8Array.of(1, 2, 3) }), 1],
  ]
  for (const [name, make, version] of cases) {
    box = await makeBox()
    gateway = box.gateway
    const fresh = openRegistry(state, store.db)
    enter(make(), version)
    expect([name, fresh.gateway(gateway)]).toEqual([name, undefined])
    expect(fresh.versions(gateway).binding).toBe(0)
    expect(fresh.damage()).toHaveLength(1)
    expect(fresh.damage()[0]).toMatchObject({ code: 'store.damaged', hint: expect.any(String) })
    expect(fresh.damage()[0]?.message).toContain(gateway)
  }
})

test('a binding to another server is nothing to us, and an altered newer row does not bring the old one back', () => {
  enter(binding({ server: 'aaaabbbbccccddddeeeeffffga' }))
  expect(registry.gateway(gateway)).toBeUndefined()
  expect(registry.damage()).toEqual([])
  enter(binding({ version: 2 }), 2)
  expect(registry.gateway(gateway)?.version).toBe(2)
  enter(binding({ version: 3 }, operator), 3)
  expect(registry.gateway(gateway)).toBeUndefined()
})

test('statements can be neither changed nor deleted', () => {
  enter(binding())
  expect(() => store.run('UPDATE statements SET version = 9 WHERE subject = ?', gateway)).toThrow(
    'append-only',
  )
  expect(() => store.run('DELETE FROM statements WHERE subject = ?', gateway)).toThrow('append-only')
  expect(() => enter(binding())).toThrow('UNIQUE')
})

const proposal = (device: string, hash: string, station = 'room-1') => ({
  gateway,
  device,
  driver: 'and-line',
  station,
  hash: hash.repeat(64),
  at: now,
})
const accept = (device: string) =>
  acceptDevice(state, store, registry, { gateway, device, actor: 'anna', now })

test('acceptance signs device lists that rise by one and name the hash before', () => {
  enter(binding())
  recordProposal(store.db, proposal('scale-1', 'a'))
  recordProposal(store.db, proposal('scale-1', 'a'))
  recordProposal(store.db, proposal('cuff-1', 'b'))
  expect(listDevices(registry, store, gateway).map(one => [one.device, one.state])).toEqual([
    ['cuff-1', 'proposed'],
    ['scale-1', 'proposed'],
  ])
  expect(registry.device(gateway, 'scale-1')).toBeUndefined()
  expect(accept('scale-1')).toMatchObject({ version: 1, already: false })
  expect(registry.device(gateway, 'scale-1')).toEqual({
    device: 'scale-1',
    driver: 'and-line',
    station: 'room-1',
    proposal: 'a'.repeat(64),
  })
  expect(registry.device(gateway, 'cuff-1')).toBeUndefined()
  const first = registry.statement('device-list', gateway)!
  expect(accept('scale-1')).toMatchObject({ version: 1, already: true })
  expect(accept('cuff-1')).toMatchObject({ version: 2, already: false })
  const list = verifyRegistry(
    'device-list',
    registry.statement('device-list', gateway)!,
    verifyKey(operator.publicKey),
  )
  expect(list.before).toBe(Buffer.from(statementHash(first)).toString('hex'))
  expect(list.devices.map(one => one.device)).toEqual(['scale-1', 'cuff-1'])
  expect(registry.versions(gateway).devices).toBe(2)
})

test('a device proposed anew stays as accepted until it is accepted anew', () => {
  enter(binding())
  recordProposal(store.db, proposal('scale-1', 'c'))
  accept('scale-1')
  recordProposal(store.db, proposal('scale-1', 'd', 'room-2'))
  expect(listDevices(registry, store, gateway)[0]).toMatchObject({ state: 'changed', station: 'room-2' })
  expect(registry.device(gateway, 'scale-1')?.station).toBe('room-1')
  expect(accept('scale-1')).toMatchObject({ version: 2, already: false })
  expect(registry.device(gateway, 'scale-1')?.station).toBe('room-2')
})

test('a device that nobody proposed cannot be accepted', () => {
  enter(binding())
  recordProposal(store.db, proposal('scale-1', 'e'))
  expect(() => accept('scale-9')).toThrow(
    expect.objectContaining({ code: 'device.unknown', hint: expect.stringContaining('scale-1') }),
  )
})

test('a device list by a stranger, or one that does not follow the last, is not believed', () => {
  enter(binding())
  recordProposal(store.db, proposal('scale-1', 'f'))
  accept('scale-1')
  const devices = [{ device: 'evil', driver: 'and-line', station: 'room-1', proposal: 'f'.repeat(64) }]
  const stranger = signingKey(makePair('ed25519').secret)
  enter(
    signRegistry(
      'device-list',
      { gateway, version: 2, before: registry.devices(gateway).hash, devices },
      stranger,
    ),
    2,
  )
  expect(registry.device(gateway, 'evil')).toBeUndefined()
  expect(registry.damage()).toHaveLength(1)
  expect(() => accept('scale-1')).toThrow(expect.objectContaining({ code: 'store.damaged' }))

  const other = openRegistry(state, store.db)
  enter(signRegistry('device-list', { gateway, version: 3, before: '0'.repeat(64), devices }, operator), 3)
  expect(other.device(gateway, 'evil')).toBeUndefined()
})

test('what was proposed anew since it was looked at is not accepted', () => {
  enter(binding())
  recordProposal(store.db, proposal('scale-1', '1'))
  recordProposal(store.db, proposal('scale-1', '2', 'room-2'))
  const wanted = (hash: string) => ({ gateway, device: 'scale-1', proposal: hash, actor: 'anna', now })
  expect(() => acceptDevice(state, store, registry, wanted('1'.repeat(8)))).toThrow(
    expect.objectContaining({ code: 'device.changed', hint: expect.stringContaining('devices list') }),
  )
  expect(registry.device(gateway, 'scale-1')).toBeUndefined()
  expect(acceptDevice(state, store, registry, wanted('2'.repeat(8)))).toMatchObject({ already: false })
})

test('a server entry that is not believed ends nothing: the last one holds, and it is told', () => {
  const entry = registry.entry()
  expect(registry.versions(gateway).serverEntry).toBe(1)
  const { kid: _, ...members } = entry
  const forged = signRegistry(
    'server-entry',
    { ...members, version: 2 },
    signingKey(makePair('ed25519').secret),
  )
  enter(forged, 2, entry.server)
  expect(registry.versions(gateway).serverEntry).toBe(1)
  expect(registry.entry()).toEqual(entry)
  expect(registry.damage()).toMatchObject([{ code: 'store.damaged' }])
  // started anew it believes none: it goes on taking, and enrols nobody
  const other = openRegistry(state, store.db)
  expect(other.versions(gateway).serverEntry).toBe(0)
  expect(() => other.entry()).toThrow(expect.objectContaining({ code: 'store.damaged' }))
  enter(signRegistry('server-entry', { ...members, version: 3 }, root), 3, entry.server)
  expect(other.versions(gateway).serverEntry).toBe(3)
})

test('the operator key counts because the root signed it', () => {
  const statement = registry.statement('operator', 'operator')!
  const body = verifyRegistry('operator', statement, verifyKey(root.publicKey))
  expect(unbase64url(body.key)).toEqual(operator.publicKey)
})
