import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { addDevice, type DeviceCheck, readDevices, removeDevice } from '../../src/identity/devices.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-devices-'))
afterAll(() => rmSync(folder, { recursive: true }))
let state = ''
let turn = 0
beforeEach(() => {
  turn += 1
  state = join(folder, String(turn))
  mkdirSync(state)
})

const scale = {
  id: 'scale-1',
  driver: 'and-line',
  port: '/dev/null',
  station: 'ward-a',
  options: { parity: true },
}
const cuff = { id: 'cuff', driver: 'and-line', port: '/dev/zero', station: 'ward-a', options: {} }
const fine: DeviceCheck = () => {}

const thrown = (act: () => unknown): Fault => {
  try {
    act()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('a device is added once, found again and removed', () => {
  expect(readDevices(state)).toEqual([])
  expect(addDevice(state, scale, fine).already).toBe(false)
  expect(addDevice(state, scale, fine).already).toBe(true)
  addDevice(state, cuff, fine)
  expect(readDevices(state)).toEqual([scale, cuff])
  expect(removeDevice(state, 'scale-1')).toEqual(scale)
  expect(readDevices(state)).toEqual([cuff])
  expect(readdirSync(state)).toEqual(['devices.toml'])
})

test('an id or a port that is taken, in whatever spelling, is refused', () => {
  addDevice(state, scale, fine)
  expect(thrown(() => addDevice(state, { ...cuff, id: 'scale-1' }, fine)).code).toBe('device.exists')
  const fault = thrown(() => addDevice(state, { ...cuff, port: '/dev/../dev//null' }, fine))
  expect([fault.code, fault.message]).toEqual([
    'device.exists',
    'there is already device scale-1 at port /dev/null',
  ])
  expect(fault.hint).toContain('vitalgate device remove scale-1')
  expect(readDevices(state)).toEqual([scale])
})

test('a port that is not there is told, and nothing is written', () => {
  const fault = thrown(() => addDevice(state, { ...scale, port: '/dev/ttyNONE' }, fine))
  expect([fault.code, fault.message]).toEqual(['port.missing', 'there is no port /dev/ttyNONE'])
  expect(fault.hint).toBeDefined()
  expect(readdirSync(state)).toEqual([])
})

test('what is no character device is refused as a port, also behind a link, and nothing is written', () => {
  const path = join(folder, `links-${turn}`)
  mkdirSync(path)
  writeFileSync(join(path, 'file'), 'x')
  symlinkSync(join(path, 'file'), join(path, 'to-file'))
  symlinkSync('/dev/null', join(path, 'to-device'))
  symlinkSync(join(path, 'nothing'), join(path, 'to-nothing'))
  const code = (port: string) =>
    thrown(() => addDevice(state, { ...scale, port: join(path, port) }, fine)).code
  expect(['.', 'file', 'to-file', 'to-nothing', 'file/under'].map(code)).toEqual([
    'port.refused',
    'port.refused',
    'port.refused',
    'port.missing',
    'port.missing',
  ])
  const fault = thrown(() => addDevice(state, { ...scale, port: join(path, 'file') }, fine))
  expect(fault.hint).toBeDefined()
  expect(readdirSync(state)).toEqual([])
  expect(addDevice(state, { ...scale, port: join(path, 'to-device') }, fine).already).toBe(false)
})

test('a device may be reached over the network or by radio, and need not be there when it is added', () => {
  const served = { ...scale, port: 'tcp://Moxa-1.lan:4001' }
  const radio = { ...cuff, port: 'ble://aa:bb:cc:dd:ee:0f' }
  expect(addDevice(state, served, fine).device.port).toBe('tcp://moxa-1.lan:4001')
  expect(addDevice(state, radio, fine).device.port).toBe('ble://AA:BB:CC:DD:EE:0F')
  expect(addDevice(state, { ...radio, port: 'ble://AA:bb:CC:dd:EE:0F' }, fine).already).toBe(true)
  expect(readDevices(state).map(one => one.port)).toEqual([
    'tcp://moxa-1.lan:4001',
    'ble://AA:BB:CC:DD:EE:0F',
  ])
})

test.each([
  ['ble://AA:BB:CC:DD:EE:0F', 'ble://aa:bb:cc:dd:ee:0f'],
  ['tcp://moxa:4001', 'tcp://MOXA:4001'],
  ['tcp://[::1]:4001', 'tcp://[0:0:0:0:0:0:0:1]:4001'],
])('two devices cannot share %s, spelled %s', (first, second) => {
  addDevice(state, { ...scale, port: first }, fine)
  const fault = thrown(() => addDevice(state, { ...cuff, port: second }, fine))
  expect([fault.code, fault.message]).toEqual([
    'device.exists',
    `there is already device scale-1 at port ${first}`,
  ])
  const path = join(state, 'devices.toml')
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text + text.replace('scale-1', 'cuff').replace(first, second))
  expect(thrown(() => readDevices(state)).message).toContain('device[1].port: is already that of device[0]')
})

test('two ports of one device server are two ports', () => {
  addDevice(state, { ...scale, port: 'tcp://moxa:4001' }, fine)
  expect(addDevice(state, { ...cuff, port: 'tcp://moxa:4002' }, fine).already).toBe(false)
})

test('a port that is none is told what it may be', () => {
  expect(thrown(() => addDevice(state, { ...scale, port: 'tcp://moxa' }, fine)).message.split('\n')).toEqual([
    'device has 1 problem',
    '  port: must be a path such as /dev/ttyUSB0, or tcp://HOST:PORT, or ble://AA:BB:CC:DD:EE:FF',
  ])
})

test('what the card refuses is no configuration yet', () => {
  const strict: DeviceCheck = () => {
    throw new Fault('config.invalid', 'options of scale-1 has 1 problem')
  }
  expect(thrown(() => addDevice(state, scale, strict)).code).toBe('input.invalid')
})

test.each([
  ['id', 'Scale 1'],
  ['port', 'ttyUSB0'],
  ['station', ''],
  ['options', { parity: [1] }],
])('a device with a bad %s is refused', (member, value) => {
  expect(thrown(() => addDevice(state, { ...scale, [member]: value }, fine)).code).toBe('input.invalid')
})

test('removing an unknown one names the nearest', () => {
  addDevice(state, scale, fine)
  const fault = thrown(() => removeDevice(state, 'scale-2'))
  expect([fault.code, fault.hint]).toEqual(['device.unknown', 'did you mean scale-1?'])
})

test('a file written by hand is told all its problems: its own first, then those of the cards', () => {
  const entry = (id: string, port: string) =>
    `[[device]]\nid = "${id}"\ndriver = "and-line"\nport = "${port}"\nstation = "a"\n`
  const path = join(state, 'devices.toml')
  writeFileSync(path, entry('a', '/dev/x') + entry('a', '/dev/x'))
  const doubled = thrown(() => readDevices(state, fine))
  expect(doubled.code).toBe('config.invalid')
  expect(doubled.message).toContain('device[1].id: is already that of device[0] (got "a")')
  expect(doubled.message).toContain('device[1].port: is already that of device[0] (got "/dev/x")')
  writeFileSync(path, entry('a', '/dev/x') + entry('b', '/dev/y'))
  const unknown = thrown(() =>
    readDevices(state, one => {
      throw new Fault('driver.unknown', `no driver for ${one.id}`, { hint: 'did you mean c?' })
    }),
  )
  expect(unknown.message.split('\n')).toEqual([
    `${path} has 2 problems`,
    '  device[0] a: no driver for a (did you mean c?)',
    '  device[1] b: no driver for b (did you mean c?)',
  ])
  expect(readFileSync(path, 'utf8')).toContain('id = "b"')
})
