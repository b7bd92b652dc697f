import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { PairLine, ScanLine, TestLine } from '../../src/control/api.ts'
import { looking, recording } from '../../src/daemon/looking.ts'
import { pairing } from '../../src/daemon/pairing.ts'
import { propose } from '../../src/daemon/propose.ts'
import { scanning } from '../../src/daemon/scan.ts'
import { parseCapture } from '../../src/transport/capture.ts'
import { type Bluez, openBluez } from '../fakes/bluez.ts'
import { type Bus, openBus } from '../fakes/bus.ts'
import { openPty, type Pty } from '../fakes/pty.ts'
import { type DaemonScene, openScene } from './scene.ts'

let bus: Bus
let bluez: Bluez
let scene: DaemonScene
const ptys: Pty[] = []
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
  for (const pty of ptys.splice(0)) pty.kill()
})

const address = 'A4:C1:38:00:11:22'
const cuffServices = { '1810': { '2a35': { flags: ['indicate'] } } }

async function line(): Promise<Pty> {
  const pty = await openPty()
  ptys.push(pty)
  return pty
}

async function addScale(
  options: Record<string, boolean | string | number> = { mode: 'on-print' },
): Promise<Pty> {
  const pty = await line()
  scene.stations.add({ id: 'scale', driver: 'and-line', port: pty.path, station: 'room-1', options })
  await scene.until(() => scene.stations.states().some(one => one.id === 'scale' && one.state === 'open'))
  return pty
}

/** Lines of a stream, and the end of it once enough came. */
function gathered<T>(enough: (lines: T[]) => boolean) {
  const lines: T[] = []
  const end = new AbortController()
  const send = (one: T): void => {
    lines.push(one)
    if (enough(lines)) end.abort()
  }
  return { lines, send, end: end.signal }
}

test('a scan tells what advertises, with the drivers that know it, and whose it is already', async () => {
  const known = {
    id: 'cuff',
    driver: 'ble-blood-pressure',
    port: `ble://${address}`,
    station: 'room-1',
    options: {},
  }
  scene.stations.add(known)
  const [ours, other] = [
    bluez.device({ address, name: 'A&D_UA-651BLE_112233', services: cuffServices }),
    bluez.device({
      address: 'A4:C1:38:00:11:33',
      name: 'Lamp',
      services: { '180f': { '2a19': { flags: ['read'] } } },
    }),
  ]
  ours.advertise(true)
  other.advertise(true)
  const ble = (lines: ScanLine[]) => lines.filter(one => one.kind === 'ble')
  const { lines, send, end } = gathered<ScanLine>(all => ble(all).length === 2)
  await scanning(scene.gateway)({ seconds: 20 }, send, end)
  const byPort = new Map(ble(lines).map(one => [one.port, one]))
  expect(byPort.get(`ble://${address}`)).toMatchObject({
    name: 'A&D_UA-651BLE_112233',
    services: ['1810'],
    paired: false,
    device: 'cuff',
    proposals: [{ driver: 'ble-blood-pressure', model: 'A&D UA-651BLE', options: { begin: 'and' } }],
  })
  expect(byPort.get('ble://A4:C1:38:00:11:33')).toMatchObject({ name: 'Lamp', device: null, proposals: [] })
})

test('without an adapter a scan says so and ends', async () => {
  bluez.unplug('hci0')
  const { lines, send, end } = gathered<ScanLine>(() => false)
  await scanning(scene.gateway)({ seconds: 20 }, send, end)
  expect(lines.at(-1)).toMatchObject({ kind: 'fault', code: 'ble.absent' })
})

test('proposals: by sign with its options, by service without, of several all, of none nothing', () => {
  const named = (name: string, services: string[]) => propose(scene.drivers, { name, services })
  expect(propose(scene.drivers, { usb: '10c4:ea60' }).map(one => one.driver)).toContain('healthometer-esc')
  expect(propose(scene.drivers, { usb: undefined })).toEqual([])
  expect(named('Unknown', ['1810']).map(one => one.driver)).toEqual(['ble-blood-pressure'])
  expect(
    named('Unknown', ['181d', '181b'])
      .map(one => one.driver)
      .sort(),
  ).toEqual(['ble-body-composition', 'ble-weight'])
  expect(named('Unknown', [])).toEqual([])
})

test('a test shows what is understood, silent and refused, and takes nothing by itself', async () => {
  const pty = await line()
  const frames = (lines: TestLine[]) => lines.filter(one => one.frame !== undefined)
  const { lines, send, end } = gathered<TestLine>(all => frames(all).length === 3)
  const port = pty.path
  const options = { mode: 'on-print' }
  const done = looking(scene.gateway)(
    { driver: 'and-line', port, options, seconds: 20 },
    line => {
      send(line)
      if (line.state === 'open') pty.write('ST,GS,+0072.40kg\r\nUS,GS,+0071.20kg\r\nhello\r\n')
    },
    end,
  )
  await done
  expect(frames(lines)).toMatchObject([
    { measured: { 'body-weight': { value: '72.40', unit: 'kg' } }, counts: true },
    { silent: 'unstable' },
    { fault: 'frame.malformed', why: 'frame does not fit its pattern' },
  ])
  expect(scene.drafts).toEqual([])
})

