import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { unbase64url } from '../../src/base/bytes.ts'
import { makeCommander } from '../../src/receiver/command-dispatch.ts'
import { storeIntent } from '../../src/receiver/commands.ts'
import { enrol, isEnrolled, makeBundle } from '../../src/receiver/enrol.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import {
  acceptHanded,
  handoverText,
  isHandover,
  readHandover,
  takeHandover,
} from '../../src/receiver/handover.ts'
import { initialise } from '../../src/receiver/init.ts'
import { checkMove, moveGateway } from '../../src/receiver/move-gateway.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { paths, readAuthority, readFacts, readSigner } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { bundleForm } from '../../src/wire/registry.ts'
import { makeBox, planAt } from './box.ts'
import { standing, thrownBy } from './fixture.ts'
import { silent } from './listen-fixture.ts'
import { playedGateway } from './played.ts'

const passphrase = 'correct horse battery'
const now = Date.UTC(2026, 0, 15)
const decided = { actor: 'anna', now }
const clock = standing()

let folder = ''
let stores: Store[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-move-'))
})
afterEach(() => {
  for (const store of stores) store.close()
  stores = []
  rmSync(folder, { recursive: true, force: true })
})

/** A server of its own in the folder; with `from` under the root of that one. */
async function makeServer(name: string, from?: string) {
  const state = join(folder, name)
  const plan = { ...planAt(now), ...(from === undefined ? {} : { rootFrom: join(folder, from) }) }
  await initialise(state, plan, async () => passphrase)
  const store = openStore(paths(state).database)
  stores.push(store)
  const registry = openRegistry(state, store.db)
  const commander = makeCommander(store, registry, silent, clock.mono)
  const receive = makeReceive({ store, trust: registry, clock, log: silent, commander })
  const signers = {
    root: readSigner(state, 'root', { passphrase }),
    authority: readAuthority(state, registry.entry().ca),
  }
  return { state, store, registry, signers, receive }
}
type Server = Awaited<ReturnType<typeof makeServer>>

/** What the operator types on the one that takes a gateway over. */
async function takeOver({ state, store, registry, signers }: Server, text: string): Promise<string> {
  const handover = await readHandover(text, 'move.json', registry)
  takeHandover(store, registry, handover, decided)
  const { request, binding } = handover
  if (!isEnrolled(store, registry, request)) {
    await enrol(store, registry, request, signers, { site: binding.site, ...decided })
  }
  acceptHanded(state, store, registry, handover, decided)
  return makeBundle(store, registry, binding.gateway)
}

const give = ({ store, registry }: Server, gateway: string, bundle: string): boolean =>
  moveGateway(store, registry, checkMove(registry, gateway, bundle, 'bundle.json'), decided)

const problems = async ({ state, store }: Server) =>
  (await verifyRegistryStore(state, store, openRegistry(state, store.db))).problems

async function enrolled(server: Server) {
  const box = await makeBox()
  const { checkRequest } = await import('../../src/receiver/enrol.ts')
  await enrol(server.store, server.registry, await checkRequest(box.text, 'request'), server.signers, {
    site: 'oak-house',
    ...decided,
  })
  return box
}

test('a second server shares the root, and nothing else', async () => {
  const [first, second] = [await makeServer('first'), await makeServer('second', 'first')]
  const [one, other] = [readFacts(first.state), readFacts(second.state)]
  expect([other.root, other.successor]).toEqual([one.root, one.successor])
  expect(other.server).not.toBe(one.server)
  expect(second.registry.entry().keys.box).not.toBe(first.registry.entry().keys.box)
  expect(second.registry.entry().ca).not.toEqual(first.registry.entry().ca)
  const wrong = initialise(
    join(folder, 'third'),
    { ...planAt(now), rootFrom: first.state },
    async () => 'another one',
  )
  await expect(wrong).rejects.toMatchObject({ code: 'key.locked' })
  const nothing = initialise(
    join(folder, 'fourth'),
    { ...planAt(now), rootFrom: folder },
    async () => passphrase,
  )
  await expect(nothing).rejects.toMatchObject({ code: 'key.missing' })
})

