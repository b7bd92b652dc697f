import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { DeviceBody, Handlers, ScanLine } from '../../src/control/api.ts'
import { type Control, serve } from '../../src/control/serve.ts'
import { fakeHandlers } from '../control/handlers.ts'
import { run } from './transcript.ts'

// Finding, trying and adding devices, against a daemon that only answers.
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-device-'))
const config = join(folder, 'vitalgate.toml')
const socket = join(folder, 'c.sock')
writeFileSync(config, `control.socket = "${socket}"\n`)
let control: Control
let own: Partial<Handlers> = {}
let added: DeviceBody[] = []
let asked: object[] = []

beforeAll(async () => {
  const handlers = fakeHandlers({
    addDevice: async device => {
      added.push(device)
      return { already: false, device }
    },
    scan: async (body, send, end) => own.scan?.(body, send, end),
    test: async (body, send, end) => own.test?.(body, send, end),
    pair: async (body, send, end) => own.pair?.(body, send, end),
  })
  control = await serve(socket, handlers, error => {
    throw error
  })
})
beforeEach(() => {
  own = {}
  added = []
  asked = []
})
afterAll(async () => {
  await control.stop()
  rmSync(folder, { recursive: true })
})

const vitalgate = (...words: string[]) => run(['device', ...words, '--config', config])

const scale: ScanLine = {
  kind: 'serial',
  port: '/dev/serial/by-path/usb-0:1',
  path: '/dev/ttyUSB0',
  usb: '10c4:ea60',
  maker: 'Silicon Labs',
  product: 'CP2102',
  serial: '0001',
  device: null,
  proposals: [{ driver: 'healthometer-esc', model: 'Health o meter', options: {} }],
}
const port = 'ble://A4:C1:38:00:11:22'
const cuff: ScanLine = {
  kind: 'ble',
  port,
  name: 'A&D_UA-651BLE_112233',
  rssi: -58,
  services: ['1810'],
  paired: false,
  device: null,
  proposals: [{ driver: 'ble-blood-pressure', model: 'A&D UA-651BLE', options: { begin: 'and' } }],
}
const both: ScanLine = {
  ...cuff,
  proposals: [
    { driver: 'ble-weight', model: 'Bluetooth scales', options: {} },
    { driver: 'ble-body-composition', model: 'Beurer BF 720', options: {} },
  ],
}

const scanOf =
  (...lines: ScanLine[]): Handlers['scan'] =>
  async (body, send) => {
    asked.push(body)
    for (const line of lines) send(line)
  }

test('scan: ports first, then what is near, each with its drivers; all of it with --json', async () => {
  const lamp: ScanLine = {
    ...cuff,
    port: 'ble://A4:C1:38:00:11:33',
    name: 'Lamp',
    rssi: -90,
    services: [],
    proposals: [],
  }
  own.scan = scanOf(scale, lamp, { ...cuff, device: 'cuff-1' })
  const { code, out } = await vitalgate('scan', '--seconds', '3')
  expect([code, asked]).toEqual([0, [{ seconds: 3 }]])
  expect(out).toBe(`SERIAL PORT                  USB        WHAT IT SAYS OF ITSELF    DRIVER
/dev/serial/by-path/usb-0:1  10c4:ea60  Silicon Labs CP2102 0001  healthometer-esc (Health o meter)

BLE DEVICE               NAME                  WHERE        SERVICES  DRIVER
ble://A4:C1:38:00:11:22  A&D_UA-651BLE_112233  very near    1810      is device cuff-1
ble://A4:C1:38:00:11:33  Lamp                  far
`)
  const lines = (await vitalgate('scan', '--json')).out.trim().split('\n')
  expect(lines.map(line => JSON.parse(line))).toEqual([scale, lamp, { ...cuff, device: 'cuff-1' }])
})

test('scan without Bluetooth says so to people, and shows the ports', async () => {
  own.scan = scanOf(scale, {
    kind: 'fault',
    code: 'ble.absent',
    message: 'no Bluetooth adapter',
    hint: 'plug one in',
  })
  const { code, out, err } = await vitalgate('scan')
  expect([code, err]).toEqual([0, 'no Bluetooth: no Bluetooth adapter (plug one in)\n'])
  expect(out).toContain('nothing advertises over Bluetooth')
})

test.each([['0'], ['601'], ['x']])('scan --seconds %s is refused', async seconds => {
  expect((await vitalgate('scan', '--seconds', seconds)).code).toBe(2)
})

const here = ['--port', port, '--station', 'room-1']

