import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { unbase64url } from '../../src/base/bytes.ts'
import { makeCommander } from '../../src/receiver/command-dispatch.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry, type Registry } from '../../src/receiver/registry.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { forgetServerKeys, keyLines, keysToForget } from '../../src/receiver/server-forget.ts'
import { rotateServerKeys } from '../../src/receiver/server-rotate.ts'
import { brokerTls, paths, readKeySets, readServerKeys } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { standing, thrownBy } from './fixture.ts'
import { silent } from './listen-fixture.ts'
import { keysOf, type Played, playedGateway, seeded } from './played.ts'
import { now, registryBench } from './revoke-fixture.ts'

type Bench = Awaited<ReturnType<typeof registryBench>>
let it: Bench
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

/** A running receiver: its own connection to the database, its registry opened once. */
function worker() {
  const store = openStore(paths(it.state).database)
  stores.push(store)
  const registry = openRegistry(it.state, store.db)
  const commander = makeCommander(store, registry, silent, clock.mono)
  return { store, registry, receive: makeReceive({ store, trust: registry, clock, log: silent, commander }) }
}

const decided = { actor: 'anna', now }
const rotate = (authority = false, root = async () => it.root) =>
  rotateServerKeys(it.state, it.store, it.again(), { root }, { ...decided, authority })

const enrolled = async (random?: (below: number) => number): Promise<Played> => {
  const box = await it.box()
  const roots = [it.registry.facts.root, it.registry.facts.successor].map(key => verifyKey(unbase64url(key)))
  return playedGateway(box, { entry: it.again().entry(), binding: 1, roots }, random)
}

const lines = () => keyLines(it.state, it.store, it.again())
const forget = (version: number, anyway = false) => {
  const registry = it.again()
  const line = keysToForget(registry, keyLines(it.state, it.store, registry), version)
  return forgetServerKeys(it.state, it.store, registry, line, { ...decided, anyway })
}
const held = ({ rows }: Played): number =>
  rows.filter(({ hash }) => it.store.get('SELECT 1 FROM chains WHERE hash = ?', hash) !== undefined).length

test('the next entry names new keys, and the pins of the old broker and the new one', async () => {
  const before = it.registry.entry()
  const { outcome } = await rotate()
  expect(outcome).toBe('entered')
  const registry = it.again()
  const after = registry.entry()
  expect(after.version).toBe(2)
  const [old, made] = readKeySets(it.state)
  expect(before.keys).toEqual(keysOf(old!.keys))
  expect(after.keys).toEqual(keysOf(made!.keys))
  for (const use of ['box', 'receipt', 'command'] as const) expect(after.keys[use]).not.toBe(before.keys[use])
  expect(after.pins).toHaveLength(2)
  expect(after.pins[1]).toBe(before.pins[0])
  expect(after.ca).toEqual(before.ca)
  expect(after.brokers).toEqual(before.brokers)
  // who was away knows the old certificate only: it is shown until it is given up
  expect(brokerTls(it.state).certificate).toBe(readFileSync(paths(it.state).brokerCertificate, 'utf8'))
  expect(await verifyRegistryStore(it.state, it.store, registry)).toMatchObject({ problems: [] })
})

test('cut short between keys and entry, the same call signs the keys that were made', async () => {
  const stopped = rotate(false, async () => {
    throw new Error('the plug was pulled')
  })
  await expect(stopped).rejects.toThrow('the plug was pulled')
  expect(lines().map(one => one.state)).toEqual(['newest', 'waiting'])
  const [, made] = readKeySets(it.state)
  // nothing names them: what is said is under the old ones
  expect(it.again().server.box.kid).toBe(readServerKeys(it.state).box.kid)
  await rotate()
  expect(it.again().server.box.kid).toBe(made!.keys.box.kid)
  expect(readKeySets(it.state)).toHaveLength(2)
})

test('a gateway is answered under the keys that its hello names, and what it sealed before is opened', async () => {
  const { receive } = worker()
  const box = await enrolled()
  box.take()
  box.hear(receive([box.hello(), ...box.sent(1)]))
  await rotate()
  // the running receiver was not restarted; the gateway has the old entry still
  box.hear(receive([box.hello()]))
  expect(box.disbelieved).toEqual([])
  expect(box.knowsLater()).toBe(true)
  box.take()
  box.goOver()
  box.hear(receive([box.hello()]))
  box.hear(receive(box.sent(9)))
  box.take()
  box.hear(receive(box.sent(9)))
  expect(box.version()).toBe(2)
  expect(box.waiting().map(row => row.seq)).toEqual([])
  expect(box.disbelieved).toEqual([])
  expect(listFlags(it.store, {}).map(one => `${one.flag} ${one.detail}`)).toEqual([])
})

