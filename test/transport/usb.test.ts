import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { afterAll, beforeEach, expect, test } from '@jest/globals'
import { type SerialFacts, serialPorts, stableName } from '../../src/transport/usb.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-usb-'))
afterAll(() => rmSync(folder, { recursive: true }))
let root = ''
let turn = 0
beforeEach(() => {
  turn += 1
  root = join(folder, String(turn))
  mkdirSync(root)
})

const file = (path: string, text: string): void => {
  mkdirSync(join(root, dirname(path)), { recursive: true })
  writeFileSync(join(root, path), text)
}
const link = (from: string, to: string): void => {
  mkdirSync(join(root, dirname(from)), { recursive: true })
  symlinkSync(relative(dirname(from), to), join(root, from))
}

const hub = 'sys/devices/platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb1/1-1'

/** A port as the kernel shows it: its folder below the device that it is of, and the links to both. */
function tty(name: string, device: string): void {
  mkdirSync(join(root, device, 'tty', name), { recursive: true })
  link(`sys/class/tty/${name}`, `${device}/tty/${name}`)
  link(`${device}/tty/${name}/device`, device)
  file(`dev/${name}`, '')
}

/** A USB device at a place such as `1-1.3:1.0`; a bridge has a folder of its own between interface and tty. */
function usb(name: string, place: string, facts: Record<string, string>): void {
  const device = `${hub}/${place.replace(/:.*/, '')}`
  for (const [member, text] of Object.entries(facts)) file(`${device}/${member}`, `${text}\n`)
  file(`${device}/${place}/bInterfaceNumber`, '00\n')
  tty(name, name.startsWith('ttyUSB') ? `${device}/${place}/${name}` : `${device}/${place}`)
}

const kept = (path: string, name: string): void => link(`dev/serial/${path}`, `dev/${name}`)

/** PROTOCOLS 2 (12): the bridge that Health o meter builds in. */
const bridge = {
  idVendor: '10c4',
  idProduct: 'ea60',
  manufacturer: 'Silicon Labs',
  product: 'CP2102 USB to UART Bridge Controller',
  serial: '0001',
}

test('a USB bridge is told with what it says of itself, where it is plugged in and the names that stay', async () => {
  usb('ttyUSB0', '1-1.3:1.0', bridge)
  kept('by-id/usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0', 'ttyUSB0')
  kept('by-path/platform-fd500000.pcie-pci-0000:01:00.0-usbv2-0:1.3:1.0-port0', 'ttyUSB0')
  kept('by-path/platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.3:1.0-port0', 'ttyUSB0')
  expect(await serialPorts(root)).toEqual([
    {
      path: '/dev/ttyUSB0',
      usb: '10c4:ea60',
      manufacturer: 'Silicon Labs',
      product: 'CP2102 USB to UART Bridge Controller',
      serial: '0001',
      place: '1-1.3:1.0',
      byId: '/dev/serial/by-id/usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0',
      byPath: '/dev/serial/by-path/platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.3:1.0-port0',
    },
  ])
})

test('a CDC device hangs below its interface itself; a device may say nothing of itself', async () => {
  usb('ttyACM0', '1-1.4.2:1.2', { idVendor: '1a86', idProduct: '55d4' })
  expect(await serialPorts(root)).toEqual([{ path: '/dev/ttyACM0', usb: '1a86:55d4', place: '1-1.4.2:1.2' }])
})

test('only ports that are there: no console, no empty UART, nothing without a device or a node', async () => {
  const uarts = 'sys/devices/platform/serial8250'
  for (const name of ['ttyS0', 'ttyS1', 'ttyS2']) tty(name, `${uarts}/serial8250:0/${name}`)
  // linux/serial_core.h: PORT_UNKNOWN 0, PORT_16550A 4
  file(`${uarts}/serial8250:0/ttyS0/tty/ttyS0/type`, '4\n')
  file(`${uarts}/serial8250:0/ttyS1/tty/ttyS1/type`, '0\n')
  tty('ttyAMA0', 'sys/devices/platform/soc/fe201000.serial')
  tty('ttyprintk', 'sys/devices/platform/other')
  mkdirSync(join(root, 'sys/class/tty/tty1'))
  mkdirSync(join(root, 'sys/class/tty/ttyS3')) // without a device
  tty('ttyUSB7', `${hub}/1-1.1/1-1.1:1.0/ttyUSB7`)
  rmSync(join(root, 'dev/ttyUSB7'))
  expect(await serialPorts(root)).toEqual([
    { path: '/dev/ttyAMA0' },
    { path: '/dev/ttyS0' },
    { path: '/dev/ttyS2' },
  ])
})

