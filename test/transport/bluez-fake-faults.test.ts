import { once } from 'node:events'
import { expect, test } from '@jest/globals'
import { characteristicOf, valuesOf } from '../fakes/bluez-client.ts'
import {
  adapter1,
  address,
  connect,
  cuffSettings,
  device1,
  errorOf,
  frame,
  hci0,
  numbered,
  path,
  scenes,
  session,
} from '../fakes/bluez-scene.ts'

// Each fault of the simulated BlueZ does what it says (BLUEZ.md 4.1).

const scene = scenes()
const aborted = 'Failed: le-connection-abort-by-local'
const unknown = 'org.freedesktop.DBus.Error.UnknownObject'
const measurement = `${path}/service0001/char0002`

test('an object that exists only while discovering, and one that is forgotten a while later', async () => {
  const { bluez, cuff, ble } = await scene({ paired: false }, { pace: { advertMs: 5, temporaryMs: 0 } })
  const heard = await ble.watch()
  const device = await ble.find(address)
  await ble.came(`InterfacesRemoved ${path}`)
  expect(cuff.known).toBe(false)
  expect(await errorOf(device.connect())).toBe(
    'Error: interface not found in proxy object: org.bluez.Device1',
  )
  expect(await errorOf(ble.call(path, device1, 'Connect'))).toBe(`${unknown}: no object ${path}`)

  heard.splice(0)
  bluez.pace.temporaryMs = 30_000
  const again = await ble.find(address)
  await again.connect()
  bluez.pace.temporaryMs = 20
  cuff.advertise(false)
  cuff.disconnect()
  await ble.came(`InterfacesRemoved ${path}`)
  expect(heard.indexOf(`InterfacesRemoved ${path}`)).toBeGreaterThan(heard.lastIndexOf(`Connected ${path}`))
})

test('a device that vanishes at Connect, fails twice, is silent, or wants no discovery meanwhile', async () => {
  const { cuff, ble } = await scene()
  const device = await ble.find(address)
  cuff.faults.vanishes = true
  expect(await errorOf(device.connect())).toBe(`${unknown}: no such object`)
  expect(cuff.known).toBe(false)
  cuff.advertise(true)
  const again = await ble.find(address)
  cuff.faults.failConnects = 2
  expect(await errorOf(again.connect())).toBe(aborted)
  expect(await errorOf(again.connect())).toBe(aborted)
  expect(await errorOf(again.connect())).toBe('none')
  await again.disconnect()
  cuff.advertise(false)
  expect(await errorOf(again.connect())).toBe(aborted)
  cuff.advertise(true)
  cuff.faults.wantsQuiet = true
  await ble.call(hci0, adapter1, 'StartDiscovery')
  expect(await errorOf(again.connect())).toBe(aborted)
  await ble.call(hci0, adapter1, 'StopDiscovery')
  expect(await errorOf(again.connect())).toBe('none')
  expect(cuff.links).toBe(2)
})

test('a Connect that takes for ever is called off by Disconnect; a call that is never answered', async () => {
  const { bluez, cuff, ble } = await scene()
  await ble.find(address)
  cuff.faults.stuck = true
  const stuck = errorOf(ble.call(path, device1, 'Connect'))
  expect(await errorOf(ble.call(path, device1, 'Connect'))).toBe('InProgress: In Progress')
  await ble.call(path, device1, 'Disconnect')
  expect(await stuck).toBe(aborted)
  cuff.faults.stuck = false
  bluez.silent.add('Connect')
  const silent = ble.call(path, device1, 'Connect')
  expect(await Promise.race([silent, ble.get(path, device1, 'Connected')])).toBe(false)
  expect(bluez.counts.connects).toBe(2)
  bluez.silent.clear()
  await ble.call(path, device1, 'Connect')
})

