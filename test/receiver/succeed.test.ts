import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { base64url, unbase64url } from '../../src/base/bytes.ts'
import { makeCommander } from '../../src/receiver/command-dispatch.ts'
import { enrol, makeBundle } from '../../src/receiver/enrol.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { revokeOperator } from '../../src/receiver/revoke.ts'
import { readPinnedRoot } from '../../src/receiver/root.ts'
import { stragglers } from '../../src/receiver/root-followers.ts'
import { ownLock, paths, readFacts, readSigner } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { succeed } from '../../src/receiver/succeed.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { bundleForm, signRegistry, verifyRegistry } from '../../src/wire/registry.ts'
import { unpublish } from '../../src/wire/statement.ts'
import { makeBox } from './box.ts'
import { standing, thrownBy } from './fixture.ts'
import { silent } from './listen-fixture.ts'
import { playedGateway } from './played.ts'
import { now, passphrase, registryBench } from './revoke-fixture.ts'

let it: Awaited<ReturnType<typeof registryBench>>
let stores: Store[] = []
const clock = standing()
beforeEach(async () => {
  it = await registryBench()
  stores = []
})
afterEach(() => {
  for (const store of stores) store.close()
  it.end()
})

const decided = { actor: 'anna', now }
const run = (path = paths(it.state).successor) =>
  succeed(it.state, it.store, it.again(), { path, passphrase }, decided)
const key = (text: string) => verifyKey(unbase64url(text))
const problems = async () => (await verifyRegistryStore(it.state, it.store, it.again())).problems

function worker() {
  const store = openStore(paths(it.state).database)
  stores.push(store)
  const registry = openRegistry(it.state, store.db)
  const commander = makeCommander(store, registry, silent, clock.mono)
  return { registry, receive: makeReceive({ store, trust: registry, clock, log: silent, commander }) }
}

test('the successor signs anew all that is in force, becomes the root, and a new successor is made', async () => {
  const { gateway } = await it.box()
  const before = readFacts(it.state)
  expect(run()).toMatchObject({ root: before.successor, already: false })
  const after = readFacts(it.state)
  expect(after).toMatchObject({ root: before.successor, former: [before.root] })
  expect([before.root, before.successor]).not.toContain(after.successor)
  const registry = it.again()
  const root = key(after.root)
  const bundle = bundleForm.parse(JSON.parse(makeBundle(it.store, registry, gateway)))
  expect(bundle).toMatchObject({ root: after.root, successor: after.successor })
  expect(verifyRegistry('binding', unpublish(bundle.binding), root).version).toBe(2)
  expect(verifyRegistry('server-entry', unpublish(bundle.serverEntry), root).version).toBe(2)
  expect(bundle.operators.map(one => verifyRegistry('operator', unpublish(one), root).operator)).toEqual([
    'operator',
  ])
  // both files open with the passphrase of before
  expect(base64url(readSigner(it.state, 'root', { passphrase }).publicKey)).toBe(after.root)
  expect(base64url(readSigner(it.state, 'successor', { passphrase }).publicKey)).toBe(after.successor)
  expect(registry.damage()).toEqual([])
  expect(await problems()).toEqual([])
  // the next enrolment is under the new root
  const signers = { ...it.signers, root: readPinnedRoot(registry, paths(it.state).root, passphrase) }
  const box = await makeBox()
  await enrol(it.store, registry, await it.check(box.text), signers, { site: 'elm', ...decided })
  expect(it.again().gateway(box.gateway)).toMatchObject({ version: 1 })
  expect(await problems()).toEqual([])
})

test('what the former root signed stays as history, and nothing that it signs afterwards is believed', async () => {
  const { gateway } = await it.box()
  const rotated = it.registry.bindings(gateway)
  run()
  const registry = it.again()
  expect(registry.bindings(gateway).map(one => one.version)).toEqual([1, 2])
  expect(registry.bindings(gateway)[0]?.tls).toBe(rotated[0]?.tls)
  // a stolen root binds a box of its own, and names other brokers
  const thief = await makeBox()
  const keys = {
    sign: base64url(thief.sign.publicKey),
    box: base64url(thief.box.publicKey),
    tls: 'ab'.repeat(32),
  }
  const body = { gateway: thief.gateway, server: registry.server.id, version: 1, site: 'x', keys, since: now }
  const binding = signRegistry('binding', body, it.root)
  insertStatement(it.store.db, {
    subject: thief.gateway,
    version: 1,
    statement: binding,
    at: now,
    actor: 'thief',
  })
  const { kid: _, ...entry } = registry.entry()
  const other = signRegistry(
    'server-entry',
    { ...entry, version: 3, brokers: ['mqtts://thief:8883'] },
    it.root,
  )
  insertStatement(it.store.db, {
    subject: entry.server,
    version: 3,
    statement: other,
    at: now,
    actor: 'thief',
  })
  // and certifies somebody who would accept devices and revoke gateways
  const operator = { operator: 'thief', key: keys.sign, since: now }
  const certified = signRegistry('operator', operator, it.root)
  insertStatement(it.store.db, {
    subject: 'thief',
    version: 1,
    statement: certified,
    at: now,
    actor: 'thief',
  })
  const fresh = it.again()
  expect(fresh.gateway(thief.gateway)).toBeUndefined()
  // as with any entry that is not believed: nobody is enrolled, and gateways are answered as before
  expect(thrownBy(() => fresh.entry())).toBe('store.damaged')
  expect(fresh.server.box.kid).toBe(registry.server.box.kid)
  expect(fresh.gateway(gateway)).toMatchObject({ version: 2 })
  expect(fresh.operators().map(one => one.name)).toEqual(['operator'])
  expect(fresh.damage()).toHaveLength(3)
  expect((await problems()).map(one => one.place)).toEqual(
    expect.arrayContaining([`binding 1 of ${thief.gateway}`, `server-entry 3 of ${entry.server}`]),
  )
})

