import { createPrivateKey } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import type { MqttClient } from 'mqtt'
import { until } from '../../scripts/scenario/program.ts'
import { bytesOf, unbase64url } from '../../src/base/bytes.ts'
import { readSecret } from '../../src/base/keyfile.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { places } from '../../src/identity/places.ts'
import { ownLock, paths, readSecrets } from '../../src/receiver/state.ts'
import { spyName } from './mosquitto.ts'
import { heldOf } from './said.ts'
import { type Canary, formsOf, type Place, sightings } from './search.ts'
import { addDevice, answers, drained, openWay, patienceMs, type WaySite } from './site.ts'
import { type Heard, spy } from './stranger.ts'

// Values that occur nowhere else go the whole way; afterwards no log, topic, client id or outbox shows them.
jest.setTimeout(180_000)

/** What a person's body, wristband and card say. GSRN: 17 digits, then GS1's mod-10 check digit. */
const weight = '713.947152'
const band = '952771604938215562'
const label = 'Resident-Quillfeather-83'
const card = 'QX9Z-RES-44170052'
const health: Canary[] = [
  { name: 'weight', bytes: bytesOf(weight) },
  { name: 'digits of the weight', bytes: bytesOf(weight.replace('.', '')) },
  { name: 'band', bytes: bytesOf(band) },
  { name: 'label', bytes: bytesOf(label) },
  { name: 'card', bytes: bytesOf(card) },
]
const cuffLine = (id: string, systolic: string): string =>
  `2026,07,11,09,05,${id.padEnd(20)},0,${systolic},080,072,0\r\n`

let site: WaySite
let listener: MqttClient | undefined
const heard: Heard[] = []
const box = () => site.boxes[0]!

beforeAll(async () => {
  const config = '[log]\nlevel = "trace"\n'
  site = await openWay({ broker: 'mosquitto', boxes: ['gateway'], config })
  listener = await spy(site, spyName, heard)
  const station = 'room-12'
  const options = { mode: 'on-print' }
  const scanner = await addDevice(site, box(), { id: 'scanner', driver: 'barcode-scanner', station })
  const scale = await addDevice(site, box(), { id: 'planted-scale', driver: 'and-line', station, options })
  const cuff = await addDevice(site, box(), { id: 'cuff', driver: 'omron-hbp9030', station })
  const count = (device: string) => heldOf(site, box(), device).length
  const faults = async (at: number) => (await box().status()).devices[at]!.faults
  const scans = () => readFileSync(box().daemon.log, 'utf8').split('"scanned"').length - 1
  writeFileSync(scanner.device, `]C18018${band}\r\n`)
  await until('the scan', patienceMs, () => scans() === 1)
  writeFileSync(scale.device, `ST,GS,+${weight}kg\r\n`)
  await until('the weight', patienceMs, () => count('planted-scale') === 1)
  writeFileSync(scanner.device, `${label}\r\n`)
  await until('the second scan', patienceMs, () => scans() === 2)
  writeFileSync(cuff.device, cuffLine(card, '120'))
  await until('the pressure', patienceMs, () => count('cuff') === 1)
  // what is not understood must not be quoted either
  writeFileSync(cuff.device, cuffLine(`${card}?`, '120'))
  writeFileSync(cuff.device, cuffLine(card, '999'))
  writeFileSync(scale.device, `ST,GS,+${weight}qq\r\n`)
  // more decimals than the wire carries, and more kilograms (WIRE 1.5): faults, and no end of the gateway
  writeFileSync(scale.device, `ST,GS,+${weight.slice(1)}0kg\r\nST,GS,+99999999lb\r\n`)
  writeFileSync(scanner.device, `]C18018${band.replace(/2$/, '4')}\r\n`)
  await until('the faults', patienceMs, async () => {
    return (await faults(0)) === 1 && (await faults(1)) === 3 && (await faults(2)) === 2
  })
  await drained(box())
})
afterAll(async () => {
  await listener?.endAsync(true)
  await site?.close()
})

/** Every secret of the box, of the server and of the registry. */
function secretCanaries(): Canary[] {
  const { state } = box()
  const keys = readKeys(state)
  const lock = ownLock(site.receiver)
  const server = readSecrets(site.receiver, 'server', lock)
  const passphrase = readFileSync(join(site.folder, 'passphrase'), 'utf8').trim()
  const root = readSecrets(site.receiver, 'root', { passphrase })
  const scalar = (pem: string) => unbase64url(createPrivateKey(pem).export({ format: 'jwk' }).d as string)
  const named: [string, Uint8Array][] = [
    ['signing seed', keys.signSeed],
    ['box key', Uint8Array.from(keys.box.secret.export({ format: 'der', type: 'pkcs8' })).slice(-32)],
    ['TLS key', scalar(keys.tlsKey)],
    ['secret file', readSecret(places(state).secret)],
    ['server box key', unbase64url(server.box)],
    ['receipt key', unbase64url(server.receipt)],
    ['command key', unbase64url(server.command)],
    ['broker TLS key', scalar(server.brokerKey)],
    ['receiver TLS key', scalar(server.clientKey)],
    ['CA key', scalar(readSecrets(site.receiver, 'authority', lock).key)],
    ['operator key', unbase64url(readSecrets(site.receiver, 'operator', lock).seed)],
    ['root key', unbase64url(root.seed)],
    ['passphrase', bytesOf(passphrase)],
  ]
  return named.map(([name, bytes]) => ({ name, bytes }))
}

