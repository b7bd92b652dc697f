import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { issueServer, makeTlsKey } from '../../src/receiver/authority.ts'
import { type Broker, startBroker } from '../../src/receiver/broker.ts'
import type { Refusal } from '../../src/receiver/broker-refusals.ts'
import { type Authority, authority, idOf } from './broker-fixture.ts'

const now = Date.now()
const [server, gateway, neighbour, stranger] = [idOf(), idOf(), idOf(), idOf()]
const receiver = 'receiver-test'
const up = (id: string) => `vitalgate/1/${server}/${id}/up`
const down = (id: string) => `vitalgate/1/${server}/${id}/down`

let broker: Broker
let ours: Authority
let foreign: Authority
let told: Refusal[] = []
let wake: () => void = () => undefined
let clock = now
const clients: MqttClient[] = []

beforeAll(async () => {
  ours = await authority('Vitalgate CA test')
  foreign = await authority('Vitalgate CA test')
  broker = await startBroker({
    host: '127.0.0.1',
    port: 0,
    tls: await ours.serverEnd(),
    parties: { server, receiver, isEnrolled: id => id === gateway || id === neighbour },
    onRefused: refusal => {
      told.push(refusal)
      wake()
    },
    now: () => clock,
  })
})
beforeEach(() => {
  told = []
  clock += 120_000 // past the window in which repeated refusals are held back
})
afterAll(async () => {
  for (const client of clients) client.end(true)
  await broker.stop()
})

/** What comes with a client's next event of this name. */
const next = (client: MqttClient, event: 'connect' | 'close' | 'message' | 'error') =>
  new Promise<unknown[]>(resolve => client.once(event as 'message', (...all: unknown[]) => resolve(all)))

/** Resolves with the first refusal of this test. */
async function refusal(): Promise<Refusal> {
  while (told.length === 0) await new Promise<void>(resolve => (wake = resolve))
  return told[0]!
}

async function dial(clientId: string, ends: Authority, name = clientId, more: IClientOptions = {}) {
  const tls = await ends.certified(name)
  const client = mqtt.connect(`mqtts://127.0.0.1:${broker.port}`, {
    ...tls,
    ca: ours.ca,
    clientId,
    reconnectPeriod: 0,
    protocolVersion: 4,
    ...more,
  })
  client.on('error', () => undefined)
  clients.push(client)
  return { client, certificate: tls.cert }
}
const connected = async (...args: Parameters<typeof dial>): Promise<MqttClient> => {
  const { client } = await dial(...args)
  await next(client, 'connect')
  return client
}
const closed = (client: MqttClient) => next(client, 'close')

test('a gateway and the receiver speak over their own two topics', async () => {
  const here = await connected(receiver, ours)
  const there = await connected(gateway, ours)
  await here.subscribeAsync(`vitalgate/1/${server}/+/up`, { qos: 1 })
  await there.subscribeAsync(down(gateway), { qos: 1 })
  const heard = next(here, 'message')
  await there.publishAsync(up(gateway), Buffer.alloc(16_400, 7), { qos: 1 })
  const [topic, payload] = await heard
  expect(topic).toBe(up(gateway))
  expect((payload as Buffer).equals(Buffer.alloc(16_400, 7))).toBe(true)
  const answered = next(there, 'message')
  await here.publishAsync(down(gateway), 'receipt', { qos: 1 })
  expect(String((await answered)[1])).toBe('receipt')
  expect(broker.clients().sort()).toEqual([gateway, receiver].sort())
  expect(told).toEqual([])
  await here.endAsync()
  await there.endAsync()
})

test('a certificate of a foreign authority of the same name is refused and reported with its fingerprint', async () => {
  const { client, certificate } = await dial(gateway, foreign)
  await closed(client)
  const one = await refusal()
  expect(one).toMatchObject({ reason: 'foreign-certificate', name: gateway, address: '127.0.0.1', count: 1 })
  const fingerprint = new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase()
  expect(one.fingerprint).toBe(fingerprint)
  expect(client.connected).toBe(false)
})

test('a server certificate of ours is no client certificate', async () => {
  const key = await makeTlsKey()
  const cert = await issueServer({ key: ours.key, certificate: ours.ca }, key, ['localhost'], now)
  const { client } = await dial('Vitalgate broker', ours, 'Vitalgate broker', { key, cert })
  await closed(client)
  expect(await refusal()).toMatchObject({ reason: 'foreign-certificate', name: 'Vitalgate broker' })
})

test('a certificate that has run out is refused', async () => {
  // authority.ts: a client's certificate lives ten years
  const elevenYears = 11 * 366 * 86_400_000
  const old = await ours.certified(gateway, now - elevenYears)
  const { client } = await dial(gateway, ours, gateway, old)
  await closed(client)
  expect(await refusal()).toMatchObject({ reason: 'foreign-certificate', detail: 'CERT_HAS_EXPIRED' })
})