test('a gateway goes to another server, drains here, and comes back', async () => {
  const [first, second] = [await makeServer('first'), await makeServer('second', 'first')]
  const box = await enrolled(first)
  const { gateway } = box
  const roots = [first.registry.facts.root, first.registry.facts.successor].map(key =>
    verifyKey(unbase64url(key)),
  )
  const played = playedGateway(box, { entry: first.registry.entry(), binding: 1, roots })
  played.take()
  played.hear(first.receive([played.hello()]))

  const text = handoverText(first.store, first.registry, gateway)
  expect(isHandover(text)).toBe(true)
  const bundle = await takeOver(second, text)
  expect(bundleForm.parse(JSON.parse(bundle)).gateway).toBe(gateway)
  expect(second.registry.gateway(gateway)).toMatchObject({ version: 2, site: 'oak-house' })
  // done again, the same bundle
  expect(await takeOver(second, text)).toBe(bundle)
  expect(give(first, gateway, bundle)).toBe(false)
  expect(give(first, gateway, bundle)).toBe(true)
  expect(first.registry.moved(gateway)).toMatchObject({ server: second.registry.server.id, version: 2 })

  // told with the next hello: binding, entry and certificate in one update
  played.hear(first.receive([played.hello()]))
  expect(played.moves.map(one => one.server)).toEqual([second.registry.server.id])
  // its rows are taken here until the last
  played.hear(first.receive(played.sent(9)))
  expect(played.waiting()).toEqual([])
  // it knows by now, and is told no more
  const before = played.heard.filter(type => type === 'update').length
  played.hear(first.receive([played.hello()]))
  expect(played.heard.filter(type => type === 'update')).toHaveLength(before)
  expect(
    thrownBy(() =>
      storeIntent(first.state, first.store, first.registry, { gateway, verb: 'ping', args: {}, ...decided }),
    ),
  ).toBe('registry.moved')
  expect(thrownBy(() => handoverText(first.store, first.registry, gateway))).toBe('registry.moved')
  expect(thrownBy(() => makeBundle(first.store, first.registry, gateway))).toBe('registry.moved')

  const there = playedGateway(box, { entry: second.registry.entry(), binding: 2, roots })
  there.take()
  there.hear(second.receive([there.hello()]))
  there.hear(second.receive(there.sent(9)))
  expect(there.waiting()).toEqual([])

  const back = await takeOver(first, handoverText(second.store, second.registry, gateway))
  expect(first.registry.moved(gateway)).toBeUndefined()
  expect(first.registry.gateway(gateway)).toMatchObject({ version: 3 })
  expect(give(second, gateway, back)).toBe(false)
  expect(second.registry.moved(gateway)).toMatchObject({ version: 3 })
  for (const server of [first, second]) {
    expect(listFlags(server.store, {})).toEqual([])
    expect(await problems(server)).toEqual([])
    expect(server.registry.damage()).toEqual([])
  }
})

test('what an operator had accepted is accepted at the other server as well', async () => {
  const [first, second] = [await makeServer('first'), await makeServer('second', 'first')]
  const { gateway } = await enrolled(first)
  const cuff = { device: 'cuff-1', driver: 'omron-hbp9030', station: 'room-12', proposal: 'ab'.repeat(32) }
  const { signRegistry } = await import('../../src/wire/registry.ts')
  const { insertStatement } = await import('../../src/receiver/registry-rows.ts')
  const { ownLock } = await import('../../src/receiver/state.ts')
  const operator = readSigner(first.state, 'operator', ownLock(first.state))
  const list = signRegistry('device-list', { gateway, version: 1, before: null, devices: [cuff] }, operator)
  insertStatement(first.store.db, { subject: gateway, version: 1, statement: list, at: now, actor: 'anna' })
  await takeOver(second, handoverText(first.store, first.registry, gateway))
  expect(second.registry.devices(gateway)).toMatchObject({ version: 1, devices: [cuff] })
  expect(await problems(second)).toEqual([])
})

test('nothing is given away to a server that does not prove itself', async () => {
  const [first, second, stranger] = [
    await makeServer('first'),
    await makeServer('second', 'first'),
    await makeServer('stranger'),
  ]
  const box = await enrolled(first)
  const { gateway } = box
  const text = handoverText(first.store, first.registry, gateway)
  // under another root neither end believes a word
  await expect(readHandover(text, 'move.json', stranger.registry)).rejects.toMatchObject({
    code: 'input.invalid',
  })
  const { checkRequest } = await import('../../src/receiver/enrol.ts')
  const foreign = await checkRequest(box.text, 'request')
  await enrol(stranger.store, stranger.registry, foreign, stranger.signers, { site: 'x', ...decided })
  const theirs = makeBundle(stranger.store, stranger.registry, gateway)
  expect(thrownBy(() => checkMove(first.registry, gateway, theirs, 'b'))).toBe('input.invalid')

  const bundle = bundleForm.parse(JSON.parse(await takeOver(second, text)))
  const other = await enrolled(first)
  const refused = (changed: object, which = gateway) =>
    thrownBy(() => checkMove(first.registry, which, JSON.stringify({ ...bundle, ...changed }), 'b'))
  expect(refused({})).toBeUndefined()
  expect(refused({}, other.gateway)).toBe('input.invalid')
  // the certificate of the first server: no CA of the second issued it
  const own = bundleForm.parse(JSON.parse(makeBundle(first.store, first.registry, gateway)))
  expect(refused({ certificate: own.certificate })).toBe('input.invalid')
  expect(refused({ serverEntry: own.serverEntry })).toBe('input.invalid')
  expect(refused({ binding: own.binding })).toBe('input.invalid')
  expect(refused({ binding: { ...bundle.binding, sig: own.binding.sig } })).toBe('input.invalid')
  // a handover whose request is another box's
  const parts = JSON.parse(text) as { request: object }
  const swapped = { ...parts, request: JSON.parse(other.text) as object }
  await expect(readHandover(JSON.stringify(swapped), 'm', second.registry)).rejects.toMatchObject({
    code: 'input.invalid',
  })
  // of this very server
  const handover = await readHandover(text, 'm', first.registry)
  expect(thrownBy(() => takeHandover(first.store, first.registry, handover, decided))).toBe('registry.known')
})
