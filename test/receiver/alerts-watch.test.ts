import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { listAlerts } from '../../src/receiver/alerts.ts'
import type { Channel } from '../../src/receiver/alerts-channel.ts'
import { listFlags, noteRefusal } from '../../src/receiver/flags.ts'
import { startWatch, type Watch, type Watching } from '../../src/receiver/watch.ts'
import { watchFlags } from '../../src/receiver/watch-flags.ts'
import type { ServerEntry } from '../../src/wire/registry.ts'
import { delivered, heard } from './alerts-fixture.ts'
import { type Bench, bench, epochOf, gateway, morning, other } from './fixture.ts'
import { body, message, stranger, up } from './receive-fixture.ts'

/** What leaves the house, line by line. */
const lines: string[] = []
let it: Bench
let watches: Watch[]
const failed: unknown[] = []
beforeEach(() => {
  it = bench()
  watches = []
  lines.length = 0
})
afterEach(async () => {
  await Promise.all(watches.map(one => one.stop()))
  it.end()
  expect(failed.splice(0)).toEqual([])
})

const channel: Channel = {
  name: 'command',
  check: () => undefined,
  tell: async line => void lines.push(line),
}
const flags = () => watchFlags(it.store, ['command'], it.clock)
const queued = () => listAlerts(it.store, {})

function watch(more: Partial<Watching> = {}, damage: Fault[] = []) {
  const ear = heard()
  const registry = {
    gateway: (id: string) => it.gateways.get(id),
    gateways: () => [...it.gateways.keys()],
    devices: () => ({ version: 1, hash: null, devices: it.devices }),
    damage: () => damage,
    revoked: () => undefined,
    reviews: it.trust.reviews,
    entry: () => ({ until: it.clock.at + 365 * 86_400_000 }) as ServerEntry,
  }
  const started = startWatch({
    store: it.store,
    registry,
    telling: { channels: [channel], silentGatewayMs: 900_000, silentDeviceMs: undefined },
    clock: it.clock,
    log: ear.log,
    fail: error => void failed.push(error),
    paces: { flagsMs: 1, gatewaysMs: 1 },
    ...more,
  })
  watches.push(started)
  return { ...ear, ...started }
}

const e1 = 'e1e1e1e1e1e1e1e1'
const receive = (...said: { message: Parameters<Bench['receive']>[0][number] }[]) =>
  it.receive(said.map(one => one.message))

test('each flag that is raised is one alert, also over a restart; those from before are not told', () => {
  receive({ message: { topic: up(stranger), payload: new Uint8Array(3) } })
  const first = flags()
  first.look()
  expect(queued()).toEqual([])
  const epoch = epochOf(gateway, e1)
  receive(epoch.open(), epoch.reading({ device: 'cuff-2' }))
  first.look()
  first.look()
  noteRefusal(it.store, {
    gateway: null,
    detail: 'no-certificate, from 10.0.0.1 with no certificate',
    at: morning + 7,
  })
  // the receiver was away meanwhile
  const second = flags()
  second.look()
  expect(queued().map(one => [one.flag, one.gateway, one.device, one.at])).toEqual([
    ['DEVICE_UNREGISTERED', gateway.id, 'cuff-2', morning],
    ['BROKER_REFUSED', null, null, morning + 7],
  ])
  const [, unregistered, refused] = listFlags(it.store, {})
  expect(queued().map(one => [one.act, one.detail])).toEqual([
    [
      unregistered!.id,
      `device cuff-2 is not accepted; see: vitalgate-receiver flags show ${unregistered!.id}`,
    ],
    [refused!.id, `no-certificate; see: vitalgate-receiver flags show ${refused!.id}`],
  ])
})

test('a review or a release is no alert', () => {
  const watching = flags()
  receive({ message: { topic: up(), payload: new Uint8Array(3) } })
  it.store.db.exec(
    "INSERT INTO flag_acts (act, about, flag, at, actor, detail) SELECT 'reviewed', id, flag, at, 'A', 'b' FROM flag_acts",
  )
  watching.look()
  expect(queued()).toHaveLength(1)
})

test('a full outbox is told', () => {
  const watching = flags()
  const epoch = epochOf(gateway, e1)
  receive(
    epoch.open(),
    epoch.event('intake-near-full', { used: 482_344_960, quota: 536_870_912 }),
    epoch.event('intake-refused', { used: 536_870_912, quota: 536_870_912 }),
    epoch.event('provision-test', { nonce: 'a'.repeat(32) }),
  )
  watching.look()
  // 536,870,912 bytes are 512 MiB
  expect(queued().map(one => [one.kind, one.gateway, one.detail])).toEqual([
    ['outbox-near-full', gateway.id, 'the box uses 460.0 of 512.0 MiB for what has no receipt yet'],
    ['outbox-refused', gateway.id, 'the box uses 512.0 of 512.0 MiB for what has no receipt yet'],
  ])
})

