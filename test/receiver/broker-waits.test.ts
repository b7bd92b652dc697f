import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import mqtt, { MqttClient } from 'mqtt'
import mqttPacket from 'mqtt-packet'
import { type Broker, startBroker } from '../../src/receiver/broker.ts'
import type { Refusal } from '../../src/receiver/broker-refusals.ts'
import { type Listener, startListener } from '../../src/receiver/listen.ts'
import type { Receive } from '../../src/receiver/receive.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Authority, authority, idOf } from './broker-fixture.ts'
import { silent } from './listen-fixture.ts'

const server = idOf()
const receiver = 'receiver-test'
let ours: Authority
let broker: Broker
let refused: PromiseWithResolvers<Refusal>
const clients: MqttClient[] = []

beforeEach(async () => {
  ours = await authority('Vitalgate CA test')
  refused = Promise.withResolvers()
  broker = await startBroker({
    host: '127.0.0.1',
    port: 0,
    tls: await ours.serverEnd(),
    parties: { server, receiver, isEnrolled: () => true },
    onRefused: refused.resolve,
  })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true)
  await broker.stop()
})

async function connectAs(clientId: string): Promise<MqttClient> {
  const tls = await ours.certified(clientId)
  const url = `mqtts://127.0.0.1:${broker.port}`
  const client = await mqtt.connectAsync(url, { ...tls, ca: ours.ca, clientId, protocolVersion: 4 })
  clients.push(client)
  return client
}

/** A receiver within the process, as the listener makes it. */
async function connectReceiver(): Promise<MqttClient> {
  const stream = broker.connectReceiver as unknown as ConstructorParameters<typeof MqttClient>[0]
  const client = new MqttClient(stream, {
    clientId: receiver,
    protocolVersion: 4,
    clean: true,
    keepalive: 60,
  })
  clients.push(client)
  await new Promise<unknown>(resolve => client.once('connect', resolve))
  return client
}

function listening(receive: Receive): Listener {
  return startListener({
    broker: broker.connectReceiver,
    clientId: receiver,
    server,
    shared: false,
    receive,
    log: silent,
  })
}

const busy = (): never => {
  throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })
}

test('a gateway that does not read is cut off and reported, and the others do not wait for it', async () => {
  const deaf = idOf()
  const tls = await ours.certified(deaf)
  const socket = connectTls({ port: broker.port, host: '127.0.0.1', ca: ours.ca, ...tls })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  const connect = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 60,
  } as const
  socket.write(mqttPacket.generate({ ...connect, clientId: deaf }))
  await once(socket, 'data')
  const down = topics(server, deaf).down
  const subscribe = { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: down, qos: 1 }] } as const
  socket.write(mqttPacket.generate(subscribe as never))
  await once(socket, 'data')
  socket.pause()

  const here = await connectReceiver()
  const honest = idOf()
  const neighbour = await connectAs(honest)
  await neighbour.subscribeAsync(topics(server, honest).down, { qos: 1 })
  // 60 KB each: more than the system's own buffers hold by far
  const much = Buffer.alloc(60_000)
  for (let n = 0; n < 1000; n++) here.publish(down, much, { qos: 0 })
  const heard = new Promise<string>(resolve => neighbour.on('message', (_, text) => resolve(String(text))))
  await here.publishAsync(topics(server, honest).down, 'receipt', { qos: 0 })
  expect(await heard).toBe('receipt')
  expect(await refused.promise).toMatchObject({ reason: 'reads-too-slowly', name: deaf })
  socket.destroy()
})

test('when the receiver cannot take, gateways are held back, and then all is taken and answered, in order', async () => {
  let isBusy = true
  const heard = new Map<string, number[]>()
  const listener = listening(batch => {
    if (isBusy) busy()
    return batch.map(({ topic, payload }) => {
      const id = topic.split('/')[3]!
      heard.set(id, [...(heard.get(id) ?? []), Buffer.from(payload).readUInt32BE()])
      return { topic: topics(server, id).down, payload }
    })
  })
  await listener.listening
  const each = 1000
  let acknowledged = 0
  let answered = 0
  const all = Promise.withResolvers<void>()
  const ids = Array.from({ length: 10 }, idOf)
  for (const id of ids) {
    const client = await connectAs(id)
    await client.subscribeAsync(topics(server, id).down, { qos: 1 })
    client.on('message', () => {
      answered++
      if (answered === each * ids.length) all.resolve()
    })
    for (let n = 0; n < each; n++) {
      const payload = Buffer.alloc(4)
      payload.writeUInt32BE(n)
      client.publish(topics(server, id).up, payload, { qos: 1 }, () => acknowledged++)
    }
  }
  // until nothing moves any more
  for (let before = -1; before !== acknowledged || acknowledged === 0; ) {
    before = acknowledged
    await new Promise(resolve => setTimeout(resolve, 150))
  }
  expect(acknowledged).toBeLessThan((each * ids.length) / 2)
  expect(broker.clients()).toContain(receiver)
  isBusy = false
  await all.promise
  for (const id of ids) expect(heard.get(id)).toEqual(Array.from({ length: each }, (_, n) => n))
  await listener.stop()
})

test('a receiver that is busy stops all the same', async () => {
  const listener = listening(busy)
  await listener.listening
  const id = idOf()
  const client = await connectAs(id)
  let acknowledged = 0
  for (let n = 0; n < 1000; n++) {
    client.publish(topics(server, id).up, Buffer.alloc(500), { qos: 1 }, () => acknowledged++)
  }
  while (acknowledged === 0) await new Promise(resolve => setTimeout(resolve, 20))
  await listener.stop()
  while (broker.clients().includes(receiver)) await new Promise(resolve => setTimeout(resolve, 20))
  expect(broker.clients()).toEqual([id])
})