test('what a device says of itself is one short printable line', async () => {
  usb('ttyUSB0', '1-1.2:1.0', {
    ...bridge,
    manufacturer: '  \u001b[31mEvil\u202e\u0000\u2028 ',
    product: 'ü'.repeat(5000),
    serial: ' \n ',
  })
  const [port] = await serialPorts(root)
  expect(port).toEqual({
    path: '/dev/ttyUSB0',
    usb: '10c4:ea60',
    manufacturer: '?[31mEvil??',
    product: 'ü'.repeat(64),
    place: '1-1.2:1.0',
  })
})

test('ids that are none make no USB port', async () => {
  usb('ttyUSB0', '1-1.2:1.0', { ...bridge, idProduct: '../x' })
  expect(await serialPorts(root)).toEqual([{ path: '/dev/ttyUSB0' }])
})

test('a machine without serial ports has none; one with too many tells 256 in the order of their numbers', async () => {
  expect(await serialPorts(root)).toEqual([])
  for (let at = 0; at < 300; at++) usb(`ttyUSB${at}`, `1-1.${at + 1}:1.0`, {})
  kept('by-path/gone', 'ttyUSB999')
  const ports = await serialPorts(root)
  expect([ports.length, ports[9]?.path, ports[255]?.path]).toEqual([256, '/dev/ttyUSB9', '/dev/ttyUSB255'])
})

test('of the names of udev, 1024 are looked at', async () => {
  usb('ttyUSB0', '1-1.2:1.0', bridge)
  usb('ttyUSB1', '1-1.3:1.0', bridge)
  for (let at = 0; at < 1023; at++) kept(`by-path/a${at}`, 'ttyUSB0')
  kept('by-path/b', 'ttyUSB1')
  expect((await serialPorts(root))[1]?.byPath).toBe('/dev/serial/by-path/b')
  kept('by-path/a', 'ttyUSB0')
  expect((await serialPorts(root))[1]?.byPath).toBeUndefined()
})

test('the machine that this runs on can be looked at', async () => {
  for (const port of await serialPorts()) expect(basename(port.path)).toMatch(/^tty/)
})

const one = (at: number, serial?: string, more: Partial<SerialFacts> = {}): SerialFacts => ({
  path: `/dev/ttyUSB${at}`,
  usb: '0403:6001',
  byId: `/dev/serial/by-id/${at}`,
  byPath: `/dev/serial/by-path/${at}`,
  ...(serial === undefined ? {} : { serial }),
  ...more,
})

test.each<[string, SerialFacts[], string, string]>([
  ['a serial number of its own', [one(0, 'FTB6SPL3'), one(1, 'FTB6SPL4')], 'by-id', '/dev/serial/by-id/0'],
  [
    'the same number of another make',
    [one(0, 'A50285'), one(1, 'A50285', { usb: '067b:2303' })],
    'by-id',
    '/dev/serial/by-id/0',
  ],
  [
    'a number that another has too',
    [one(0, 'FTB6SPL3'), one(1, 'FTB6SPL3')],
    'by-path',
    '/dev/serial/by-path/0',
  ],
  ['Health o meter', [one(0, '0001', { usb: '10c4:ea60' })], 'by-path', '/dev/serial/by-path/0'],
  ['no number', [one(0)], 'by-path', '/dev/serial/by-path/0'],
  ['zeros', [one(0, '00000000')], 'by-path', '/dev/serial/by-path/0'],
  ['F and F', [one(0, 'FFFFFFFF')], 'by-path', '/dev/serial/by-path/0'],
  ['counting', [one(0, '0123456789ABCDEF')], 'by-path', '/dev/serial/by-path/0'],
  ['counting on', [one(0, '1234567890')], 'by-path', '/dev/serial/by-path/0'],
  ['no udev', [{ path: '/dev/ttyUSB0', usb: '0403:6001', serial: 'FTB6SPL3' }], 'as-typed', '/dev/ttyUSB0'],
  [
    'only a place',
    [{ path: '/dev/ttyUSB0', serial: 'FTB6SPL3', byPath: '/dev/serial/by-path/p' }],
    'by-path',
    '/dev/serial/by-path/p',
  ],
  [
    'only a name that is not its own',
    [{ path: '/dev/ttyUSB0', serial: '0001', byId: '/dev/serial/by-id/i' }],
    'as-typed',
    '/dev/ttyUSB0',
  ],
  ['not plugged in', [one(1, 'FTB6SPL3')], 'as-typed', '/dev/ttyUSB0'],
])('%s', (_what, ports, why, port) => {
  expect(stableName('/dev/ttyUSB0', ports)).toEqual({ port, why })
})

test('what was named by a person or by udev stays', () => {
  const ports = [one(0, 'FTB6SPL3')]
  for (const port of ['/dev/serial/by-path/0', '/dev/serial/by-id/0', '/dev/scale', 'tcp://moxa:4001']) {
    expect(stableName(port, ports)).toEqual({ port, why: 'as-typed' })
  }
})