test('a row of the registry that is not believed is told once, restarts included', async () => {
  const damage = [new Fault('store.damaged', 'binding 1 of x is not believed: it is not readable')]
  const first = watch({}, damage)
  await first.said(delivered)
  await first.stop()
  const second = watch({}, damage)
  damage.push(new Fault('store.damaged', 'binding 2 of x is not believed: it is not readable'))
  await second.said(delivered)
  expect(queued().map(one => [one.kind, one.detail.split(' of x')[0]])).toEqual([
    ['store-damaged', 'binding 1'],
    ['store-damaged', 'binding 2'],
  ])
})

/** What a body, a wristband and a card say, and what a stranger may write: none of it may leave the house. */
const canaries = {
  digits: '713947152',
  weight: '713.947152',
  band: '952771604938215562',
  card: 'QX9Z44170052',
  raw: '51585a2d',
  stranger: 'Quillfeather',
}
const reading = {
  values: { 'body-weight': { n: 713_947_152, s: 6, u: 'kg' } },
  attribution: { band: canaries.band, scannedMono: 900 },
  deviceId: canaries.card,
  raw: canaries.raw,
}

test('no alert holds a value, a band, a card, a frame, or what a stranger wrote', async () => {
  const { said } = watch()
  const epoch = epochOf(gateway, e1)
  const opened = epoch.open()
  const first = epoch.reading(reading)
  epoch.back(opened)
  receive(opened, first, epoch.reading({ ...reading, deviceId: `${canaries.card}2` }))
  receive(epoch.reading({ ...reading, device: 'cuff-2' }), epoch.reading({ ...reading, station: 'room-13' }))
  const broken = { ...reading, [canaries.stranger]: canaries.band, epoch: e1, seq: 2, prev: 'x' }
  it.receive([
    message('reading', body({}, broken)),
    message('reading', body({}, broken), stranger.key),
    message('reading', body({ iss: canaries.stranger }, broken)),
    message('reading', body({ aud: canaries.stranger }, broken)),
    message('reading', body({ kid: canaries.stranger }, broken)),
    message(canaries.stranger.toLowerCase(), body({}, broken)),
    { topic: `home/${canaries.stranger}/weight/${canaries.digits}`, payload: new Uint8Array(3) },
  ])
  noteRefusal(it.store, {
    gateway: null,
    detail: `forbidden-publish home/${canaries.stranger}/${canaries.weight}, from 10.0.0.1 with no certificate`,
    at: morning,
  })
  const lost = { before: 'a'.repeat(64), after: 'b'.repeat(64), why: 'missing', from: 5, to: 6, epoch: e1 }
  const late = epochOf(gateway, 'e2e2e2e2e2e2e2e2')
  receive(late.open(), late.event('lost', lost))
  receive(late.event('server-unpinned', { fingerprint: 'c'.repeat(64), since: morning, count: 2 }))
  const raised = listFlags(it.store, {})
  expect(new Set(raised.map(one => one.flag)).size).toBeGreaterThanOrEqual(8)
  await said(delivered, raised.length)
  const text = lines.join('')
  expect(
    new Set(
      text
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).flagId),
    ),
  ).toEqual(new Set(raised.map(one => one.id)))
  for (const [name, canary] of Object.entries(canaries)) {
    expect([name, text.toLowerCase().includes(canary.toLowerCase())]).toEqual([name, false])
  }
  // the same look at the database and at its flags finds them
  const held = JSON.stringify([it.store.all('SELECT quantities, band, device_id, raw FROM readings'), raised])
  for (const canary of [canaries.digits, canaries.band, canaries.card, canaries.raw, canaries.stranger]) {
    expect(held).toContain(canary)
  }
})

test('what one gateway does is told while another makes noise', async () => {
  const { said } = watch()
  for (let n = 0; n < 60; n++) {
    it.receive([{ topic: up(), payload: Uint8Array.from([n]) }])
  }
  it.receive([{ topic: up(other), payload: new Uint8Array(3) }])
  await said(delivered, 21)
  expect(lines.map(line => JSON.parse(line).gateway)).toEqual([...Array(20).fill(gateway.id), other.id])
})
