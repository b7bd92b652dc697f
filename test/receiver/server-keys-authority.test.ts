import { X509Certificate } from 'node:crypto'
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { unbase64url } from '../../src/base/bytes.ts'
import { startBroker } from '../../src/receiver/broker.ts'
import { makeCommander } from '../../src/receiver/command-dispatch.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { renew } from '../../src/receiver/renew.ts'
import { partiesOf } from '../../src/receiver/run-refusals.ts'
import { forgetServerKeys, keyLines, keysToForget } from '../../src/receiver/server-forget.ts'
import { rotateServerKeys } from '../../src/receiver/server-rotate.ts'
import { readUnsigned, signedText, unsignedText } from '../../src/receiver/sign.ts'
import { brokerTls, clientTls, paths, readAuthority } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { enterSignedEntry, listWaitingEntries } from '../../src/receiver/waiting-entry.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { unpublish } from '../../src/wire/statement.ts'
import { standing, thrownBy } from './fixture.ts'
import { silent } from './listen-fixture.ts'
import { playedGateway } from './played.ts'
import { now, registryBench } from './revoke-fixture.ts'

let it: Awaited<ReturnType<typeof registryBench>>
const clock = standing()
beforeEach(async () => {
  it = await registryBench()
})
afterEach(() => it.end())

const decided = { actor: 'anna', now }
const rotate = (authority: boolean) =>
  rotateServerKeys(it.state, it.store, it.again(), { root: async () => it.root }, { ...decided, authority })
const forget = (version: number) => {
  const registry = it.again()
  const line = keysToForget(registry, keyLines(it.state, it.store, registry), version)
  return forgetServerKeys(it.state, it.store, registry, line, { ...decided, anyway: false })
}
const receiving = () => {
  const registry = it.again()
  const commander = makeCommander(it.store, registry, silent, clock.mono)
  return makeReceive({ store: it.store, trust: registry, clock, log: silent, commander })
}
const played = (box: Awaited<ReturnType<typeof it.box>>, registry = it.registry) => {
  const roots = [registry.facts.root, registry.facts.successor].map(one => verifyKey(unbase64url(one)))
  return playedGateway(box, { entry: registry.entry(), binding: 1, roots })
}

test('a former CA counts until no gateway has a certificate under it', async () => {
  const old = readAuthority(it.state, it.registry.entry().ca)
  const box = await it.box()
  const gateway = played(box)
  await rotate(true)
  const registry = it.again()
  const [fresh, former] = registry.entry().ca
  expect(former).toBe(old.certificate)
  // from now on the new one issues
  const authority = readAuthority(it.state, registry.entry().ca)
  expect(authority.certificate).toBe(fresh)
  const receive = receiving()
  const goOver = () => {
    gateway.hear(receive([gateway.hello()]))
    receive(gateway.readies())
    gateway.goOver()
    gateway.hear(receive([gateway.hello()]))
    receive(gateway.readies())
  }
  goOver()
  expect(forget(1)).toEqual({ authoritiesGone: 0, authoritiesKeptFor: [box.gateway] })
  expect(brokerTls(it.state).authority).toContain(old.certificate)
  const later = clock.at + 3_600_000
  const when = { actor: 'anna', now: later }
  const renewed = await renew(it.store, it.again(), box.gateway, authority, when)
  expect(new X509Certificate(renewed!.certificate).verify(new X509Certificate(fresh!).publicKey)).toBe(true)
  // it is handed over with the next hello, and the box was not heard since
  expect(forget(1)).toEqual({ authoritiesGone: 0, authoritiesKeptFor: [box.gateway] })
  clock.at = later + 60_000
  goOver()
  expect(forget(1)).toEqual({ authoritiesGone: 1, authoritiesKeptFor: [] })
  for (const end of [brokerTls, clientTls]) expect(end(it.state).authority).toBe(fresh)
  expect((await verifyRegistryStore(it.state, it.store, it.again())).problems).toEqual([])
})

