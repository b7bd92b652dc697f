import { expect, test } from '@jest/globals'
import { hex } from '../../src/base/bytes.ts'
import {
  cuff,
  listening,
  never,
  nextAdvert,
  scenes,
  standing,
  stored,
  textsOf,
  until,
} from './radio-fixture.ts'

const scene = scenes()
const { address } = cuff

test('a link that breaks in a burst: what came is told, and the next session brings the rest', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  device.faults.dropAfter = 120
  device.store(...stored(200))
  radio.open()
  const got: string[] = []
  await radio.session(address, listening(got), never())
  expect(got).toEqual(textsOf(stored(120)))
  await nextAdvert(radio, address)
  await radio.session(address, listening(got), never())
  expect(got).toEqual(textsOf(stored(200)))
})

test('a link that does not come up is tried again, three times', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  device.faults.failConnects = 2
  device.faults.wantsQuiet = true
  radio.open()
  await nextAdvert(radio, address)
  await radio.session(address, async () => {}, never())
  expect(bluez.counts.connects).toBe(3)
  device.faults.failConnects = 3
  const got = radio.session(address, async () => {}, never())
  await expect(got).rejects.toMatchObject({
    code: 'ble.lost',
    hint: expect.stringContaining('pair it again'),
  })
  expect(bluez.counts.connects).toBe(6)
})

test('a try that took long found nobody, and is the last: other devices wait', async () => {
  // 20 s, as BlueZ takes
  const { bluez, radio } = await scene({ pace: { absentMs: 2000 } })
  bluez.device(cuff)
  radio.open()
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({ code: 'ble.lost' })
  expect(bluez.counts.connects).toBe(1)
})

test('a device that BlueZ forgets with the end of discovery is connected while it goes on', async () => {
  const { bluez, radio } = await scene({ pace: { temporaryMs: 0 } })
  const device = bluez.device({ ...cuff, paired: false, free: true })
  device.advertise(true)
  device.store(...stored(1))
  device.faults.failConnects = 1
  radio.open()
  await nextAdvert(radio, address)
  const got: string[] = []
  await radio.session(address, listening(got), never())
  expect(got).toEqual(['0000'])
})

test('a device that vanished is not heard, and that is told', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...cuff, paired: false, free: true })
  device.advertise(true)
  device.faults.vanishes = true
  radio.open()
  await nextAdvert(radio, address)
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({
    code: 'ble.lost',
    message: `${address} is not heard`,
  })
})

test('bluetoothd restarts in a session: what came is told, and the radio comes back by itself', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  await nextAdvert(radio, address)
  const got: string[] = []
  const session = radio.session(
    address,
    async peer => {
      await peer.subscribe('2a35', bytes => void got.push(hex(bytes)))
      device.say({ char: '2a35', value: '0001' })
      await until(() => got.length === 1)
      await bluez.stop()
      await peer.ended
      await peer.read('2a49')
    },
    never(),
  )
  await expect(session).rejects.toMatchObject({ code: 'ble.lost' })
  expect(got).toEqual(['0001'])
  const { fault } = await standing(radio, ({ state }) => state === 'absent')
  expect(fault).toMatchObject({ hint: 'systemctl status bluetooth' })
  await bluez.start()
  await nextAdvert(radio, address)
  device.store(...stored(1))
  await radio.session(address, listening(got), never())
  expect(got).toEqual(['0001', '0000'])
  const facts = radio.facts()
  expect(facts.rebuilds).toBeGreaterThanOrEqual(1)
  expect(facts.fault).toBeUndefined()
})