test('services that never resolve, and characteristics that come late', async () => {
  const { bluez, cuff, ble } = await scene()
  const other = bluez.device({ ...cuffSettings, address: 'F0:00:00:00:00:02' })
  other.advertise(true)
  await ble.watch()
  const device = await ble.find(address)
  cuff.faults.neverResolves = true
  await device.connect()
  const resolved = other.next('resolved')
  await (await ble.find('F0:00:00:00:00:02')).connect()
  await resolved // had as long as this one
  expect(await ble.get(path, device1, 'ServicesResolved')).toBe(false)
  await device.disconnect()

  cuff.faults.neverResolves = false
  cuff.faults.lateMs = 400
  await connect(cuff, device)
  const server = await device.gatt()
  const service = await server.getPrimaryService('00001810-0000-1000-8000-00805f9b34fb')
  expect(await service.characteristics()).toEqual([])
  await ble.came(`InterfacesAdded ${measurement}`)
  await characteristicOf(device, '1810', '2a35')
})

test('a link that drops after the first indication, and a device that stays on the air', async () => {
  const { cuff, ble } = await scene({ ends: 'stays' })
  cuff.store(...numbered(2))
  cuff.faults.dropAfter = 1
  const device = await ble.find(address)
  expect(await session(cuff, device)).toEqual(['0000'])
  const told = cuff.next('told')
  await connect(cuff, device)
  await valuesOf(await characteristicOf(device, '1810', '2a35'))
  await told
  expect([cuff.connected, cuff.stored]).toEqual([true, 0])
  await device.disconnect()
  expect(cuff.say({ char: '2a35', value: frame })).toBe(false)
  await ble.find(address)
})

test('a device that forgot its bond breaks every link until it is removed and paired again', async () => {
  const { cuff, ble } = await scene()
  await ble.agent('NoInputNoOutput')
  const device = await ble.find(address)
  cuff.faults.forgotten = true
  for (let n = 0; n < 3; n++) expect(await errorOf(device.connect())).toBe(aborted)
  await ble.call(hci0, adapter1, 'RemoveDevice', 'o', path)
  const again = await ble.find(address)
  await again.pair()
  expect([cuff.paired, cuff.connected]).toEqual([true, true])
})

test('bluetoothd goes and comes back: bonds are kept, links, agents and subscriptions are not', async () => {
  const { bluez, cuff, ble } = await scene()
  await ble.agent('NoInputNoOutput')
  const device = await ble.find(address)
  await connect(cuff, device)
  await valuesOf(await characteristicOf(device, '1810', '2a35'))
  bluez.silent.add('ReadValue')
  const open = errorOf(ble.call(measurement, 'org.bluez.GattCharacteristic1', 'ReadValue', 'a{sv}', {}))
  await bluez.stop()
  expect(await open).toMatch(/^org.freedesktop.DBus.Error.NoReply/)
  expect(await errorOf(ble.call(path, device1, 'Connect'))).toMatch(
    /^org.freedesktop.DBus.Error.ServiceUnknown/,
  )
  expect(cuff.connected).toBe(false)
  await bluez.start()
  expect([cuff.known, cuff.paired, bluez.agents()]).toEqual([true, true, []])
  const resolved = cuff.next('resolved')
  await ble.call(path, device1, 'Connect')
  await resolved
  expect(await ble.get(measurement, 'org.bluez.GattCharacteristic1', 'Notifying')).toBe(false)
})

test('the bus is killed and comes back', async () => {
  const { bus, bluez, cuff, ble, another } = await scene()
  const device = await ble.find(address)
  await device.connect()
  const down = cuff.next('disconnected')
  await bus.kill()
  await ble.ended
  await down
  await bus.restart()
  await bluez.start()
  cuff.store({ char: '2a35', value: frame })
  expect(await session(cuff, await another().find(address))).toEqual([frame])
})

