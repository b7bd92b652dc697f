import { expect, test } from '@jest/globals'
import type NodeBle from 'node-ble'
import type { Adapter } from '../../src/transport/bluez-adapter.ts'
import { openBounds } from '../../src/transport/bluez-bounds.ts'
import { bluezDevices } from '../../src/transport/bluez-devices.ts'
import { bluezPeer } from '../../src/transport/bluez-peer.ts'
import { cuff, fastAfter, fastClock } from './radio-fixture.ts'

test('an answer counts that came in the same moment as the end of the link', async () => {
  const path = '/org/bluez/hci0/dev_D0_5F_B8_00_00_01'
  const bus = openBounds(fastAfter)
  const devices = bluezDevices('/org/bluez/hci0', () => {})
  const truth = { value: true }
  devices.learn({
    [path]: { 'org.bluez.Device1': { Connected: truth, ServicesResolved: truth, Paired: truth } },
  })
  let answer = (_value: Buffer): void => {}
  const answered = new Promise<Buffer>(resolve => {
    answer = resolve
  })
  /** As node-ble: from the answer to the caller it is some turns. */
  const readValue = async (): Promise<Buffer> => {
    const value = await answered
    for (let turn = 0; turn < 10; turn++) await undefined
    return value
  }
  const node = { readValue, getFlags: async () => ['read'] }
  const service = { characteristics: async () => ['2a49'], getCharacteristic: async () => node }
  const server = { services: async () => ['1810'], getPrimaryService: async () => service }
  const adapter = { bus, devices, until: async () => true } as unknown as Adapter
  const device = { gatt: async () => server } as unknown as NodeBle.Device
  const peer = bluezPeer(adapter, device, cuff.address, fastClock)
  await peer.characteristics()
  const reading = peer.read('2a49')
  await new Promise(resolve => setImmediate(resolve))
  answer(Buffer.of(0x21))
  const ended = ['org.bluez.Device1', { Connected: { value: false } }, []]
  devices.take({ path, iface: 'org.freedesktop.DBus.Properties', member: 'PropertiesChanged', body: ended })
  await peer.ended
  await expect(reading).resolves.toEqual(Uint8Array.of(0x21))
  await expect(peer.read('2a49')).rejects.toMatchObject({ code: 'ble.lost' })
})