test('keys go only when every gateway has reported a later entry and nothing sealed to them is outstanding', async () => {
  const { receive } = worker()
  const [quick, slow] = [await enrolled(), await enrolled()]
  await rotate()
  const why = () => lines()[0]!.keepers.map(one => [one.gateway, one.why])
  expect(new Map(why() as [string, string][])).toEqual(
    new Map([
      [quick.gateway, 'unheard'],
      [slow.gateway, 'unheard'],
    ]),
  )
  for (const box of [quick, slow]) {
    box.take()
    box.hear(receive([box.hello()]))
  }
  expect(lines()[0]).toMatchObject({ versions: [1], state: 'former', gateways: 2, shown: true })
  quick.goOver()
  quick.hear(receive([quick.hello()]))
  // confirmed, and its rows are not here yet
  receive(quick.readies())
  expect(why()).toContainEqual([quick.gateway, 'outstanding'])
  quick.hear(receive(quick.sent(9)))
  quick.hear(receive([quick.hello()]))
  receive(quick.readies())
  expect(why()).toEqual([[slow.gateway, 'present']])
  expect(thrownBy(() => forget(1))).toBe('registry.known')
  expect(() => forget(1)).toThrow(`${slow.gateway} has not reported a later entry`)
  slow.goOver()
  slow.hear(receive([slow.hello(), ...slow.sent(9)]))
  // all of it is here; that the gateway knows so shows its next ready
  slow.hear(receive([slow.hello()]))
  expect(why()).toEqual([[slow.gateway, 'outstanding']])
  receive(slow.readies())
  expect(why()).toEqual([])
  const gone = readKeySets(it.state)[0]!.keys.box.kid
  expect(forget(1)).toEqual({ authoritiesGone: 0, authoritiesKeptFor: [] })
  expect(readKeySets(it.state).map(one => one.keys.box.kid)).not.toContain(gone)
  expect(lines()).toMatchObject([{ versions: [2], state: 'newest', shown: true, gateways: 2 }])
  expect(readFileSync(paths(it.state).brokerCertificate, 'utf8')).toBe(brokerTls(it.state).certificate)
  expect(thrownBy(() => forget(2))).toBe('registry.known')
  expect(thrownBy(() => forget(3))).toBe('registry.unknown')
  expect(forget(1)).toEqual({ authoritiesGone: 0, authoritiesKeptFor: [] })
})

test('keys given up with force open nothing more; the others go on', async () => {
  const { receive, registry } = worker()
  const box = await enrolled()
  box.take()
  await rotate()
  forget(1, true)
  expect(receive(box.sent(9))).toEqual([])
  expect(listFlags(it.store, {}).map(one => one.flag)).toEqual(['WRONG_AUDIENCE', 'WRONG_AUDIENCE'])
  expect(registry.damage()).toEqual([])
})

test('a revoked gateway keeps no keys', async () => {
  const box = await enrolled()
  await rotate()
  expect(lines()[0]!.keepers).toHaveLength(1)
  it.revoke(box.gateway)
  expect(lines()[0]!.keepers).toEqual([])
})

test('an entry whose keys are not in the folder is damage, and the keys that are there serve on', async () => {
  const kept = readFileSync(paths(it.state).server)
  await rotate()
  const { writeFileSync } = await import('node:fs')
  writeFileSync(paths(it.state).server, kept)
  const registry: Registry = it.again()
  expect(registry.server.box.kid).toBe(readServerKeys(it.state).box.kid)
  expect(registry.damage().map(one => one.code)).toEqual(['store.damaged'])
})

test.each([1, 4, 5])(
  'honest gateways that go over in any order lose nothing and raise no flag: seed %i',
  async seed => {
    const random = seeded(seed)
    const workers = [worker(), worker()]
    const boxes: Played[] = []
    for (let i = 0; i < 3; i++) boxes.push(await enrolled(random))
    const one = <T>(all: readonly T[]): T => all[random(all.length)]!
    const lost: { box: Played; out: ReturnType<(typeof workers)[0]['receive']> }[] = []
    for (let step = 0; step < 120; step++) {
      const box = one(boxes)
      const { receive } = one(workers)
      const act = random(12)
      if (act < 3) box.take()
      else if (act === 3) box.begin()
      else if (act < 6) {
        const out = receive([box.hello()])
        // what goes down is late now and then, or never comes
        if (random(4) > 0) {
          box.hear(out)
          if (random(2) > 0) box.hear(receive(box.readies()))
        } else lost.push({ box, out })
      } else if (act < 9) {
        const out = receive(box.sent(1 + random(6)))
        if (random(4) > 0) box.hear(out)
      } else if (act === 9) box.goOver()
      else if (act === 10) {
        const late = lost.pop()
        late?.box.hear(late.out)
      } else if (step % 5 === 0) {
        // new keys; former ones go where nothing needs them
        if (lines().length < 6) await rotate(random(5) === 0 && step < 40)
        const free = lines().find(line => line.state === 'former' && line.keepers.length === 0)
        if (free !== undefined) forget(free.versions[0]!)
      }
    }
    const { receive } = workers[0]!
    for (const box of boxes) {
      for (let round = 0; round < 40 && box.waiting().length > 0; round++) {
        box.goOver()
        box.hear(receive([box.hello()]))
        box.hear(receive(box.sent(50)))
      }
      expect(box.waiting().map(row => row.seq)).toEqual([])
      expect(held(box)).toBe(box.rows.length)
    }
    expect(listFlags(it.store, {}).map(one => `${one.flag} ${one.detail}`)).toEqual([])
    for (const { registry } of workers) expect(registry.damage()).toEqual([])
    for (const box of boxes) {
      box.hear(receive([box.hello()]))
      box.goOver()
      box.hear(receive([box.hello()]))
      box.hear(receive(box.readies()))
    }
    for (const line of lines().filter(line => line.state === 'former')) {
      expect(line.keepers).toEqual([])
      forget(line.versions[0]!)
    }
    expect(lines()).toHaveLength(1)
    const verified = await verifyRegistryStore(it.state, it.store, it.again())
    expect(verified.problems).toEqual([])
  },
  120_000,
)
