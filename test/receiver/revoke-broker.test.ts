import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import mqtt from 'mqtt'
import { certificatePin } from '../../src/receiver/authority.ts'
import { type Broker, startBroker } from '../../src/receiver/broker.ts'
import type { Refusal } from '../../src/receiver/broker-refusals.ts'
import { type Authority, authority, idOf } from './broker-fixture.ts'

const server = idOf()
const receiver = 'receiver-test'
let broker: Broker
let ours: Authority
let told: Refusal[]
let wake: () => void = () => undefined
const revoked = new Set<string>()

beforeAll(async () => {
  ours = await authority('Vitalgate CA test')
  let clock = 0
  broker = await startBroker({
    host: '127.0.0.1',
    port: 0,
    tls: await ours.serverEnd(),
    parties: {
      server,
      receiver,
      isEnrolled: () => true,
      isRevoked: (gateway, tls) => revoked.has(gateway) || (tls !== undefined && revoked.has(tls)),
    },
    onRefused: refusal => {
      told.push(refusal)
      wake()
    },
    // past the window in which repeated refusals are held back
    now: () => (clock += 120_000),
  })
})
beforeEach(() => {
  told = []
})
afterAll(() => broker.stop())

const refusal = async (): Promise<Refusal> => {
  while (told.length === 0) await new Promise<void>(resolve => (wake = resolve))
  return told[0]!
}
const dial = (clientId: string, tls: { key: string; cert: string }) =>
  mqtt.connectAsync(`mqtts://127.0.0.1:${broker.port}`, {
    ...tls,
    ca: ours.ca,
    clientId,
    reconnectPeriod: 0,
    protocolVersion: 4,
  })

test('who is revoked while connected is cut off, reported, and does not come in again', async () => {
  const [gateway, neighbour] = [idOf(), idOf()]
  const tls = await ours.certified(gateway)
  const client = await dial(gateway, tls)
  const other = await dial(neighbour, await ours.certified(neighbour))
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()))
  revoked.add(gateway)
  await closed
  expect(await refusal()).toMatchObject({ reason: 'revoked', name: gateway, detail: gateway })
  expect(broker.clients()).toEqual([neighbour])
  told = []
  await expect(dial(gateway, tls)).rejects.toMatchObject({ code: 5 })
  expect(await refusal()).toMatchObject({ reason: 'revoked', name: gateway })
  expect(other.connected).toBe(true)
  await other.endAsync()
})

test('of one name the revoked TLS key is refused, and the new one comes in', async () => {
  const gateway = idOf()
  const [lost, fresh] = [await ours.certified(gateway), await ours.certified(gateway)]
  revoked.add(certificatePin(lost.cert))
  await expect(dial(gateway, lost)).rejects.toMatchObject({ code: 5 })
  expect(await refusal()).toMatchObject({ reason: 'revoked', tls: certificatePin(lost.cert) })
  const client = await dial(gateway, fresh)
  expect(client.connected).toBe(true)
  await client.endAsync()
})

test('the receiver itself is nobody who could be revoked', async () => {
  revoked.add(receiver)
  const client = await dial(receiver, await ours.certified(receiver))
  expect(client.connected).toBe(true)
  await client.endAsync()
})