test('add: the driver proposes itself with its options, the device is paired, then added', async () => {
  own.scan = scanOf(scale, cuff)
  own.pair = async (body, send) => {
    asked.push(body)
    send({ step: 'pairing', detail: 'A4:C1:38:00:11:22' })
    send({ step: 'paired', detail: 'A4:C1:38:00:11:22' })
  }
  const { code, err } = await vitalgate('add', 'cuff-1', ...here)
  expect([code, err]).toEqual([0, 'pairing with A4:C1:38:00:11:22\npaired with A4:C1:38:00:11:22\n'])
  expect(asked.at(-1)).toEqual({ port })
  expect(added).toEqual([
    { id: 'cuff-1', driver: 'ble-blood-pressure', port, station: 'room-1', options: { begin: 'and' } },
  ])
})

test('add: what is paired already is not paired again; typed options win', async () => {
  own.scan = scanOf({ ...cuff, paired: true })
  const { code } = await vitalgate('add', 'cuff-1', ...here, '--option', 'begin=usual')
  expect([code, added[0]?.options]).toEqual([0, { begin: 'usual' }])
})

test('add: where two drivers fit and nobody is there to choose, both are named', async () => {
  own.scan = scanOf({ ...both, paired: true })
  const { code, err } = await vitalgate('add', 'scale-1', ...here)
  expect(code).toBe(2)
  expect(err).toContain('  1  ble-weight for Bluetooth scales\n  2  ble-body-composition for Beurer BF 720\n')
  expect(err).toContain('hint: name one with --driver: ble-weight, ble-body-composition')
  expect(added).toEqual([])
})

test.each<[string, ScanLine[], string[], string]>([
  ['no driver knows it', [{ ...cuff, proposals: [] }], here, `no driver knows what is at ${port}`],
  ['it is not heard', [scale], here, 'nothing with address A4:C1:38:00:11:22 was heard'],
  [
    'there is no Bluetooth',
    [
      {
        kind: 'fault',
        code: 'ble.off',
        message: 'adapter hci0 has no power',
        hint: 'rfkill unblock bluetooth',
      },
    ],
    here,
    'adapter hci0 has no power',
  ],
  [
    'the port is none',
    [],
    ['--port', 'ttyUSB0', '--station', 'r'],
    'port must be a path such as /dev/ttyUSB0',
  ],
])('add: %s', async (_why, lines, words, told) => {
  own.scan = scanOf(...lines)
  const { code, err } = await vitalgate('add', 'x', ...words)
  expect(code).toBe(1)
  expect(err).toContain(`vitalgate: error: ${told}`)
  expect(added).toEqual([])
})

test('test: what comes is shown with what is made of it, and why it may not be understood', async () => {
  own.test = async (body, send) => {
    asked.push(body)
    send({ t: 0, state: 'open' })
    send({
      t: 1500,
      frame: '53540d',
      measured: { 'body-weight': { value: '72.40', unit: 'kg' } },
      counts: true,
    })
    send({ t: 1600, frame: '55530d', silent: 'unstable' })
    send({ t: 1700, frame: 'ff', fault: 'frame.malformed', why: 'frame does not fit its pattern' })
  }
  const words = [
    '--driver',
    'and-line',
    '--port',
    '/dev/ttyUSB0',
    '--option',
    'parity=true',
    '--seconds',
    '9',
  ]
  const { code, out, err } = await vitalgate('test', ...words)
  expect([code, asked]).toEqual([
    0,
    [{ driver: 'and-line', port: '/dev/ttyUSB0', options: { parity: true }, seconds: 9 }],
  ])
  expect(out).toBe(`   0.0  -- the line is open: use the device now
   1.5  ST.  body-weight 72.40 kg  << counts
   1.6  US.  silent: unstable
   1.7  .  frame.malformed: frame does not fit its pattern (not this driver’s form: another driver, speed or option?)
`)
  expect(err).toBe('3 frames came, 2 of them understood; nothing was taken by this test\n')
})

test('test: of a device by its name; nothing at all came', async () => {
  own.test = async body => void asked.push(body)
  const { code, err } = await vitalgate('test', 'scale-1')
  expect([code, asked]).toEqual([0, [{ device: 'scale-1', seconds: 60 }]])
  expect(err).toMatch(/^not a byte came: /)
  expect((await vitalgate('test', 'scale-1', '--port', '/dev/ttyUSB0')).code).toBe(2)
  expect((await vitalgate('test')).code).toBe(2)
})