test('who shows no certificate, or speaks no TLS, is refused and reported', async () => {
  const bare = connectTls({ port: broker.port, host: '127.0.0.1', ca: ours.ca, servername: 'localhost' })
  bare.on('error', () => undefined)
  expect(await refusal()).toMatchObject({ reason: 'no-certificate', fingerprint: null, name: null })
  told = []
  const plain = connectPlain(broker.port, '127.0.0.1')
  plain.on('error', () => undefined)
  plain.write('\x10\x10this is not TLS at all, it is plain MQTT')
  expect(await refusal()).toMatchObject({ reason: 'no-tls', fingerprint: null })
  bare.destroy()
  plain.destroy()
})

test('a client id other than the name in the certificate is refused', async () => {
  const { client } = await dial(neighbour, ours, gateway)
  const [error] = await next(client, 'error')
  expect((error as { code?: number }).code).toBe(5)
  expect(await refusal()).toMatchObject({ reason: 'wrong-client-id', name: gateway, detail: neighbour })
})

test('a certificate of ours for a gateway that is not enrolled is refused', async () => {
  await dial(stranger, ours)
  expect(await refusal()).toMatchObject({ reason: 'not-enrolled', name: stranger })
})

test('a will and a session that outlives its connection are refused', async () => {
  await dial(gateway, ours, gateway, { will: { topic: up(gateway), payload: Buffer.from('x') } })
  expect(await refusal()).toMatchObject({ reason: 'will', detail: up(gateway) })
  told = []
  await dial(gateway, ours, gateway, { clean: false })
  expect(await refusal()).toMatchObject({ reason: 'session-not-clean' })
})

const publishes: [string, string, { qos?: 0 | 1 | 2; retain?: boolean }][] = [
  ["another gateway's up", up(neighbour), { qos: 1 }],
  ['its own down', down(gateway), { qos: 1 }],
  ["another server's topic", `vitalgate/1/${idOf()}/${gateway}/up`, { qos: 1 }],
  ['a system topic', '$SYS/x', {}],
  ['a retained message', up(gateway), { qos: 1, retain: true }],
  ['QoS 2', up(gateway), { qos: 2 }],
]
test.each(publishes)('a gateway that publishes %s is cut off and nobody hears it', async (_, topic, how) => {
  const here = await connected(receiver, ours)
  await here.subscribeAsync(`vitalgate/1/${server}/+/up`, { qos: 1 })
  const heard: string[] = []
  here.on('message', name => heard.push(name))
  const there = await connected(gateway, ours)
  there.publish(topic, 'forged', how)
  await closed(there)
  const one = await refusal()
  expect(one.reason).toBe('forbidden-publish')
  expect(one.detail).toContain(topic)
  expect(one.name).toBe(gateway)
  // what an honest neighbour says afterwards comes first
  const honest = await connected(neighbour, ours)
  const first = next(here, 'message')
  await honest.publishAsync(up(neighbour), 'true', { qos: 1 })
  await first
  expect(heard).toEqual([up(neighbour)])
  await here.endAsync()
  await honest.endAsync()
})

test.each([
  ["another gateway's down", down(neighbour)],
  ['its own up', up(gateway)],
  ['a wildcard over all', '#'],
  ['a wildcard over gateways', `vitalgate/1/${server}/+/down`],
  ['a wildcard under its own name', `vitalgate/1/${server}/${gateway}/#`],
  ['a share of the receivers', `$share/${server}/vitalgate/1/${server}/+/up`],
  ['a share of its own', `$share/x/${down(gateway)}`],
  ['system topics', '$SYS/#'],
])('a gateway that subscribes %s is refused', async (_, filter) => {
  const there = await connected(gateway, ours)
  const granted = await new Promise(resolve =>
    there.subscribe(filter, { qos: 1 }, (error, grants) => resolve(error?.message ?? grants?.[0]?.qos)),
  )
  expect(String(granted)).toMatch(/128|Unspecified/)
  expect(await refusal()).toMatchObject({ reason: 'forbidden-subscribe', detail: filter, name: gateway })
  there.end(true)
})

test('the receiver may publish nothing but the down of enrolled gateways', async () => {
  for (const topic of [up(gateway), down(stranger), 'anything']) {
    told = []
    clock += 120_000
    const here = await connected(receiver, ours)
    here.publish(topic, 'x', { qos: 1 })
    await closed(here)
    expect(await refusal()).toMatchObject({ reason: 'forbidden-publish', detail: topic })
  }
})

test('a packet announced as longer than 64 KiB closes the connection before its body comes', async () => {
  const tls = await ours.certified(gateway)
  const socket = connectTls({
    port: broker.port,
    host: '127.0.0.1',
    ca: ours.ca,
    servername: 'localhost',
    ...tls,
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  socket.write(Buffer.from([0x30, 0x80, 0x80, 0x04])) // PUBLISH, 65,536 bytes to come: 65,540 in all
  expect(await refusal()).toMatchObject({ reason: 'packet-too-long', detail: '65540', name: gateway })
  socket.resume()
  await once(socket, 'close')
})

test('a taken port is told with its hint', async () => {
  const second = startBroker({
    host: '127.0.0.1',
    port: broker.port,
    tls: { key: ours.key, certificate: ours.ca, authority: ours.ca },
    parties: { server, receiver, isEnrolled: () => false },
    onRefused: () => undefined,
  })
  await expect(second).rejects.toMatchObject({
    code: 'broker.port',
    hint: expect.stringContaining('ss -ltnp'),
  })
})