test('an entry waits for a root on another machine, and nothing changes until it is signed', async () => {
  const before = it.registry.server.box.kid
  const wanted = { ...decided, authority: false }
  const made = await rotateServerKeys(it.state, it.store, it.again(), { unsigned: true }, wanted)
  expect(made).toMatchObject({ outcome: 'waiting', entry: { version: 2 } })
  const registry = it.again()
  expect(registry.server.box.kid).toBe(before)
  const rows = listWaitingEntries(it.store, registry)
  expect(rows).toHaveLength(1)
  const again = rotateServerKeys(it.state, it.store, registry, { unsigned: true }, wanted)
  await expect(again).rejects.toMatchObject({ code: 'registry.known' })

  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-sign-'))
  try {
    const { writeFileSync } = await import('node:fs')
    const file = join(folder, 'to-sign.json')
    const { facts, server } = registry
    writeFileSync(file, unsignedText(server.id, facts.root, [], undefined, rows))
    const { bindings, entries } = await readUnsigned(file, it.root)
    expect(bindings).toEqual([])
    // what the person at the root compares
    expect(new Map(entries[0]!.facts).get('box key')).toBe(made.box)
    const { statements } = JSON.parse(signedText([], it.root, entries)) as { statements: [never] }
    const statement = unpublish(statements[0])
    const forged = { ...statement, signature: new Uint8Array(64) }
    const enter = (one: typeof statement) => enterSignedEntry(it.state, it.store, it.again(), one, decided)
    expect(thrownBy(() => enter(forged))).toBe('input.invalid')
    expect(enter(statement)).toBe(false)
    expect(enter(statement)).toBe(true)
  } finally {
    rmSync(folder, { recursive: true })
  }
  expect(it.again().server.box.kid).toBe(made.box)
  expect(listWaitingEntries(it.store, it.again())).toEqual([])
  expect((await verifyRegistryStore(it.state, it.store, it.again())).problems).toEqual([])
})

test('the embedded broker shows another certificate without a restart', async () => {
  const registry = it.again()
  const first = brokerTls(it.state)
  const broker = await startBroker({
    ...{ host: '127.0.0.1', port: 0, tls: first },
    parties: partiesOf(registry),
    onRefused: () => undefined,
  })
  const { key, certificate } = clientTls(it.state)
  const shown = (ca: string) =>
    new Promise<string>((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: broker.port,
        servername: 'localhost',
        key,
        cert: certificate,
        ca,
      }
      const socket = connect(options, () => {
        resolve(socket.getPeerX509Certificate()!.toString())
        socket.destroy()
      })
      socket.on('error', reject)
    })
  try {
    const plain = (pem: string) => new X509Certificate(pem).toString()
    expect(await shown(first.authority)).toBe(plain(first.certificate))
    await rotate(true)
    // who was away knows the old one alone
    broker.show(brokerTls(it.state))
    expect(await shown(first.authority)).toBe(plain(first.certificate))
    forget(1)
    const next = brokerTls(it.state)
    broker.show(next)
    expect(await shown(next.authority)).toBe(plain(next.certificate))
    expect(plain(next.certificate)).not.toBe(plain(first.certificate))
  } finally {
    await broker.stop()
  }
})

test('a state folder that is restored from its backup goes on with what gateways sealed before and after', async () => {
  const box = await it.box()
  const gateway = played(box)
  gateway.take()
  await rotate(false)
  const receive = receiving()
  gateway.hear(receive([gateway.hello()]))
  const backup = mkdtempSync(join(tmpdir(), 'vitalgate-backup-'))
  try {
    // as docs/OPERATE.md tells: the database by its own means, which needs no standstill, and the files
    await it.store.db.backup(join(backup, 'receiver.db'))
    cpSync(it.state, backup, { recursive: true, filter: path => !/receiver\.db/.test(path) })
    chmodSync(backup, 0o700)
    chmodSync(join(backup, 'receiver.db'), 0o600)
    gateway.hear(receive(gateway.sent(9)))
    expect(gateway.waiting()).toEqual([])
    gateway.goOver()
    gateway.hear(receive([gateway.hello()]))
    gateway.take()

    const store = openStore(paths(backup).database)
    try {
      const registry = openRegistry(backup, store.db)
      const commander = makeCommander(store, registry, silent, clock.mono)
      const restored = makeReceive({ store, trust: registry, clock, log: silent, commander })
      // its rows are asked for again: those under the old key, those under the new one
      gateway.forgetReceipts()
      gateway.hear(restored([gateway.hello()]))
      gateway.hear(restored(gateway.sent(9)))
      expect(gateway.waiting()).toEqual([])
      expect(listFlags(store, {})).toEqual([])
      expect(registry.damage()).toEqual([])
      expect((await verifyRegistryStore(backup, store, openRegistry(backup, store.db))).problems).toEqual([])
    } finally {
      store.close()
    }
  } finally {
    rmSync(backup, { recursive: true, force: true })
  }
})