test('an adapter without power, one that may not have any, one that loses it', async () => {
  const { bluez, cuff, ble } = await scene({}, { powered: false })
  expect(await errorOf(ble.call(hci0, adapter1, 'StartDiscovery'))).toBe('NotReady: Resource Not Ready')
  expect(await errorOf(ble.call(path, device1, 'Connect'))).toBe('Failed: le-connection-adapter-not-powered')
  bluez.power(false, true)
  expect(await errorOf(ble.set(hci0, adapter1, 'Powered', 'b', true))).toBe('Blocked: Blocked through rfkill')
  bluez.power(false)
  await ble.set(hci0, adapter1, 'Powered', 'b', true)
  expect([bluez.powered, bluez.counts.powerOns]).toEqual([true, 1])
  const device = await ble.find(address)
  await device.connect()
  await ble.call(hci0, adapter1, 'StartDiscovery')
  bluez.power(false)
  expect([cuff.connected, bluez.discovering]).toEqual([false, false])
})

test('no adapter, one that is plugged in, one that is taken away', async () => {
  const { bluez, cuff, ble } = await scene({}, { adapters: [] })
  expect(await errorOf(ble.adapter())).toBe('Error: No available adapters found')
  bluez.plug('hci0')
  const device = await ble.find(address)
  await device.connect()
  bluez.unplug('hci0')
  expect([cuff.connected, cuff.known]).toEqual([false, false])
  expect(await errorOf(ble.adapter())).toBe('Error: No available adapters found')
  bluez.plug('hci0')
  expect(cuff.known).toBe(true)
})

test('an adapter that seems to discover and hears nothing until its power is cycled', async () => {
  const { bluez, cuff, ble } = await scene({ paired: false }, { pace: { advertMs: 1 } })
  bluez.freeze()
  await ble.call(hci0, adapter1, 'StartDiscovery')
  for (let n = 0; n < 50; n++) expect(await ble.get(hci0, adapter1, 'Discovering')).toBe(true)
  expect(cuff.known).toBe(false)
  await ble.set(hci0, adapter1, 'Powered', 'b', false)
  await ble.set(hci0, adapter1, 'Powered', 'b', true)
  await ble.find(address)
})

test('discovery is counted by client and ends with its client, as does an agent', async () => {
  const { bluez, ble, another } = await scene({ paired: false })
  const other = another()
  await ble.watch()
  const start = (): Promise<unknown> => other.call(hci0, adapter1, 'StartDiscovery')
  await start()
  expect(await errorOf(start())).toBe('InProgress: Operation already in progress')
  expect(await errorOf(ble.call(hci0, adapter1, 'StopDiscovery'))).toBe('Failed: No discovery started')
  await other.agent('NoInputNoOutput')
  expect([bluez.discovering, bluez.agents().length, bluez.counts.registrations]).toEqual([true, 1, 1])
  await ble.came(`Discovering ${hci0}`)
  other.close()
  await ble.came(` ${path}`) // its RSSI is unknown: discovery ended
  expect([bluez.discovering, bluez.agents()]).toEqual([false, []])
})

test('a filter lets only devices through that advertise a wanted service', async () => {
  const { bluez, cuff, ble } = await scene({ paired: false })
  const scale = bluez.device({ address: 'F0:00:00:00:00:02', services: { '181d': {} } })
  scale.advertise(true)
  await ble.watch()
  await ble.filter(['181d'])
  await ble.call(hci0, adapter1, 'StartDiscovery')
  await ble.came(`RSSI ${scale.path}`) // heard twice
  expect([scale.known, cuff.known]).toEqual([true, false])
  expect(bluez.counts.filters).toEqual([{ Transport: 'le', UUIDs: ['0000181d-0000-1000-8000-00805f9b34fb'] }])
  await ble.filter(['1810'])
  await ble.came(`InterfacesAdded ${path}`)
})

test('the match rules of a connection can be counted', async () => {
  const { bus, cuff, ble } = await scene()
  const count = async (): Promise<number> => (await bus.matchRules()).get(ble.bus.name!)!.length
  expect(await count()).toBe(0)
  const device = await ble.find(address)
  const before = await count()
  const down = once(device, 'disconnect')
  await connect(cuff, device)
  await (await characteristicOf(device, '1810', '2a35')).startNotifications()
  // one for the device, one for each characteristic: node-ble listens to all of them
  expect((await count()) - before).toBe(1 + 4)
  cuff.disconnect()
  await down
})
