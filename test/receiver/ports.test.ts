import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listDevices } from '../../src/receiver/devices.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { releaseDevice } from '../../src/receiver/readings.ts'
import { listReadings } from '../../src/receiver/readings-list.ts'
import type { Registry } from '../../src/receiver/registry.ts'
import { type Bench, bench, cuff, epochOf, gateway, pressure, reviewer } from './fixture.ts'

// WIRE 6.6: a reading from another port than its accepted proposal told comes from another device.
const [here, there] = ['0011223344556677', '8899aabbccddeeff']
let it: Bench
let epoch: ReturnType<typeof epochOf>
beforeEach(() => {
  it = bench()
  epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  it.receive([epoch.open().message])
})
afterEach(() => it.end())

/** A technician adds the cuff, and an operator accepts just that proposal. */
function accepted(more: object = {}): string {
  const said = epoch.event('device-proposed', {
    ...{ device: 'cuff-1', driver: cuff.driver, station: cuff.station, link: 'serial' },
    ...{ options: 'a'.repeat(64), ...more },
  })
  it.receive([said.message])
  it.devices.splice(0, 1, { ...cuff, proposal: said.hash })
  return said.hash
}
const reading = (link: object) => it.receive([epoch.reading({ link: { ...pressure.link, ...link } }).message])
const verdicts = () => listReadings(it.store, { verdict: 'all' }).map(one => one.verdict)
const flags = () => listFlags(it.store, {}, it.trust.reviews).map(one => [one.flag, one.detail])

test('the same port is accepted, another one waits, and the flag names both', () => {
  accepted({ port: here })
  reading({ port: here })
  expect(verdicts()).toEqual(['accept'])
  reading({ port: there })
  expect(verdicts()).toEqual(['accept', 'quarantine'])
  expect(flags()).toEqual([
    ['DEVICE_UNREGISTERED', `device cuff-1 is accepted at port ${here}, not ${there}`],
  ])
})

test('where one of the two tells no port, ports are not compared', () => {
  accepted()
  reading({ port: there })
  accepted({ port: here })
  reading({})
  it.devices.splice(0, 1, cuff) // accepted here, and its proposal is not in this store
  reading({ port: there })
  expect(verdicts()).toEqual(['accept', 'accept', 'accept'])
  expect(flags()).toEqual([])
})

test('accepted as paired, a reading that came without pairing waits', () => {
  const ble = { kind: 'ble', check: 'link-crc', port: here }
  accepted({ link: 'ble', port: here, bonded: true })
  reading({ ...ble, bonded: true })
  expect(verdicts()).toEqual(['accept'])
  reading({ ...ble, bonded: false })
  reading(ble)
  expect(verdicts()).toEqual(['accept', 'quarantine', 'quarantine'])
  expect(flags()).toEqual([
    ['DEVICE_UNREGISTERED', 'device cuff-1 is accepted as paired, and this came without'],
  ])
})

test('accepted without pairing, a reading may come with it or without', () => {
  accepted({ link: 'ble', bonded: false })
  reading({ kind: 'ble', check: 'link-crc', bonded: true })
  reading({ kind: 'ble', check: 'link-crc', bonded: false })
  expect(verdicts()).toEqual(['accept', 'accept'])
})

test('who accepts the device at one port does not release what came from a third', () => {
  accepted({ port: here })
  reading({ port: there })
  reading({ port: 'ffffffffffffffff' })
  const proposal = accepted({ port: there })
  const wanted = { driver: cuff.driver, station: cuff.station, proposal }
  expect(releaseDevice(it.store, reviewer, gateway.id, 'cuff-1', 'anna', it.clock.at, wanted)).toBe(1)
  expect(verdicts()).toEqual(['accept', 'quarantine'])
  // and it is not forgotten for that
  expect(listFlags(it.store, { open: true }, it.trust.reviews)).toHaveLength(1)
})

test('the devices of a gateway are listed with port and pairing', () => {
  accepted({ link: 'ble', port: here, bonded: true })
  const registry = { devices: () => ({ version: 1, hash: null, devices: it.devices }) }
  expect(listDevices(registry as unknown as Registry, it.store, gateway.id)).toMatchObject([
    { device: 'cuff-1', state: 'accepted', port: here, bonded: true },
  ])
})
