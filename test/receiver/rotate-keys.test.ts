import { X509Certificate } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openChannels } from '../../src/receiver/alerts-queue.ts'
import { certificatePin } from '../../src/receiver/authority.ts'
import { bindingFor, enrol, isEnrolled } from '../../src/receiver/enrol.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { checkRotation, isRotated, rotate } from '../../src/receiver/rotate.ts'
import { waitingRotation } from '../../src/receiver/rotations.ts'
import { partiesOf } from '../../src/receiver/run-refusals.ts'
import { counted } from '../../src/receiver/store.ts'
import { watchFlags } from '../../src/receiver/watch-flags.ts'
import { signRegistry, verifyRegistry } from '../../src/wire/registry.ts'
import { decodeBody, unpublish } from '../../src/wire/statement.ts'
import { makeBox } from './box.ts'
import { now } from './revoke-fixture.ts'
import { rotateBench } from './rotate-bench.ts'

let it: Awaited<ReturnType<typeof rotateBench>>
beforeEach(async () => {
  it = await rotateBench()
})
afterEach(() => it.end())

const flags = () => listFlags(it.store, {}).map(one => one.flag)
const problems = async () => (await verifyRegistryStore(it.state, it.store, it.again())).problems

test('proposed keys wait, are bound by the root, and go down until the box speaks under them', async () => {
  const { gateway } = it.box
  expect(it.hello()).toEqual([])
  const next = await it.propose()
  expect(waitingRotation(it.store, it.registry, gateway)).toMatchObject({
    kid: next.sign.kid,
    by_kid: it.first.key.kid,
  })
  expect(it.hello()).toEqual([])
  await it.rotate()
  expect(waitingRotation(it.store, it.registry, gateway)).toBeUndefined()
  expect(it.registry.gateway(gateway)).toMatchObject({ version: 2, site: 'oak-house' })

  for (let hellos = 0; hellos < 3; hellos++) {
    // sealed to the box key that the hello's signing key is bound with
    const [update, ...more] = it.hello()
    expect(more).toEqual([])
    const [statement] = update!.statements
    const binding = verifyRegistry('binding', unpublish(statement!), it.registry.roots[0]!)
    expect(binding).toMatchObject({
      gateway,
      version: 2,
      keys: { tls: certificatePin(update!.certificate!) },
    })
    expect(new X509Certificate(update!.certificate!).subject).toBe(`CN=${gateway}`)
  }
  expect(it.hello(next.holder, 2)).toEqual([])
  expect(flags()).toEqual([])
  expect(await problems()).toEqual([])
})

test('the certificate before is let in until the box speaks under the new keys, then it counts as revoked', async () => {
  const { gateway } = it.box
  const parties = partiesOf(it.registry)
  const tls = () => it.registry.bindings(gateway).map(one => one.tls)
  it.hello()
  const next = await it.propose()
  await it.rotate()
  const [before, after] = tls()
  const out = () => [before, after].map(one => parties.isRevoked!(gateway, one))
  expect(out()).toEqual([false, false])
  expect(it.registry.revokedCertificates()).toEqual([])
  it.hello()
  expect(out()).toEqual([false, false])
  it.clock.at = now + 5000
  it.hello(next.holder, 2)
  expect(out()).toEqual([true, false])
  const row = it.store.get<{ certificate: string }>('SELECT certificate FROM enrolments WHERE version = 1')!
  const serial = new X509Certificate(row.certificate).serialNumber.toLowerCase()
  expect(it.registry.revokedCertificates()).toEqual([{ serial, at: now + 5000 }])
})

test('rotations in a row, without a word under the keys between, and with', async () => {
  it.hello()
  const second = await it.propose()
  await it.rotate()
  // the box lost the keys that it had proposed, and proposes others under those that it has
  const third = await it.propose()
  await it.rotate()
  const [update] = it.hello()
  expect(decodeBody(unpublish(update!.statements[0]!).body)).toMatchObject({ version: 3 })
  it.hello(third.holder, 3)
  const fourth = await it.propose(third.holder)
  await it.rotate()
  it.hello(fourth.holder, 4)
  expect(flags()).toEqual([])
  expect(it.hello(second.holder, 2)).toEqual([])
  expect(flags()).toEqual(['FORMER_KEY'])
  expect(await problems()).toEqual([])
})