const file = (path: string): Place[] =>
  existsSync(path) ? [{ name: path.replace(site.folder, ''), bytes: readFileSync(path) }] : []

/** Everything that others than the holder of a key may come to see. */
async function openPlaces(): Promise<Place[]> {
  const { state } = box()
  const topics = [...new Set(heard.map(({ topic }) => topic))].join('\n')
  const { outbox, keys, identity, route, devices } = places(state)
  return [
    ...[box().daemon.log, site.receiverProgram.log, join(site.folder, 'mosquitto.log')].flatMap(file),
    ...[outbox, `${outbox}-wal`, keys, identity, route, devices].flatMap(file),
    ...[paths(site.receiver).server, paths(site.receiver).root].flatMap(file),
    { name: 'topics', bytes: bytesOf(topics) },
    { name: 'messages', bytes: Buffer.concat(heard.map(({ payload }) => payload)) },
    { name: 'status', bytes: bytesOf(JSON.stringify(await box().status())) },
  ]
}

test('what went the whole way arrived as it was', () => {
  expect(heldOf(site, box(), 'planted-scale')).toEqual([
    { values: { 'body-weight': `${weight} kg` }, band, verdict: 'accept' },
  ])
  const [pressure] = heldOf(site, box(), 'cuff')
  expect([pressure?.band, pressure?.deviceId]).toEqual([label, card])
})

test('no log, topic, client id, message, status or outbox shows health data or a secret', async () => {
  const canaries = [...health, ...secretCanaries()]
  const running = await openPlaces()
  expect(running.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['/gateway.log', '/receiver.log', '/mosquitto.log', 'topics', 'messages']),
  )
  expect(running.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['/gateway/outbox.db', '/gateway/outbox.db-wal']),
  )
  expect(sightings(running, canaries)).toEqual([])
  expect(await box().daemon.end('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(sightings(file(places(box().state).outbox), canaries)).toEqual([])
  expect(sightings(file(box().daemon.log), canaries)).toEqual([])
  expect(site.crashes()).toEqual([])
})

test('the same search finds what is there: names in logs, topics and outbox, values at the receiver', async () => {
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  const epoch = site.store.get<{ epoch: string }>('SELECT epoch FROM readings LIMIT 1')!.epoch
  const found = (path: string, name: string, value: string) =>
    sightings([...file(path), ...file(`${path}-wal`)], [{ name, bytes: bytesOf(value) }]).length > 0
  expect(found(box().daemon.log, 'device', 'planted-scale')).toBe(true)
  expect(found(join(site.folder, 'mosquitto.log'), 'client id', box().gateway)).toBe(true)
  expect(found(places(box().state).outbox, 'epoch', epoch)).toBe(true)
  const topics: Place = { name: 'topics', bytes: bytesOf(heard.map(({ topic }) => topic).join('\n')) }
  expect(sightings([topics], [{ name: 'gateway', bytes: bytesOf(box().gateway) }])).toHaveLength(1)
  // both directions were heard
  expect(new Set(heard.map(({ topic }) => topic.split('/').at(-1)))).toEqual(new Set(['up', 'down']))
  const { database } = paths(site.receiver)
  const held = sightings([...file(database), ...file(`${database}-wal`)], health).join('\n')
  for (const name of ['digits of the weight', 'band', 'label', 'card']) expect(held).toContain(name)
})

test('a canary planted in any place in any form is found', async () => {
  const places = await openPlaces()
  const planted = [...health, ...secretCanaries()].flatMap(canary =>
    formsOf(canary).map(({ form, bytes }) => ({ canary, form, bytes })),
  )
  for (const place of places) {
    const bytes = Buffer.concat([place.bytes, ...planted.map(one => one.bytes)])
    const found = sightings([{ name: place.name, bytes }], [...health, ...secretCanaries()])
    expect(new Set(found)).toEqual(
      new Set(planted.map(({ canary, form }) => `${place.name}: ${canary.name}, ${form}`)),
    )
  }
  // base64 shifts with what stands before: each of the three ways is seen
  for (const before of ['', 'x', 'xy']) {
    const text = Buffer.from(`${before}${band} and more`).toString('base64')
    const there = sightings([{ name: 'text', bytes: bytesOf(text) }], health)
    expect(there).toEqual(['text: band, base64'])
  }
})
