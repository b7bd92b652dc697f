import { createRequire } from 'node:module'
import { expect, test } from '@jest/globals'
import type * as DBus from 'dbus-next'
import { cuff, listening, never, nextAdvert, scenes, standing, stored, until } from './radio-fixture.ts'

// the build that node-ble takes
const { Message, Variant } = createRequire(import.meta.url)('dbus-next') as typeof DBus

const scene = scenes()
const { address } = cuff

test('a device is heard with all that it advertises, again and again, while somebody watches', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({
    ...cuff,
    paired: false,
    advertised: ['1810', '233bf000-5a34-1b6d-975c-000d5690abe4'],
    manufacturer: { company: 0x20e, data: '0104' },
  })
  device.advertise(true)
  radio.open()
  const facts = await standing(radio, ({ state }) => state === 'idle')
  expect(facts).toEqual({ state: 'idle', adapter: 'hci0 00:00:5E:00:53:00', sessions: 0, rebuilds: 0 })
  expect(bluez.discovering).toBe(false)

  const heard: unknown[] = []
  const callOff = radio.watch(advert => heard.push(advert))
  await until(() => heard.length >= 3)
  expect(heard[2]).toEqual({
    address,
    name: cuff.name,
    rssi: expect.any(Number),
    services: ['1810', '233bf000-5a34-1b6d-975c-000d5690abe4'],
    manufacturer: { company: 0x20e, data: Uint8Array.of(1, 4) },
    paired: false,
  })
  expect(radio.facts()).toMatchObject({ state: 'scanning', lastAdvert: expect.any(Number) })
  expect(bluez.counts.filters).toEqual([{ Transport: 'le', DuplicateData: false }])

  callOff()
  await standing(radio, ({ state }) => state === 'idle')
  expect(bluez.discovering).toBe(false)
  await radio.close()
  expect(radio.facts().state).toBe('closed')
})

test('what a terminal would obey is no name', async () => {
  const { bluez, radio } = await scene()
  bluez.device({ ...cuff, name: ` \x1b[31m\u202e${'n'.repeat(100)}` }).advertise(true)
  radio.open()
  expect(await nextAdvert(radio, address)).toMatchObject({ name: `?[31m?${'n'.repeat(57)}` })
})

test('nobody but BlueZ can make us hear a device', async () => {
  const { bluez, radio, another } = await scene()
  const forged = 'D0:5F:B8:00:00:66'
  bluez.device(cuff).advertise(true)
  radio.open()
  const heard = new Set<string>()
  radio.watch(advert => heard.add(advert.address))
  await until(() => heard.size === 1)
  const { bus } = another()
  const faces = { 'org.bluez.Device1': { Paired: new Variant('b', true) } }
  const path = `/org/bluez/hci0/dev_${forged.replaceAll(':', '_')}`
  const signal = Message.newSignal(
    '/',
    'org.freedesktop.DBus.ObjectManager',
    'InterfacesAdded',
    'oa{sa{sv}}',
    [path, faces],
  )
  // to us alone: such a one passes by all match rules
  signal.destination = bluez.agents()[0]!.client
  bus.send(signal)
  // the bus keeps the order of one sender: when this was answered, the other has long been there
  const { client, path: agent } = bluez.agents()[0]!
  const ask = new Message({
    destination: client,
    path: agent,
    interface: 'org.bluez.Agent1',
    member: 'Cancel',
  })
  await expect(bus.call(ask)).rejects.toMatchObject({ type: 'org.freedesktop.DBus.Error.AccessDenied' })
  expect([...heard]).toEqual([address])
})

test('a bonded device that BlueZ or another program connects while we scan is heard, though it advertises no more', async () => {
  // heard once when scanning begins, and not again
  const { bluez, radio, another } = await scene({ pace: { advertMs: 3_600_000 } })
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  let heard = 0
  radio.watch(() => heard++)
  await until(() => heard === 1)
  await another().call(device.path, 'org.bluez.Device1', 'Connect')
  await until(() => heard === 2)
  device.store(...stored(1))
  const got: string[] = []
  await radio.session(address, listening(got), never())
  expect(got).toEqual(['0000'])
})

test('a bonded device that was connected before we came is heard', async () => {
  const { bluez, radio, another } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  await another().call(device.path, 'org.bluez.Device1', 'Connect')
  radio.open()
  expect(await nextAdvert(radio, address)).toMatchObject({ address, paired: true })
})
