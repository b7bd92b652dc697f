import { once } from 'node:events'
import { afterEach, beforeEach, expect } from '@jest/globals'
import type nodeBle from 'node-ble'
import { type Bluez, type BluezSettings, type Device, type DeviceSettings, openBluez } from './bluez.ts'
import { type Client, characteristicOf, openClient, valuesOf } from './bluez-client.ts'
import { type Bus, openBus } from './bus.ts'

export const address = 'F0:00:00:00:00:01'
export const path = '/org/bluez/hci0/dev_F0_00_00_00_00_01'
export const hci0 = '/org/bluez/hci0'
export const adapter1 = 'org.bluez.Adapter1'
export const device1 = 'org.bluez.Device1'
// the frame of the experiment in BLUEZ.md 4.1
export const frame = '1e840058006600e0070a1a09232a5500000000'

export const cuffSettings: DeviceSettings = {
  address,
  name: 'A&D_UA-651BLE_000001',
  manufacturer: { company: 0x0069, data: '0102' },
  paired: true,
  services: {
    '1810': {
      '2a35': { flags: ['indicate'] },
      '2a49': { flags: ['read'], value: '2100' },
      '2a08': { flags: ['read', 'write'], value: 'e8070101000000' },
    },
    '180a': { '2a29': { flags: ['read'], value: '412644', open: true } },
  },
}

/** A cuff on the air, the BlueZ near it, and a client; `another` opens a further client. */
export interface Scene {
  bus: Bus
  bluez: Bluez
  cuff: Device
  ble: Client
  another(): Client
}

/** Makes scenes, one for each test, and takes them down after it. */
export function scenes(): (settings?: Partial<DeviceSettings>, around?: BluezSettings) => Promise<Scene> {
  let bus: Bus
  let bluez: Bluez | undefined
  const clients: Client[] = []
  const another = (): Client => {
    const client = openClient(bus)
    clients.push(client)
    return client
  }
  beforeEach(async () => {
    bus = await openBus()
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await bluez?.close()
    await bus.close()
    expect(bluez?.broken).toEqual([])
  })
  return async (settings = {}, around = {}) => {
    bluez = await openBluez(bus, around)
    const cuff = bluez.device({ ...cuffSettings, ...settings })
    cuff.advertise(true)
    return { bus, bluez, cuff, ble: another(), another }
  }
}

/** Connects until services are resolved: node-ble's gatt() may hang if that happens while it asks. */
export async function connect(cuff: Device, device: nodeBle.Device): Promise<void> {
  const resolved = cuff.next('resolved')
  await device.connect()
  await resolved
}

/** One session: everything on 2a35 until the link is down. */
export async function session(cuff: Device, device: nodeBle.Device): Promise<string[]> {
  const down = once(device, 'disconnect')
  await connect(cuff, device)
  const measurement = await characteristicOf(device, '1810', '2a35')
  const values = await valuesOf(measurement)
  await down
  // BlueZ would enable it by itself at the next link
  await measurement.stopNotifications()
  return values
}

/** So many values on 2a35, each with its number. */
export const numbered = (count: number): { char: string; value: string }[] =>
  Array.from({ length: count }, (_, n) => ({ char: '2a35', value: n.toString(16).padStart(4, '0') }))

/** The error of a call, as `name: text`; `none` where there was none. */
export async function errorOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'none',
    (cause: { type?: string; text?: string; message: string }) =>
      `${(cause.type ?? 'Error').replace('org.bluez.Error.', '')}: ${cause.text ?? cause.message}`,
  )
}
