import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Bluez, type Device, openBluez } from '../fakes/bluez.ts'
import { type Bus, openBus } from '../fakes/bus.ts'
import { openPty, type Pty } from '../fakes/pty.ts'
import { type DaemonScene, openScene, readingsOf } from './scene.ts'

let bus: Bus
let bluez: Bluez
let scene: DaemonScene
let pty: Pty | undefined
beforeEach(async () => {
  bus = await openBus()
  process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address
  bluez = await openBluez(bus)
  scene = await openScene()
})
afterEach(async () => {
  await scene.close()
  await bluez.close()
  await bus.close()
  pty?.kill()
  pty = undefined
  expect([scene.bugs, bluez.broken]).toEqual([[], []])
})

const address = 'A4:C1:38:00:11:22'
const u16 = (value: number): string => Buffer.from([value & 0xff, value >> 8]).toString('hex')

/** Date Time of the SIG, of a moment in UTC. */
function dateTime(ms: number): string {
  const at = new Date(ms)
  const rest = [
    at.getUTCMonth() + 1,
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
  ]
  return u16(at.getUTCFullYear()) + Buffer.from(rest).toString('hex')
}

/** 2a35 with time stamp and pulse, the mean pressure not provided. */
const pressure = (sys: number, dia: number, ms: number): string =>
  `06${u16(sys)}${u16(dia)}ff07${dateTime(ms)}${u16(64)}`

/** A bonded cuff that keeps its measurements, and whose clock is so far ahead. */
function cuff(aheadMs = 0): Device {
  return bluez.device({
    address,
    name: 'BPM-1',
    paired: true,
    waitsFor: '2a08',
    services: {
      '1810': {
        '2a35': { flags: ['indicate'] },
        '2a49': { flags: ['read'], value: '0000' },
        '2a08': { flags: ['read', 'write'], value: dateTime(Date.now() + aheadMs) },
      },
    },
  })
}

const added = {
  id: 'cuff',
  driver: 'ble-blood-pressure',
  port: `ble://${address}`,
  station: 'room-1',
  options: { begin: 'and' },
}

async function scan(code: string): Promise<void> {
  pty = await openPty()
  scene.stations.add({
    id: 'scan',
    driver: 'barcode-scanner',
    port: pty.path,
    station: 'room-1',
    options: {},
  })
  await scene.until(() => scene.stations.states().some(one => one.id === 'scan' && one.state === 'open'))
  pty.write(`${code}\r\n`)
  await scene.until(() => scene.told.some(event => 'scanned' in event))
}

test('of two that a cuff hands over, the scan is that of the one which was measured after it', async () => {
  await scan('BAND-1')
  scene.stations.add(added)
  const device = cuff()
  const now = Date.now()
  device.store({ char: '2a35', value: pressure(131, 81, now - 600_000) })
  device.store({ char: '2a35', value: pressure(132, 82, now + 1000) })
  device.advertise(true)
  await scene.until(() => readingsOf(scene).length === 2)
  const [before, after] = readingsOf(scene)
  expect(before).toMatchObject({
    values: { systolic: { n: 131 } },
    deviceTime: new Date(now - 600_000).toISOString().slice(0, 19),
    deviceClock: 'checked',
    // port: WIRE 6.6, by hand in ports.test.ts
    link: {
      ...{ kind: 'ble', check: 'link-crc', bonded: true, encrypted: true, char: '2a35' },
      port: 'b3248854b3991e33',
    },
    notes: ['unattributed', 'stored'],
  })
  expect(before?.attribution).toBeUndefined()
  expect(after).toMatchObject({
    values: { systolic: { n: 132 } },
    attribution: { band: 'BAND-1' },
    notes: [],
  })
})

test('what a cuff measured under a clock that nobody had set is nobody’s, though it is set now', async () => {
  await scan('BAND-1')
  scene.stations.add(added)
  const device = cuff(-3_600_000)
  device.store({ char: '2a35', value: pressure(131, 81, Date.now() + 1000) })
  device.advertise(true)
  await scene.until(() => readingsOf(scene).length === 1)
  expect(readingsOf(scene)[0]).toMatchObject({ deviceClock: 'unchecked', notes: ['unattributed', 'stored'] })
  expect(device.written.some(one => one.char === '2a08')).toBe(true)
})

test('a measurement whose confirmation was lost comes again, and is one', async () => {
  scene.stations.add(added)
  const device = cuff()
  const now = Date.now()
  device.store(
    { char: '2a35', value: pressure(131, 81, now) },
    { char: '2a35', value: pressure(132, 82, now) },
  )
  Object.assign(device.faults, { dropAfter: 1, unconfirmed: true })
  device.advertise(true)
  await scene.until(() => device.stored === 0 && !device.connected && readingsOf(scene).length === 2)
  expect(device.links).toBe(2)
  expect(readingsOf(scene).map(one => one.values.systolic?.n)).toEqual([131, 132])
})

test('a value that its driver does not understand is kept: the cuff will not send it again', async () => {
  scene.stations.add(added)
  const device = cuff()
  device.store({ char: '2a35', value: '16ffff' }) // shorter than its flags say
  device.advertise(true)
  await scene.until(() => scene.drafts.length === 1)
  expect(scene.drafts[0]).toMatchObject({
    type: 'event',
    members: {
      event: 'frame-kept',
      detail: {
        device: 'cuff',
        driver: 'ble-blood-pressure',
        char: '2a35',
        raw: '16ffff',
        fault: 'frame.malformed',
      },
    },
  })
  expect(scene.told).toMatchObject([{ kept: true, device: 'cuff' }])
})

test('a device that is not paired is refused, and never connected', async () => {
  const device = bluez.device({
    address,
    name: 'BPM-1',
    services: { '1810': { '2a35': { flags: ['indicate'] } } },
  })
  scene.stations.add(added)
  device.advertise(true)
  await scene.until(() => scene.stations.states()[0]?.state === 'refused')
  expect(scene.stations.states()[0]?.lastFault?.code).toBe('ble.unpaired')
  expect(device.links).toBe(0)
})
