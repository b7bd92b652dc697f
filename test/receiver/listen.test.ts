import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import mqtt, { type MqttClient } from 'mqtt'
import { base64url } from '../../src/base/bytes.ts'
import { makeLog } from '../../src/base/log.ts'
import { issueClient, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import { startBroker } from '../../src/receiver/broker.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { initialise } from '../../src/receiver/init.ts'
import { startListener } from '../../src/receiver/listen.ts'
import { listReadings } from '../../src/receiver/readings-list.ts'
import type { Receive } from '../../src/receiver/receive.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { runReceiver } from '../../src/receiver/run.ts'
import {
  brokerTls,
  clientTls,
  ownLock,
  paths,
  readFacts,
  readSecrets,
  readServerKeys,
  readSigner,
} from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import type { Message } from '../../src/receiver/verify.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { openFrom } from '../../src/wire/message.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { topics } from '../../src/wire/topics.ts'
import { epochOf, gateway } from './fixture.ts'

let folder: string
let told: jest.SpiedFunction<typeof process.stderr.write>
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  told = jest.spyOn(process.stderr, 'write').mockReturnValue(true)
})
afterEach(() => {
  told.mockRestore()
  rmSync(folder, { recursive: true })
})

const silent = makeLog('silent')
const passphrase = 'for tests only, known to everybody'

/** A receiver's state folder with one enrolled gateway; gives the gateway's TLS key and certificate. */
async function enrolled() {
  const now = Date.now()
  const plan = { hosts: ['localhost'], port: 0, announced: [], broker: 'embedded', operator: 'tester', now }
  await initialise(folder, plan, async () => passphrase)
  const { key } = readSecrets(folder, 'authority', ownLock(folder))
  const authority = { key, certificate: readFileSync(paths(folder).authorityCertificate, 'utf8') }
  const tlsKey = await makeTlsKey()
  const server = readServerKeys(folder)
  const keys = {
    sign: base64url(gateway.key.publicKey),
    box: base64url(gateway.box.publicKey),
    tls: '0'.repeat(64),
  }
  const binding = { gateway: gateway.id, server: server.id, version: 1, site: 'site', keys, since: now }
  const statement = signRegistry('binding', binding, readSigner(folder, 'root', { passphrase }))
  const store = openStore(paths(folder).database)
  insertStatement(store.db, { subject: gateway.id, version: 1, statement, at: now, actor: 'test' })
  store.close()
  return {
    server,
    tls: {
      key: tlsKey,
      cert: await issueClient(authority, gateway.id, tlsKey, now),
      ca: authority.certificate,
    },
  }
}

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

/** Connects as the gateway; `next` waits for what comes down. */
async function connected(port: number, { server, tls }: Awaited<ReturnType<typeof enrolled>>) {
  const client: MqttClient = await mqtt.connectAsync(`mqtts://localhost:${port}`, {
    ...tls,
    clientId: gateway.id,
    protocolVersion: 4,
    reconnectPeriod: 0,
  })
  const waiting: ((payload: Buffer) => void)[] = []
  client.on('message', (_topic, payload) => waiting.shift()?.(payload))
  await client.subscribeAsync(topics(server.id, gateway.id).down, { qos: 1 })
  const expectedFrom = {
    iss: server.id,
    key: verifyKey(server.receipt.publicKey),
    aud: gateway.id,
    box: gateway.box,
  }
  return {
    client,
    next: async () => {
      const payload = await new Promise<Buffer>(resolve => waiting.push(resolve))
      return openFrom(payload, ['receipt'], expectedFrom).body
    },
    send: (payload: Uint8Array) =>
      client.publishAsync(topics(server.id, gateway.id).up, Buffer.from(payload), { qos: 1 }),
  }
}

test('a reading over TLS gets its receipt, before and after a restart of the receiver', async () => {
  const known = await enrolled()
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
  const known = await enrolled()
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
  const known = await enrolled()
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
  const known = await enrolled()
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

/** A broker and a listener on it, whose messages go to `receive`. */
async function listening(known: Awaited<ReturnType<typeof enrolled>>, receive: Receive) {
  const { client } = readFacts(folder)
  const parties = { server: known.server.id, receiver: client, isEnrolled: () => true }
  const open = (port: number) =>
    startBroker({ port, tls: brokerTls(folder), parties, onRefused: () => undefined })
  let broker = await open(0)
  const { port } = broker
  const listener = startListener({
    url: `mqtts://127.0.0.1:${port}`,
    host: 'localhost',
    clientId: client,
    server: known.server.id,
    shared: false,
    tls: clientTls(folder),
    receive,
    log: silent,
  })
  await listener.listening
  return {
    port,
    clients: () => broker.clients(),
    restart: async () => {
      await broker.stop()
      broker = await open(port)
    },
    stop: async () => {
      await listener.stop()
      await broker.stop()
    },
  }
}

test('while the database is busy messages wait, in order, more than fit in the queue; none is lost or doubled', async () => {
  const known = await enrolled()
  const heard: number[] = []
  const all = Promise.withResolvers<void>()
  let busy = 2
  const it = await listening(known, batch => {
    if (busy-- > 0) throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })
    for (const { payload } of batch) heard.push(Buffer.from(payload).readUInt32BE())
    if (heard.length >= 1500) all.resolve()
    return []
  })
  const { client, send } = await connected(it.port, known)
  const numbers = Array.from({ length: 1500 }, (_, at) => at)
  await Promise.all(
    numbers.map(at => {
      const payload = Buffer.alloc(4)
      payload.writeUInt32BE(at)
      return send(payload)
    }),
  )
  await all.promise
  expect(heard).toEqual(numbers)
  await client.endAsync()
  await it.stop()
})

test('when the broker comes back the listener listens again', async () => {
  const known = await enrolled()
  const heard = Promise.withResolvers<readonly Message[]>()
  const it = await listening(known, batch => {
    heard.resolve(batch)
    return []
  })
  await it.restart()
  const { client, send } = await connected(it.port, known)
  // QoS 1 to nobody is acknowledged as well: publish until somebody hears
  const timer = setInterval(() => {
    send(Uint8Array.of(7)).catch(() => undefined)
  }, 50)
  const [message] = await heard.promise
  clearInterval(timer)
  expect(message).toEqual({ topic: topics(known.server.id, gateway.id).up, payload: Uint8Array.of(7) })
  await client.endAsync()
  await it.stop()
})
