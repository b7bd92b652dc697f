import { X509Certificate } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { hex } from '../../src/base/bytes.ts'
import { acceptDevice, recordProposal } from '../../src/receiver/devices.ts'
import { enrol, isEnrolled, makeBundle } from '../../src/receiver/enrol.ts'
import { isRevoked } from '../../src/receiver/registry.ts'
import { newestEnrolment } from '../../src/receiver/registry-enrolments.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { revokeOperator } from '../../src/receiver/revoke.ts'
import { readSigner } from '../../src/receiver/state.ts'
import { makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { bundleForm, signRegistry, verifyRegistry } from '../../src/wire/registry.ts'
import { statementHash } from '../../src/wire/statement.ts'
import { makeBox } from './box.ts'
import { now, passphrase, registryBench } from './revoke-fixture.ts'

let it: Awaited<ReturnType<typeof registryBench>>
beforeEach(async () => {
  it = await registryBench()
})
afterEach(() => it.end())

const damaged = (what: string) => [
  expect.objectContaining({ code: 'store.damaged', message: expect.stringContaining(what) }),
]

test('revocations are signed by the operator, numbered, chained, and count at once and for ever', async () => {
  const [one, two] = [await it.box(), await it.box()]
  const watching = it.again()
  expect(watching.versions(one.gateway).revocations).toBe(0)
  expect(watching.revoked(one.sign.kid)).toBeUndefined()

  expect(it.revoke(one.gateway)).toMatchObject({ already: false })
  // another process that was open before sees it with its next question
  expect(isRevoked(watching, one.gateway)).toBe(true)
  expect(isRevoked(watching, two.gateway)).toBe(false)
  const first = it.registry.statement('revocation', it.registry.server.id)!
  expect(verifyRegistry('revocation', first, verifyKey(it.operator.publicKey))).toMatchObject({
    server: it.registry.server.id,
    number: 1,
    before: null,
    what: 'gateway',
    id: one.gateway,
    key: one.sign.kid,
    tls: it.registry.gateway(one.gateway)?.tls,
    since: now,
    why: 'stolen',
  })
  expect(it.revoke(one.gateway)).toMatchObject({ already: true, revocation: { number: 1 } })
  it.revoke(two.gateway)
  expect(watching.revocations().map(one => [one.number, one.before])).toEqual([
    [1, null],
    [2, hex(statementHash(first))],
  ])
  expect(watching.versions(one.gateway).revocations).toBe(2)
  expect(watching.revocationStatements(1)).toEqual([
    it.registry.statement('revocation', it.registry.server.id),
  ])
  expect(it.again().damage()).toEqual([])
})

test('the certificates of revoked gateways are named by serial number and moment', async () => {
  const box = await it.box()
  await it.box()
  expect(it.registry.revokedCertificates()).toEqual([])
  it.revoke(box.gateway)
  const { certificate } = newestEnrolment(it.store.db, box.gateway)!
  const serial = new X509Certificate(certificate).serialNumber.toLowerCase()
  expect(it.registry.revokedCertificates()).toEqual([{ serial, at: now }])
  expect(it.registry.revokedTls(it.registry.gateway(box.gateway)!.tls)).toMatchObject({ id: box.gateway })
})

test('a revocation by a stranger, or for another place, is told and revokes nobody', async () => {
  const box = await it.box()
  const stranger = signingKey(makePair('ed25519').secret)
  const members = { id: box.gateway, key: box.sign.kid }
  it.enter(it.sign(members, stranger), 1)
  expect(isRevoked(it.registry, box.gateway)).toBe(false)
  expect(it.registry.damage()).toEqual(damaged(`revocation 1 of ${it.registry.server.id}`))
  expect(() => it.revoke(box.gateway)).toThrow(expect.objectContaining({ code: 'store.damaged' }))
  it.enter(it.sign({ ...members, number: 3, before: 'ab'.repeat(32) }), 2)
  expect(it.again().revoked(box.sign.kid)).toBeUndefined()
  expect(it.again().damage()).toHaveLength(2)
})

test('a gap is told, and what is revoked beyond it stays revoked', async () => {
  const [one, two] = [await it.box(), await it.box()]
  it.enter(it.sign({ number: 2, before: 'ab'.repeat(32), id: one.gateway, key: one.sign.kid }), 2)
  expect(it.registry.damage()).toEqual(damaged('does not follow the revocation before'))
  expect(isRevoked(it.registry, one.gateway)).toBe(true)
  expect(it.registry.versions(one.gateway).revocations).toBe(0)
  // the next one would be number 1, which is free; but nobody may go on as if nothing were missing
  expect(() => it.revoke(two.gateway)).toThrow(expect.objectContaining({ code: 'store.damaged' }))
})

test('one that names another before is told', async () => {
  const box = await it.box()
  it.revoke((await it.box()).gateway)
  it.enter(it.sign({ number: 2, before: 'ab'.repeat(32), id: box.gateway, key: box.sign.kid }), 2)
  expect(it.registry.damage()).toEqual(damaged('revocation 2'))
  expect(it.registry.versions(box.gateway).revocations).toBe(1)
  expect(isRevoked(it.registry, box.gateway)).toBe(true)
})

test('rows that an insider deletes change nothing in a receiver that runs', async () => {
  const box = await it.box()
  it.revoke(box.gateway)
  expect(isRevoked(it.registry, box.gateway)).toBe(true)
  it.store.db.exec("DROP TRIGGER statements_remain; DELETE FROM statements WHERE type = 'revocation'")
  expect(isRevoked(it.registry, box.gateway)).toBe(true)
  expect(it.registry.versions(box.gateway).revocations).toBe(1)
})

test('an operator is revoked by the root alone; what he signed before stays, after it counts nothing', async () => {
  const [one, two] = [await it.box(), await it.box()]
  const proposed = (gateway: string, device: string) =>
    recordProposal(it.store.db, {
      gateway,
      device,
      driver: 'and-line',
      station: 'room-1',
      hash: 'a'.repeat(64),
      at: now,
    })
  proposed(one.gateway, 'scale-1')
  acceptDevice(it.state, it.store, it.registry, {
    gateway: one.gateway,
    device: 'scale-1',
    actor: 'anna',
    now,
  })
  it.revoke(two.gateway)
  const before = hex(statementHash(it.registry.statement('revocation', it.registry.server.id)!))
  const key = it.operator.kid

  // by an operator: another one, or himself
  it.enter(it.sign({ number: 2, before, what: 'operator', id: 'operator', key, tls: null }), 2)
  expect(it.registry.revoked(key)).toBeUndefined()
  expect(it.registry.damage()).toEqual(damaged('only the root revokes an operator'))
  it.store.db.exec(
    'DROP TRIGGER statements_remain; DELETE FROM statements WHERE id = (SELECT max(id) FROM statements)',
  )

  const registry = it.again()
  expect(revokeOperator(it.store, registry, it.root, 'operator', it.decided)).toMatchObject({
    already: false,
    revocation: { number: 2, what: 'operator', id: 'operator', key, tls: null },
  })
  expect(registry.device(one.gateway, 'scale-1')).toBeDefined()
  expect(isRevoked(registry, two.gateway)).toBe(true)
  proposed(one.gateway, 'scale-2')
  const wanted = { gateway: one.gateway, device: 'scale-2', actor: 'anna', now }
  const refused = { code: 'key.invalid', hint: expect.stringContaining('certify-operator') }
  expect(() => acceptDevice(it.state, it.store, registry, wanted)).toThrow(expect.objectContaining(refused))

  // a thief of his key who writes into the database
  const third = hex(statementHash(registry.statement('revocation', registry.server.id)!))
  it.enter(it.sign({ number: 3, before: third, id: one.gateway, key: one.sign.kid }), 3)
  expect(isRevoked(registry, one.gateway)).toBe(false)
  expect(registry.damage()).toEqual(damaged('its operator operator was revoked before'))
  const devices = [{ device: 'evil', driver: 'and-line', station: 'room-1', proposal: 'f'.repeat(64) }]
  const { hash } = registry.devices(one.gateway)
  insertStatement(it.store.db, {
    subject: one.gateway,
    version: 2,
    statement: signRegistry(
      'device-list',
      { gateway: one.gateway, version: 2, before: hash, devices },
      it.operator,
    ),
    at: now,
    actor: 'thief',
  })
  expect(registry.device(one.gateway, 'evil')).toBeUndefined()
  expect(registry.damage().at(-1)?.message).toContain(`device-list 2 of ${one.gateway} is not believed`)
})

test('a gateway may be revoked by the root, too, and by the successor', async () => {
  const [one, two] = [await it.box(), await it.box()]
  const successor = readSigner(it.state, 'successor', { passphrase })
  const first = it.sign({ id: one.gateway, key: one.sign.kid }, it.root)
  it.enter(first, 1)
  const before = hex(statementHash(first))
  it.enter(it.sign({ number: 2, before, id: two.gateway, key: two.sign.kid }, successor), 2)
  expect([one, two].map(box => isRevoked(it.registry, box.gateway))).toEqual([true, true])
  expect(it.registry.damage()).toEqual([])
})

test('a revoked box with new keys is enrolled anew under its id; its former key is known as such', async () => {
  const lost = await it.box()
  const again = await makeBox({ gateway: lost.gateway })
  const request = await it.check(again.text)
  const decided = { site: 'elm-house', actor: 'anna', now: now + 1 }
  const anew = () => enrol(it.store, it.registry, request, it.signers, decided)
  await expect(anew()).rejects.toMatchObject({
    code: 'registry.known',
    message: `gateway ${lost.gateway} is enrolled with other keys`,
    hint: expect.stringContaining('registry revoke'),
  })
  it.revoke(lost.gateway)
  expect(() => makeBundle(it.store, it.registry, lost.gateway)).toThrow(
    expect.objectContaining({ code: 'registry.known', message: `gateway ${lost.gateway} was revoked` }),
  )
  await anew()
  expect(it.registry.gateway(lost.gateway)).toMatchObject({ version: 2, site: 'elm-house' })
  expect(it.registry.gateway(lost.gateway)?.verifyKey.kid).toBe(again.sign.kid)
  expect(isRevoked(it.registry, lost.gateway)).toBe(false)
  expect(it.registry.former(lost.gateway, lost.sign.kid)?.publicKey).toEqual(lost.sign.publicKey)
  expect(it.registry.former(lost.gateway, again.sign.kid)).toBeUndefined()
  const bundle = bundleForm.parse(JSON.parse(makeBundle(it.store, it.registry, lost.gateway)))
  expect(bundle.certificate).toBe(newestEnrolment(it.store.db, lost.gateway)?.certificate)
  const certificate = new X509Certificate(bundle.certificate)
  expect(it.registry.revokedCertificates().map(one => one.serial)).not.toContain(
    certificate.serialNumber.toLowerCase(),
  )
  expect(it.registry.damage()).toEqual([])
})

test('the request of revoked keys, and one that keeps a single one of them, are refused', async () => {
  const lost = await it.box()
  it.revoke(lost.gateway)
  const old = await it.check(lost.text)
  const known = expect.objectContaining({
    code: 'registry.known',
    message: expect.stringContaining('revoked'),
  })
  expect(() => isEnrolled(it.store, it.registry, old)).toThrow(known)
  const fresh = await it.check((await makeBox({ gateway: lost.gateway })).text)
  expect(isEnrolled(it.store, it.registry, fresh)).toBe(false)
  for (const kept of [
    { ...fresh, body: { ...fresh.body, keys: { ...fresh.body.keys, sign: old.body.keys.sign } } },
    { ...fresh, body: { ...fresh.body, keys: { ...fresh.body.keys, box: old.body.keys.box } } },
    { ...fresh, csr: old.csr },
  ]) {
    expect(() => isEnrolled(it.store, it.registry, kept)).toThrow(known)
  }
})

test('an insider who deletes an enrolment, or spoils the binding as well, does not free its gateway id', async () => {
  const box = await it.box()
  it.store.db.exec('DROP TRIGGER enrolments_remain; DELETE FROM enrolments')
  const impostor = await it.check((await makeBox({ gateway: box.gateway })).text)
  expect(() => isEnrolled(it.store, it.registry, impostor)).toThrow(
    expect.objectContaining({ code: 'registry.known' }),
  )
  it.store.db.exec(
    "DROP TRIGGER statements_stay; UPDATE statements SET signature = zeroblob(64) WHERE type = 'binding'",
  )
  expect(() => isEnrolled(it.store, it.again(), impostor)).toThrow(
    expect.objectContaining({ code: 'store.damaged' }),
  )
})

test('a gateway that was bound to another server is not enrolled here beside it', async () => {
  const box = await makeBox()
  const request = await it.check(box.text)
  const { keys } = request.body
  const binding = {
    gateway: box.gateway,
    server: 'aaaabbbbccccddddeeeeffffga',
    version: 1,
    site: 'elsewhere',
    keys: { ...keys, tls: request.csr.pin },
    since: now,
  }
  insertStatement(it.store.db, {
    subject: box.gateway,
    version: 1,
    statement: signRegistry('binding', binding, it.root),
    at: now,
    actor: 'anna',
  })
  const other = await it.check((await makeBox({ gateway: box.gateway })).text)
  expect(() => isEnrolled(it.store, it.registry, other)).toThrow(
    expect.objectContaining({ code: 'registry.known' }),
  )
  // with the very keys of that binding it may come back (WIRE 9.11)
  expect(isEnrolled(it.store, it.registry, request)).toBe(false)
})