test('what is proposed by a replaced or revoked key, or for keys that were used, is not bound', async () => {
  const { gateway } = it.box
  const unknown = expect.objectContaining({ code: 'registry.unknown' })
  await expect(checkRotation(it.store, it.registry, gateway)).rejects.toEqual(unknown)
  it.hello()
  const second = await it.propose()
  const checked = await checkRotation(it.store, it.registry, gateway)
  await it.rotate()
  // the same again is so already
  expect(isRotated(it.store, it.registry, checked.request)).toBe(true)
  expect(await rotate(it.store, it.registry, checked, it.signers, { actor: 'anna', now })).toBeUndefined()
  // proposed while the first key counted, never bound: nothing any more once the second one speaks
  const never = await it.propose()
  it.hello(second.holder, 2)
  expect(waitingRotation(it.store, it.registry, gateway)).toBeUndefined()
  expect(() => isRotated(it.store, it.registry, { ...checked.request })).not.toThrow()
  const late = await it.check(never.text)
  expect(() => isRotated(it.store, it.registry, late)).toThrow(unknown)
  // a key that was used before
  const used = await it.propose(second.holder, { csr: checked.request.body.csr })
  const again = await it.check(used.text)
  expect(() => isRotated(it.store, it.registry, again)).toThrow(
    expect.objectContaining({ code: 'registry.known' }),
  )
  await it.propose(second.holder)
  it.revoke(gateway)
  expect(waitingRotation(it.store, it.registry, gateway)).toBeUndefined()
})

test('a request that is not the proposed one is bound by no rotation, and enrolled by no enrolment', async () => {
  const { gateway } = it.box
  await it.propose()
  const other = await it.check((await makeBox({ gateway })).text)
  expect(() => isRotated(it.store, it.registry, other)).toThrow(
    expect.objectContaining({ code: 'registry.unknown' }),
  )
  expect(() => isEnrolled(it.store, it.registry, other)).toThrow(
    expect.objectContaining({ code: 'registry.known' }),
  )
  await expect(
    enrol(it.store, it.registry, other, it.signers, { site: 'oak-house', actor: 'anna', now }),
  ).rejects.toMatchObject({ code: 'registry.known' })
})

test('operators are told of proposed keys as news: there is no flag', async () => {
  openChannels(it.store, ['command'], now)
  const watch = watchFlags(it.store, ['command'], it.clock)
  await it.propose()
  watch.look()
  expect(it.store.all('SELECT kind, gateway, detail, flag FROM alerts')).toEqual([
    {
      kind: 'keys-proposed',
      gateway: it.box.gateway,
      detail: 'the box wants to go on under new keys; see: vitalgate-receiver registry waiting',
      flag: null,
    },
  ])
  expect(flags()).toEqual([])
})

test('the newest proposal counts; a request of another gateway is none', async () => {
  const { gateway } = it.box
  const one = await it.propose()
  const two = await it.propose()
  const row = () => waitingRotation(it.store, it.registry, gateway)?.kid
  expect(row()).toBe(two.sign.kid)
  expect(one.sign.kid).not.toBe(two.sign.kid)
  const foreign = await makeBox()
  const chain = it.epoch()
  it.say(chain.open().message)
  it.say(chain.event('keys-proposed', { request: JSON.parse(foreign.text) }).message)
  expect(row()).toBe(two.sign.kid)
  expect(counted(it.store, 'ROTATION_UNFIT')).toBe(1)
})

test('revoking a gateway that has not gone over to its new keys revokes those that it speaks under, too', async () => {
  const { gateway } = it.box
  it.hello()
  const next = await it.propose()
  await it.rotate()
  const { already, revocation } = it.revoke(gateway)
  expect([already, revocation.key]).toEqual([false, next.sign.kid])
  expect(it.revoke(gateway).already).toBe(true)
  expect(it.registry.revoked(it.first.key.kid)).toBeDefined()
  it.hello()
  it.hello(next.holder, 2)
  expect(flags()).toEqual(['REVOKED_KEY', 'REVOKED_KEY'])
  expect(await problems()).toEqual([])
})

test('an insider who writes a proposal, or a binding for one, is found', async () => {
  const { gateway } = it.box
  const box = await makeBox({ gateway })
  const insert = `INSERT INTO rotations (gateway, kid, by_kid, request, body, signature, at)
    VALUES (?, ?, ?, ?, x'7b7d', zeroblob(64), 0)`
  it.store.run(insert, gateway, box.sign.kid, it.first.key.kid, box.text)
  await expect(it.rotate()).rejects.toMatchObject({ code: 'store.damaged' })
  // he has the root's signature for it, but not the gateway's
  const request = await it.check(box.text)
  const body = bindingFor(it.registry, request, { site: 'oak-house', actor: 'x', now })
  const statement = signRegistry('binding', body, it.root)
  insertStatement(it.store.db, { subject: gateway, version: 2, statement, at: now, actor: 'x' })
  expect((await problems()).map(one => one.problem)).toContain(
    'it names new keys, and those before were not revoked',
  )
})
