import { expect, test } from '@jest/globals'
import { cuff, fastClock, never, nextAdvert, scenes, standing } from './radio-fixture.ts'

const scene = scenes()
const { address } = cuff

test('a connect that never answers is called off, and so is the attempt itself', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  device.faults.stuck = true
  radio.open()
  const began = fastClock.mono()
  const session = radio.session(address, async () => {}, never())
  await expect(session).rejects.toMatchObject({ code: 'ble.lost' })
  expect(fastClock.mono() - began).toBeGreaterThanOrEqual(30_000)
  device.faults.stuck = false
  await radio.session(address, async () => {}, never())
})

test('services that never resolve end the session in time', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  device.faults.neverResolves = true
  radio.open()
  const session = radio.session(address, peer => peer.characteristics(), never())
  await expect(session).rejects.toMatchObject({
    code: 'ble.lost',
    message: `services of ${address}: not known in time`,
  })
  expect(device.connected).toBe(false)
})

test('a session that goes on and on is ended after 90 s, link included', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...cuff, ends: 'stays' })
  device.advertise(true)
  radio.open()
  const session = radio.session(address, peer => peer.ended, never())
  await expect(session).rejects.toMatchObject({
    code: 'ble.lost',
    message: 'the session took longer than 90 s',
  })
  expect(device.connected).toBe(false)
})

test.each(['GetManagedObjects', 'StartDiscovery', 'RegisterAgent'])(
  'a %s that is never answered ends in time',
  async member => {
    const { bluez, radio } = await scene()
    bluez.device(cuff).advertise(true)
    bluez.silent.add(member)
    radio.watch(() => {})
    radio.open()
    const { fault } = await standing(radio, facts => facts.fault !== undefined)
    expect(fault).toMatchObject({ code: 'ble.lost', message: `${member}: no answer` })
    bluez.silent.delete(member)
    await nextAdvert(radio, address)
    expect(radio.facts().fault).toBeUndefined()
  },
)

test('calls of a session that are never answered end in time', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  const began = fastClock.mono()
  const session = radio.session(
    address,
    async peer => {
      await peer.characteristics()
      bluez.silent.add('StartNotify')
      await peer.subscribe('2a35', () => {})
    },
    never(),
  )
  await expect(session).rejects.toMatchObject({
    code: 'ble.lost',
    message: `subscribe 2a35 of ${address}: no answer`,
  })
  expect(fastClock.mono() - began).toBeGreaterThanOrEqual(10_000)
  bluez.silent.clear()
  expect(device.connected).toBe(false)
})
