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

// The simulated BlueZ against node-ble itself: it must do what BlueZ does, and go wrong as it is told to.

const scene = scenes()

test('discovery, link, services, read, write, one indication, and the device ends the session', async () => {
  const { bluez, cuff, ble } = await scene()
  const first = await ble.adapter()
  expect(await first.getAddress()).toBe('00:00:5E:00:53:00')
  const device = await ble.find(address)
  expect(await device.getName()).toBe('A&D_UA-651BLE_000001')
  expect(await device.getManufacturerData()).toEqual({ 105: Buffer.from('0102', 'hex') })
  expect(bluez.counts.filters).toEqual([{ Transport: 'le' }])

  cuff.store({ char: '2a35', value: frame })
  const down = once(device, 'disconnect')
  await connect(cuff, device)
  const server = await device.gatt()
  expect(await server.services()).toEqual([
    '00001810-0000-1000-8000-00805f9b34fb',
    '0000180a-0000-1000-8000-00805f9b34fb',
  ])
  const feature = await characteristicOf(device, '1810', '2a49')
  expect(await feature.getFlags()).toEqual(['read'])
  expect((await feature.readValue()).toString('hex')).toBe('2100')
  expect(await errorOf(feature.startNotifications())).toBe('NotSupported: Operation is not supported')
  expect(await errorOf(feature.writeValueWithResponse(Buffer.of(1)))).toBe(
    'NotSupported: Operation is not supported',
  )
  await (await characteristicOf(device, '1810', '2a08')).writeValueWithResponse(
    Buffer.of(0xea, 7, 1, 2, 3, 4, 5),
  )
  expect(cuff.written).toEqual([{ char: '2a08', value: 'ea070102030405', type: 'request' }])
  expect(cuff.say({ char: '2a35', value: 'ff' })).toBe(false)
  expect(cuff.stored).toBe(1) // nothing before the indication is enabled
  const values = await valuesOf(await characteristicOf(device, '1810', '2a35'))
  await down
  expect(values).toEqual([frame])
  expect([cuff.stored, cuff.links, bluez.counts.connects, bluez.counts.subscriptions]).toEqual([0, 1, 1, 2])
  expect(await errorOf(ble.call(path, device1, 'Disconnect'))).toBe('NotConnected: Not Connected')
})

test('signals come in the order of BlueZ, and a device is known only once it was heard', async () => {
  const { cuff, ble } = await scene({ paired: false })
  const heard = await ble.watch()
  expect(cuff.known).toBe(false)
  const device = await ble.find(address)
  await connect(cuff, device)
  await device.disconnect()
  expect(await ble.get(path, device1, 'Connected')).toBe(false)
  const service = `${path}/service0001`
  expect(heard.filter(one => !one.startsWith('RSSI') && !one.includes('service0005'))).toEqual([
    `Discovering ${hci0}`,
    `InterfacesAdded ${path}`,
    `Discovering ${hci0}`,
    ` ${path}`, // its RSSI is unknown from here on
    `Connected ${path}`,
    ...['', '/char0002', '/char0003', '/char0004'].map(char => `InterfacesAdded ${service}${char}`),
    `UUIDs,ServicesResolved ${path}`,
    `ServicesResolved ${path}`,
    `Connected ${path}`,
  ])
})

test('stored values: a burst of 200 in order; a dropped link keeps the rest; an unconfirmed one comes again', async () => {
  const { cuff, ble } = await scene()
  const all = numbered(200)
  cuff.store(...all)
  cuff.faults.dropAfter = 80
  cuff.faults.unconfirmed = true
  const device = await ble.find(address)
  expect(await session(cuff, device)).toEqual(all.slice(0, 80).map(({ value }) => value))
  expect(cuff.stored).toBe(121)
  expect(await session(cuff, await ble.find(address))).toEqual(all.slice(79).map(({ value }) => value))
  expect(cuff.stored).toBe(0)
})

test('a clock that must be written first, a control point that answers, a capture that is repeated', async () => {
  const racp = {
    flags: ['write', 'indicate'],
    answers: (written: string) =>
      written === '0101'
        ? [
            { char: '2a35', value: frame },
            { char: '2a52', value: '06000101' },
          ]
        : [],
  }
  const services = { '1810': { ...cuffSettings.services['1810'], '2a52': racp } }
  const { cuff, ble } = await scene({ services, waitsFor: '2a08' })
  const device = await ble.find(address)
  await connect(cuff, device)
  const clock = await characteristicOf(device, '1810', '2a08')
  const control = await characteristicOf(device, '1810', '2a52')
  const measurement = await characteristicOf(device, '1810', '2a35')
  const values = await valuesOf(measurement)
  expect(await errorOf(control.writeValueWithResponse(Buffer.of(1, 1)))).toBe(
    'Failed: Operation failed with ATT error: 0xfd',
  )
  const answered = once(control, 'valuechanged')
  await control.startNotifications()
  await control.writeValueWithResponse(Buffer.of(1, 1))
  expect(await answered).toEqual([Buffer.of(6, 0, 1, 1)])
  expect(values).toEqual([frame])

  const down = once(device, 'disconnect')
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
  cuff.play([
    { t: 0, way: 'in', char: '2a49', bytes: bytes('3f00') },
    { t: 10, way: 'in', char: '2a35', bytes: bytes('aa') },
    { t: 20, way: 'out', char: '2a52', bytes: bytes('0202') },
    { t: 30, way: 'in', char: '2a35', bytes: bytes('bb') },
  ])
  await clock.writeValueWithResponse(Buffer.alloc(7))
  expect((await (await characteristicOf(device, '1810', '2a49')).readValue()).toString('hex')).toBe('3f00')
  await control.writeValueWithResponse(Buffer.of(2, 2))
  await down
  expect(values).toEqual([frame, 'aa', 'bb'])
})

