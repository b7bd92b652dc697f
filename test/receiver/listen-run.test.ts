import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import mqtt from 'mqtt'
import { issueClient, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { listReadings } from '../../src/receiver/readings-list.ts'
import { runReceiver } from '../../src/receiver/run.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { epochOf, gateway } from './fixture.ts'
import { connected, enrolled, silent } from './listen-fixture.ts'

let told: jest.SpiedFunction<typeof process.stderr.write>
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  told = jest.spyOn(process.stderr, 'write').mockReturnValue(true)
})
afterEach(() => {
  told.mockRestore()
  rmSync(folder, { recursive: true })
})

/** A running receiver with its port. */
async function running() {
  const abort = new AbortController()
  const ready = Promise.withResolvers<number>()
  const done = runReceiver({
    state: folder,
    log: silent,
    signal: abort.signal,
    onReady: port => ready.resolve(port!),
  })
  done.catch(ready.reject)
  return {
    port: await ready.promise,
    stop: async () => {
      abort.abort()
      await done
    },
  }
}

test('a reading over TLS gets its receipt, before and after a restart of the receiver', async () => {
  const known = await enrolled(folder)
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1', known.server)
  const said = [epoch.open(), epoch.reading(), epoch.reading()]

  const first = await running()
  const before = await connected(first.port, known)
  const receipt = before.next()
  await before.send(said[0]!.message.payload)
  expect(await receipt).toMatchObject({ epoch: epoch.epoch, seq: 1, head: said[0]!.head, holes: [] })
  await before.client.endAsync()
  await first.stop()

  const second = await running()
  const after = await connected(second.port, known)
  const next = after.next()
  await after.send(said[1]!.message.payload)
  expect(await next).toMatchObject({ seq: 2, head: said[1]!.head })
  await after.client.endAsync()
  await second.stop()
  const lines = told.mock.calls.map(([line]) => String(line))
  expect(lines.filter(line => line.startsWith('vitalgate'))).toEqual(
    [first, second].map(one => `vitalgate-receiver: ready, server ${known.server.id} on port ${one.port}\n`),
  )

  const store = openStore(paths(folder).database)
  // no operator accepted the cuff in this registry
  expect(listReadings(store, { verdict: 'all' }).map(one => [one.seq, one.verdict])).toEqual([
    [2, 'quarantine'],
  ])
  expect(listFlags(store, {}).map(one => one.flag)).toEqual(['DEVICE_UNREGISTERED'])
  store.close()
})

test('five hundred readings at once are all confirmed', async () => {
  const known = await enrolled(folder)
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1', known.server)
  const said = [epoch.open()]
  while (said.length < 500) said.push(epoch.reading())
  const receiver = await running()
  const { client, next, send } = await connected(receiver.port, known)
  const done = (async () => {
    while ((await next()).seq < 500);
  })()
  await Promise.all(said.map(one => send(one.message.payload)))
  await done
  await client.endAsync()
  await receiver.stop()
  const store = openStore(paths(folder).database)
  expect(listReadings(store, { verdict: 'all' })).toHaveLength(499)
  store.close()
})

test('whom the broker refuses is flagged', async () => {
  const known = await enrolled(folder)
  const receiver = await running()
  const stranger = { ...known.tls }
  const key = await makeTlsKey()
  const certificate = await makeAuthority(key, 'another CA', Date.now())
  const foreign = { key, certificate }
  stranger.key = await makeTlsKey()
  stranger.cert = await issueClient(foreign, gateway.id, stranger.key, Date.now())
  const refused = mqtt.connectAsync(
    `mqtts://localhost:${receiver.port}`,
    {
      ...stranger,
      clientId: gateway.id,
      protocolVersion: 4,
      reconnectPeriod: 0,
    },
    false,
  )
  await expect(refused).rejects.toThrow()
  await receiver.stop()
  const store = openStore(paths(folder).database)
  const flags = listFlags(store, {})
  expect(flags.map(one => [one.flag, one.outcome, one.gateway])).toEqual([['BROKER_REFUSED', 'refuse', null]])
  expect(flags[0]!.detail).toContain('foreign-certificate')
  store.close()
})

test('a store that does not keep ends the receiver with its error, and nothing is confirmed', async () => {
  const known = await enrolled(folder)
  const store = openStore(paths(folder).database)
  store.db.exec(
    "CREATE TRIGGER broken BEFORE INSERT ON chains BEGIN SELECT raise(ABORT, 'disk is full'); END",
  )
  store.close()
  const ready = Promise.withResolvers<number>()
  const done = runReceiver({ state: folder, log: silent, onReady: port => ready.resolve(port!) })
  const failed = expect(done).rejects.toThrow('disk is full')
  const { client, send } = await connected(await ready.promise, known)
  const heard = jest.fn()
  client.on('message', heard)
  send(epochOf(gateway, 'e1e1e1e1e1e1e1e1', known.server).open().message.payload).catch(() => undefined)
  await failed
  expect(heard).not.toHaveBeenCalled()
  await client.endAsync(true)
})

test('a state folder without a receiver says what to type', async () => {
  await expect(runReceiver({ state: folder, log: silent })).rejects.toMatchObject({
    code: 'registry.missing',
  })
})