test('cut short anywhere, the same call goes on', async () => {
  await it.box()
  const at = paths(it.state)
  const next = join(it.state, 'successor.next.sealed')
  const files = [at.facts, at.root, at.successor]
  const before = files.map(path => readFileSync(path))
  const done = run()
  const after = files.map(path => readFileSync(path))
  // after the statements and before anything else: the new successor waits in its own file
  for (const [i, path] of files.entries()) writeFileSync(path, before[i]!)
  writeFileSync(next, after[2]!, { mode: 0o600 })
  expect(thrownBy(() => readPinnedRoot(it.again(), at.root, passphrase))).toBe('key.invalid')
  expect(run()).toEqual(done)
  expect(it.again().entries()).toHaveLength(2)
  // after the facts, before the new successor is in its place
  writeFileSync(at.successor, before[2]!)
  writeFileSync(next, after[2]!, { mode: 0o600 })
  expect(run(at.root)).toEqual({ ...done, already: true })
  expect(existsSync(next)).toBe(false)
  expect(readFileSync(at.successor)).toEqual(after[2])
  expect(await problems()).toEqual([])
  // whoever types it once more with the new successor's file means the next succession, which is another one
  expect(run()).toMatchObject({ root: done.successor, already: false })
  expect(readFacts(it.state).former).toHaveLength(2)
  expect(await problems()).toEqual([])
})

test('the file must be the successor that gateways pinned, and its passphrase the right one', () => {
  expect(thrownBy(() => run(paths(it.state).root))).toBe('key.invalid')
  const wrong = () =>
    succeed(
      it.state,
      it.store,
      it.again(),
      { path: paths(it.state).successor, passphrase: 'another one' },
      decided,
    )
  expect(thrownBy(wrong)).toBe('key.locked')
  expect(readFacts(it.state).former).toBeUndefined()
})

test('gateways that pinned the successor follow by update; the others are named', async () => {
  // running since before; nobody restarts it
  const { receive, registry } = worker()
  const [box, old] = [await it.box(), await it.box()]
  const { root, successor } = it.registry.facts
  const entry = it.registry.entry()
  const follows = playedGateway(box, { entry, binding: 1, roots: [key(root), key(successor)] })
  const stays = playedGateway(old, { entry, binding: 1, roots: [key(root)] })
  for (const one of [follows, stays]) {
    one.take()
    one.hear(receive([one.hello()]))
  }
  run()
  const behind = () => stragglers(it.store, it.again()).toSorted()
  expect(behind()).toEqual([box.gateway, old.gateway].toSorted())
  for (const one of [follows, stays]) {
    one.hear(receive([one.hello()]))
    one.goOver()
    one.hear(receive([one.hello()]))
    one.take()
    one.hear(receive(one.sent(9)))
    expect(one.waiting()).toEqual([])
  }
  expect(follows.version()).toBe(2)
  expect(stays.version()).toBe(1)
  expect(behind()).toEqual([old.gateway])
  expect(listFlags(it.store, {})).toEqual([])
  expect(registry.damage()).toEqual([])
})

test('a gateway learns what the former root revoked before it follows the next', async () => {
  const { receive } = worker()
  const box = await it.box()
  const { root, successor } = it.registry.facts
  const roots = [key(root), key(successor)]
  const away = playedGateway(box, { entry: it.registry.entry(), binding: 1, roots })
  const operator = readSigner(it.state, 'operator', ownLock(it.state))
  revokeOperator(it.store, it.again(), it.root, 'operator', { why: 'left', ...decided })
  run()
  away.hear(receive([away.hello()]))
  // the revocations first: no binding, no entry
  expect(away.heard).toEqual(['welcome', 'update'])
  expect(away.knowsLater()).toBe(false)
  expect(it.again().revoked(operator.kid)).toBeDefined()
  away.hear(receive([away.hello({ revocations: 1 })]))
  expect(away.knowsLater()).toBe(true)
})