test('the bus restarts while we scan: the radio comes back by itself', async () => {
  const { bus, bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  await nextAdvert(radio, address)
  radio.watch(() => {})
  await bus.kill()
  const facts = await standing(radio, ({ fault }) => fault?.code === 'ble.absent')
  expect(facts).toMatchObject({ state: 'absent', fault: { hint: 'systemctl status dbus' } })
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({ code: 'ble.absent' })
  await bus.restart()
  await bluez.start()
  await nextAdvert(radio, address)
  await radio.session(address, async () => {}, never())
  expect(radio.facts()).toMatchObject({ rebuilds: 1 })
})

test('no bluetoothd, no adapter, no power are told apart, and each is noticed when it comes', async () => {
  const { bluez, radio } = await scene({ adapters: [], powered: false })
  bluez.device(cuff).advertise(true)
  radio.watch(() => {})
  await bluez.stop()
  radio.open()
  expect((await standing(radio, ({ fault }) => fault !== undefined)).fault).toMatchObject({
    code: 'ble.absent',
    message: 'bluetoothd is not running',
  })
  await bluez.start()
  await standing(radio, ({ fault }) => fault?.message === 'there is no Bluetooth adapter')
  const person = { passkey: async () => 1, show: () => {} }
  await expect(radio.pair(address, person, never())).rejects.toMatchObject({ code: 'ble.absent' })

  bluez.power(false, true)
  bluez.plug('hci0')
  const { fault } = await standing(radio, ({ state }) => state === 'off')
  expect(fault).toMatchObject({
    code: 'ble.off',
    message: 'hci0 has no power',
    hint: 'rfkill unblock bluetooth, then bluetoothctl power on',
  })
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({ code: 'ble.off' })

  bluez.power(false, false)
  await nextAdvert(radio, address)
  expect(radio.facts().fault).toBeUndefined()
})

test('an adapter that is unplugged and another one that comes', async () => {
  const { bluez, radio } = await scene()
  bluez.device(cuff).advertise(true)
  radio.open()
  await nextAdvert(radio, address)
  bluez.unplug('hci0')
  await standing(radio, ({ fault }) => fault?.message === 'there is no Bluetooth adapter')
  bluez.plug('hci0')
  await nextAdvert(radio, address)
})

test('an adapter without power at the start is given some; one that a person switches off is left off', async () => {
  const { bluez, radio } = await scene({ powered: false })
  bluez.device(cuff).advertise(true)
  radio.watch(() => {})
  radio.open()
  await standing(radio, ({ lastAdvert }) => lastAdvert !== undefined)
  expect(bluez.counts.powerOns).toBe(1)
  bluez.power(false)
  await standing(radio, ({ state }) => state === 'off')
  const { rebuilds } = radio.facts()
  // it looks again, several times, and leaves it off
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({ code: 'ble.off' })
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({ code: 'ble.off' })
  expect([bluez.powered, bluez.counts.powerOns]).toEqual([false, 1])
  bluez.power(true)
  await nextAdvert(radio, address)
  expect(radio.facts().rebuilds).toBe(rebuilds + 1)
})

test('an adapter that stops discovering gets a new connection, then new power, and hears again', async () => {
  const { bluez, radio } = await scene({}, { silenceMs: 2000 })
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  radio.watch(() => {})
  await nextAdvert(radio, address)
  const before = bluez.counts.registrations
  bluez.freeze()
  await until(() => bluez.counts.powerOns === 1)
  // a connection of its own before the one that switched the power
  expect(bluez.counts.registrations - before).toBeGreaterThanOrEqual(1)
  await nextAdvert(radio, address)
  expect(radio.facts().fault).toBeUndefined()
  expect(bluez.counts.removals).toEqual([])
})

test('where nothing helps, it is told; and no longer once something is heard', async () => {
  const { bluez, radio } = await scene({}, { silenceMs: 1000 })
  const device = bluez.device(cuff)
  radio.open()
  radio.watch(() => {})
  const { fault } = await standing(radio, facts => facts.fault !== undefined)
  expect(fault).toMatchObject({
    code: 'ble.lost',
    hint: expect.stringContaining('normal where nothing advertises'),
  })
  expect(bluez.counts.powerOns).toBe(1)
  device.advertise(true)
  await nextAdvert(radio, address)
  expect(radio.facts().fault).toBeUndefined()
})