test('a test of a device that was added goes on taking; its port is no other’s', async () => {
  const pty = await addScale()
  const { lines, send, end } = gathered<TestLine>(all => all.some(one => one.frame !== undefined))
  const done = looking(scene.gateway)({ device: 'scale', seconds: 20 }, send, end)
  pty.write('ST,GS,+0072.40kg\r\n')
  await done
  expect(lines[0]).toMatchObject({ state: 'open' })
  await scene.until(() => scene.drafts.length === 1)
  const other = { driver: 'tanita-csv', port: pty.path, options: {}, seconds: 1 }
  await expect(looking(scene.gateway)(other, send, end)).rejects.toMatchObject({ code: 'device.exists' })
})

test('a recording is a capture of the live line, told in the log and the status, and disturbs nothing', async () => {
  const pty = await addScale()
  const { lines, send, end } = gathered<{ text: string }>(all => all.length === 2)
  const done = recording(scene.gateway)({ device: 'scale', seconds: 20 }, send, end)
  expect(scene.stations.states()[0]?.recording).toBe(true)
  pty.write('ST,GS,+0072.40kg\r\n')
  await done
  expect(scene.stations.states()[0]?.recording).toBeUndefined()
  const { header, lines: chunks } = parseCapture(lines.map(one => one.text).join(''))
  expect(header).toMatchObject({ driver: 'and-line', link: 'serial', options: { mode: 'on-print' } })
  expect(Buffer.from(chunks[0]!.bytes).toString()).toContain('ST,GS')
  expect(scene.log.map(one => one.msg)).toEqual(['recording began', 'recording ended'])
  await scene.until(() => scene.drafts.length === 1)
})

test('pairing by hand: just so, with the digits of the device, and refused', async () => {
  const { pair, passkey } = pairing(scene.gateway)
  const tell = (lines: PairLine[]) => (one: PairLine) => void lines.push(one)
  const never = new AbortController().signal

  const simple = bluez.device({ address, name: 'A', services: cuffServices, pairing: 'just-works' })
  simple.advertise(true)
  const lines: PairLine[] = []
  await pair({ port: `ble://${address}` }, tell(lines), never)
  expect(lines.map(one => one.step)).toEqual(['pairing', 'paired'])
  expect(simple.paired).toBe(true)

  const port = 'ble://A4:C1:38:00:11:44'
  const digits = bluez.device({
    address: 'A4:C1:38:00:11:44',
    name: 'B',
    services: cuffServices,
    pairing: 'passkey',
    passkey: 123456,
  })
  digits.advertise(true)
  const asked = Promise.withResolvers<void>()
  const paired = pair({ port }, one => void (one.step === 'passkey' && asked.resolve()), never)
  await asked.promise
  await expect(passkey({ port: `ble://${address}`, passkey: 1 })).rejects.toMatchObject({
    code: 'input.invalid',
  })
  await passkey({ port, passkey: 123456 })
  await paired
  expect(digits.paired).toBe(true)
  await expect(pair({ port: '/dev/ttyUSB0' }, tell([]), never)).rejects.toMatchObject({
    code: 'input.invalid',
  })
})

test('the staff hear what became of it: one bell for taken and attributed, two for unattributed', async () => {
  const scanner = await line()
  scene.stations.add({
    id: 'scan',
    driver: 'barcode-scanner',
    port: scanner.path,
    station: 'room-1',
    options: { bell: true },
  })
  const scale = await addScale()
  await scene.until(() => scene.stations.states().every(one => one.state === 'open'))
  scale.write('ST,GS,+0072.40kg\r\n')
  expect(await scanner.read(2)).toBe('\x07\x07')
  scanner.write('BAND-1\r\n')
  await scene.until(() => scene.told.some(event => 'scanned' in event))
  scale.write('ST,GS,+0058.60kg\r\n')
  expect(await scanner.read(1)).toBe('\x07')
  expect(scene.drafts.length).toBeGreaterThanOrEqual(2)
})

test('and three when a reading was refused', async () => {
  await scene.close()
  scene = await openScene({ refuse: true })
  const scanner = await line()
  const options = { bell: true }
  scene.stations.add({
    id: 'scan',
    driver: 'barcode-scanner',
    port: scanner.path,
    station: 'room-1',
    options,
  })
  const scale = await addScale()
  await scene.until(() => scene.stations.states().every(one => one.state === 'open'))
  scale.write('ST,GS,+0072.40kg\r\n')
  expect(await scanner.read(3)).toBe('\x07\x07\x07')
})