test('bonding needs an agent; before it nothing can be read but what is open', async () => {
  const { bluez, cuff, ble } = await scene({ paired: false })
  const device = await ble.find(address)
  await connect(cuff, device)
  const measurement = await characteristicOf(device, '1810', '2a35')
  expect(await errorOf(measurement.startNotifications())).toBe('NotPermitted: Not paired')
  expect((await (await characteristicOf(device, '180a', '2a29')).readValue()).toString()).toBe('A&D')
  expect(await errorOf(device.pair())).toBe('AuthenticationFailed: Authentication Failed')
  expect(cuff.connected).toBe(false)

  const asked = await ble.agent('NoInputNoOutput')
  expect(bluez.agents()).toEqual([{ client: ble.bus.name, path: '/agent', capability: 'NoInputNoOutput' }])
  await device.pair()
  expect([cuff.paired, asked]).toEqual([true, []])
  expect(await errorOf(device.pair())).toBe('AlreadyExists: Already Exists')
  await ble.set(path, device1, 'Trusted', 'b', true)
  expect(cuff.trusted).toBe(true)
  await valuesOf(measurement)
  expect(cuff.say({ char: '2a35', value: frame })).toBe(true)
  expect(bluez.counts.pairings).toBe(3)
  await ble.call(hci0, adapter1, 'RemoveDevice', 'o', path)
  expect([cuff.paired, cuff.connected, bluez.counts.removals]).toEqual([false, false, [address]])
})

test('a passkey is asked of an agent with a keyboard, and must be the right one', async () => {
  const { cuff, ble } = await scene({ paired: false, pairing: 'passkey', passkey: 123456 })
  const device = await ble.find(address)
  const typed = [['u', [123457]] as const, ['u', [123456]] as const]
  const asked = await ble.agent('KeyboardDisplay', {
    RequestPasskey: () => typed.shift() as unknown as [string, unknown[]],
  })
  expect(await errorOf(device.pair())).toBe('AuthenticationFailed: Authentication Failed')
  await device.pair()
  expect([cuff.paired, asked]).toEqual([true, ['RequestPasskey', 'RequestPasskey']])
})

test.each([
  ['passkey', 'NoInputNoOutput', [], false],
  ['refused', 'KeyboardDisplay', [], false],
  ['authorization', 'NoInputNoOutput', ['RequestAuthorization'], true],
  ['display', 'KeyboardDisplay', ['DisplayPasskey'], true],
  ['confirm', 'KeyboardDisplay', ['RequestConfirmation'], true],
] as const)('pairing %s with an agent of %s', async (pairing, capability, questions, works) => {
  const { cuff, ble } = await scene({ paired: false, pairing })
  const device = await ble.find(address)
  const asked = await ble.agent(capability)
  expect(await errorOf(device.pair())).toBe(works ? 'none' : 'AuthenticationFailed: Authentication Failed')
  expect([cuff.paired, asked]).toEqual([works, questions])
})

test('an agent that refuses, a pairing that is called off, a device that drops the link once bonded', async () => {
  const { cuff, ble } = await scene({ paired: false, pairing: 'authorization', afterPairing: 'drops-early' })
  const device = await ble.find(address)
  let answer: 'refuse' | 'wait' | 'allow' = 'refuse'
  const asked = await ble.agent('NoInputNoOutput', {
    RequestAuthorization() {
      if (answer === 'refuse') throw new Error('no')
      if (answer === 'wait') ble.call(path, device1, 'CancelPairing').catch(() => {})
      return ['', []]
    },
  })
  expect(await errorOf(device.pair())).toBe('AuthenticationFailed: Authentication Failed')
  expect(asked).toEqual(['RequestAuthorization'])
  answer = 'allow'
  expect(await errorOf(device.pair())).toBe('AuthenticationCanceled: Authentication Canceled')
  expect([cuff.paired, cuff.connected]).toEqual([true, false])
  expect(await errorOf(ble.call(path, device1, 'CancelPairing'))).toBe('DoesNotExist: Does Not Exist')
})
