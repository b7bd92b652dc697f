import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeAll, expect, test } from '@jest/globals'
import mqtt, { type MqttClient } from 'mqtt'
import { type Broker, startBroker } from '../../src/receiver/broker.ts'
import type { DoorLimits } from '../../src/receiver/broker-door.ts'
import type { Refusal } from '../../src/receiver/broker-refusals.ts'
import { type Authority, authority, idOf } from './broker-fixture.ts'

let ours: Authority
let broker: Broker
let told: Refusal[] = []
const sockets: Socket[] = []
const clients: MqttClient[] = []

beforeAll(async () => {
  ours = await authority('Vitalgate CA test')
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true)
  for (const socket of sockets.splice(0)) socket.destroy()
  await broker.stop()
  told = []
})

async function open(limits: { door?: DoorLimits; clients?: number }): Promise<void> {
  broker = await startBroker({
    host: '127.0.0.1',
    port: 0,
    tls: await ours.serverEnd(),
    parties: { server: idOf(), receiver: 'receiver-test', isEnrolled: () => true },
    onRefused: refusal => told.push(refusal),
    ...limits,
  })
}

/** Knocks from a loopback address, says `words` and nothing more; resolves when connected. */
async function knock(localAddress: string, words = ''): Promise<Socket> {
  const socket = connectPlain({ port: broker.port, host: '127.0.0.1', localAddress })
  sockets.push(socket)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  if (words !== '') await new Promise(resolve => socket.write(words, resolve))
  return socket.resume()
}

async function connectAs(clientId: string): Promise<MqttClient> {
  const client = mqtt.connect(`mqtts://127.0.0.1:${broker.port}`, {
    ...(await ours.certified(clientId)),
    ca: ours.ca,
    clientId,
    protocolVersion: 4,
    reconnectPeriod: 0,
  })
  client.on('error', () => undefined)
  clients.push(client)
  await new Promise<unknown[]>(resolve => {
    client.once('connect', (...all) => resolve(all))
    client.once('close', () => resolve([]))
  })
  return client
}

const over = (socket: Socket) => (socket.closed ? Promise.resolve([]) : once(socket, 'close'))

/** The first byte of a TLS handshake record (RFC 8446, 5.1). */
const helloBegins = '\x16'

test('connections that say nothing push out each other, and a gateway comes in', async () => {
  await open({ door: { waiting: 8, perAddress: 4 } })
  const silent: Socket[] = []
  for (let n = 0; n < 30; n++) silent.push(await knock('127.0.0.1'))
  await Promise.all(silent.slice(0, 26).map(over))
  expect(silent.slice(26).map(socket => socket.closed)).toEqual([false, false, false, false])
  expect((await connectAs(idOf())).connected).toBe(true)
  expect(told[0]).toMatchObject({ reason: 'too-many-waiting', address: '127.0.0.1', detail: '4' })
})

test('one that began its handshake outlives those that say nothing, however many come', async () => {
  await open({ door: { waiting: 8, perAddress: 4 } })
  const speaking = await knock('127.0.0.1', helloBegins)
  const silent: Socket[] = []
  for (let n = 0; n < 30; n++) silent.push(await knock('127.0.0.1'))
  await Promise.all(silent.slice(0, 27).map(over))
  expect([speaking, ...silent.slice(27)].map(socket => socket.closed)).toEqual([false, false, false, false])
})

test('when the door is full, the address that has most makes room', async () => {
  await open({ door: { waiting: 6, perAddress: 4 } })
  const alone = await knock('127.0.0.2')
  const crowd: Socket[] = []
  for (let n = 0; n < 4; n++) crowd.push(await knock('127.0.0.3', helloBegins))
  const others = [await knock('127.0.0.4'), await knock('127.0.0.5')]
  await Promise.race(crowd.map(over))
  expect([alone, ...others].map(socket => socket.closed)).toEqual([false, false, false])
})

test('a certificate alone is not enough: without CONNECT one still waits, and who came in does not', async () => {
  await open({ door: { waiting: 8, perAddress: 2 } })
  const inside = await Promise.all([connectAs(idOf()), connectAs(idOf())])
  const certified = await ours.certified(idOf())
  const waiting = []
  for (let n = 0; n < 3; n++) {
    const socket = connectTls({ port: broker.port, host: '127.0.0.1', ca: ours.ca, ...certified })
    sockets.push(socket)
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    waiting.push(socket.resume())
  }
  await over(waiting[0]!)
  expect(waiting.slice(1).map(socket => socket.closed)).toEqual([false, false])
  expect(inside.map(client => client.connected)).toEqual([true, true])
})

test('more clients than there may be are refused, and the name of the last is told', async () => {
  await open({ clients: 1 })
  const first = await connectAs(idOf())
  const second = idOf()
  expect((await connectAs(second)).connected).toBe(false)
  expect(told).toEqual([expect.objectContaining({ reason: 'too-many-connections', name: second })])
  expect(first.connected).toBe(true)
})
