import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listAlerts } from '../../src/receiver/alerts.ts'
import { recordProposal } from '../../src/receiver/devices.ts'
import { watchDevices } from '../../src/receiver/watch-devices.ts'
import { watchGateways } from '../../src/receiver/watch-gateways.ts'
import type { Revocation } from '../../src/wire/registry.ts'
import { type Bench, bench, cuff, epochOf, gateway, morning, other } from './fixture.ts'
import { hello } from './session-fixture.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

let it: Bench
let mono: number
beforeEach(() => {
  revocations.clear()
  it = bench()
  mono = 0
})
afterEach(() => it.end())

/** Lets time pass, on both clocks. */
const pass = (ms: number): void => {
  it.clock.at += ms
  mono += ms
}
const clock = { now: () => it.clock.at, mono: () => mono }
const revocations = new Map<string, Revocation>()
const registry = {
  gateway: (id: string) => it.gateways.get(id),
  gateways: () => [...it.gateways.keys()],
  devices: () => ({ version: 1, hash: null, devices: it.devices }),
  revoked: (kid: string) => revocations.get(kid),
}
const watching = (silentMs: number) => ({
  store: it.store,
  registry,
  to: ['command'] as const,
  clock,
  silentMs,
})
const gateways = (silentMs = 15 * minute) => watchGateways(watching(silentMs))
const devices = () => watchDevices(watching(36 * hour))
let nonce = 0
const greet = () => it.receive([hello('0123456789abcdef'[nonce++ % 16]!, { token: nonce }).message])
const told = () => listAlerts(it.store, {}).map(one => [one.kind, one.gateway, one.detail])

const silent = (since: string) => [
  'gateway-silent',
  gateway.id,
  `no handshake of a gateway at site since ${since}`,
]
const back = (before: string) => [
  'gateway-back',
  gateway.id,
  `a gateway at site is back; its last handshake before was ${before}`,
]
const nine = '2026-07-11T09:05:00.000Z'

test('a gateway that is not heard is told once, and once when it is back', () => {
  const { look } = gateways()
  greet()
  look(gateway.id)
  pass(15 * minute)
  look(gateway.id)
  expect(told()).toEqual([])
  pass(1)
  look(gateway.id)
  look(gateway.id)
  pass(day)
  look(gateway.id)
  expect(told()).toEqual([silent(nine)])
  greet()
  look(gateway.id)
  look(gateway.id)
  expect(told()).toEqual([silent(nine), back(nine)])
  pass(16 * minute)
  look(gateway.id)
  expect(told()).toHaveLength(3)
})

test('one that shakes hands every five minutes is never silent', () => {
  const { look } = gateways()
  for (let n = 0; n < 100; n++) {
    greet()
    look(gateway.id)
    pass(5 * minute)
    look(gateway.id)
  }
  expect(told()).toEqual([])
})

test('silence begins with the last handshake, not with the last look', () => {
  const { look } = gateways()
  greet()
  look(gateway.id)
  pass(2 * minute)
  greet()
  pass(14 * minute)
  look(gateway.id)
  expect(told()).toEqual([])
  pass(minute + 1)
  look(gateway.id)
  expect(told()).toEqual([silent('2026-07-11T09:07:00.000Z')])
})

test('one that never shook hands, or that is bound no more, is not missed', () => {
  const { look } = gateways()
  greet()
  look(gateway.id)
  it.gateways.delete(gateway.id)
  pass(hour)
  look(gateway.id)
  look(other.id)
  expect(told()).toEqual([])
})

test('neither the absence of the receiver nor a clock that jumps makes a gateway silent', () => {
  greet()
  pass(day)
  const { look } = gateways()
  look(gateway.id)
  expect(told()).toEqual([])
  it.clock.at += 365 * day
  look(gateway.id)
  expect(told()).toEqual([])
  pass(15 * minute + 1)
  look(gateway.id)
  expect(told()).toHaveLength(1)
})

test('over a restart it is not told again, and its return is', () => {
  greet()
  const first = gateways()
  first.look(gateway.id)
  pass(hour)
  first.look(gateway.id)
  const second = gateways()
  second.look(gateway.id)
  pass(hour)
  second.look(gateway.id)
  expect(told()).toEqual([silent(nine)])
  greet()
  const third = gateways()
  third.look(gateway.id)
  expect(told()).toEqual([silent(nine), back(nine)])
})

test('one that was revoked is not missed, and neither are its devices', () => {
  const { look } = gateways()
  greet()
  look(gateway.id)
  week(opened(), 7)
  revocations.set(gateway.key.kid, {} as Revocation)
  look(gateway.id)
  pass(3 * day)
  devices().look(gateway.id)
  expect(told()).toEqual([])
})

/** A week in which the cuff speaks on so many days, the last one today. */
function week(epoch: ReturnType<typeof epochOf>, days: number): void {
  for (let n = 0; n < 7; n++) {
    if (n >= 7 - days) it.receive([epoch.reading().message])
    if (n < 6) pass(day)
  }
}
const silentCuff = (since: string) => [
  'device-silent',
  gateway.id,
  `used daily, and no reading since ${since}`,
]
const opened = () => {
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  it.receive([epoch.open().message])
  return epoch
}
const last = '2026-07-17T09:05:00.000Z'

test('a device that is used daily and falls silent is told once, until it speaks again', () => {
  const epoch = opened()
  week(epoch, 7)
  const { look } = devices()
  pass(36 * hour)
  look(gateway.id)
  expect(told()).toEqual([])
  pass(1)
  look(gateway.id)
  look(gateway.id)
  expect(told()).toEqual([silentCuff(last)])
  expect(listAlerts(it.store, {})[0]?.device).toBe('cuff-1')
  devices().look(gateway.id)
  it.receive([epoch.reading().message])
  look(gateway.id)
  expect(told()).toHaveLength(1)
})

test('one day left out is a habit still, two are none', () => {
  const often = opened()
  week(often, 5)
  pass(3 * day)
  devices().look(gateway.id)
  expect(told()).toEqual([])
})

test('six days of seven are a habit', () => {
  week(opened(), 6)
  pass(3 * day)
  devices().look(gateway.id)
  expect(told()).toEqual([silentCuff(last)])
})

test('a device that was removed, or whose gateway is or just was silent, is not missed', () => {
  week(opened(), 7)
  greet()
  const boxes = gateways()
  boxes.look(gateway.id)
  pass(3 * day)
  boxes.look(gateway.id)
  const { look } = devices()
  look(gateway.id)
  greet()
  boxes.look(gateway.id)
  pass(36 * hour)
  look(gateway.id)
  expect(told().filter(([kind]) => kind === 'device-silent')).toEqual([])
  pass(1)
  look(gateway.id)
  expect(told().filter(([kind]) => kind === 'device-silent')).toHaveLength(1)
})

test('a device that was removed is not missed', () => {
  const epoch = opened()
  week(epoch, 7)
  const { device, driver, station, proposal } = cuff
  recordProposal(it.store.db, { gateway: gateway.id, device, driver, station, hash: proposal, at: morning })
  it.receive([epoch.event('device-removed', { device }).message])
  pass(3 * day)
  devices().look(gateway.id)
  expect(told()).toEqual([])
})
