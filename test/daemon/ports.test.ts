import { createHash } from 'node:crypto'
import { afterEach, expect, test } from '@jest/globals'
import { addressOf, portIdentity } from '../../src/base/portname.ts'
import { proposalOf } from '../../src/daemon/proposal.ts'
import { serialPort } from '../../src/transport/serial.ts'
import { portTag } from '../../src/wire/porttag.ts'
import { openPty, type Pty } from '../fakes/pty.ts'
import { openScene, readingsOf, sceneGateway } from './scene.ts'

let pty: Pty | undefined
afterEach(() => {
  pty?.kill()
  pty = undefined
})

/**
 * WIRE 6.6 for the gateway of 16 zero bytes, each by hand:
 * (printf 'VG1 port'; head -c16 /dev/zero; printf '%s' IDENTITY) | sha256sum | cut -c1-16
 */
const byHand: [port: string, serial: string | undefined, identity: string, tag: string][] = [
  [
    '/dev/serial/by-path/platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.3:1.0-port0',
    undefined,
    'usb:platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.3:1.0-port0',
    'c57f64f64f4094b4',
  ],
  ['/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0', 'A50285BI', 'serial:A50285BI', '88bac720a6f35cf0'],
  ['/dev/ttyAMA0', undefined, 'path:/dev/ttyAMA0', '018cc5ff02fd34cd'],
  ['ble://a4:c1:38:00:11:22', undefined, 'ble:A4:C1:38:00:11:22', 'b3248854b3991e33'],
  ['tcp://192.0.2.7:4001', undefined, 'tcp://192.0.2.7:4001', '95efc8293f368bce'],
]

test.each(byHand)('what %s is bound to, and its tag', (port, serial, identity, tag) => {
  expect(portIdentity(addressOf(port)!, serial)).toBe(identity)
  expect(portTag(sceneGateway, identity)).toBe(tag)
  expect(portTag(`${'a'.repeat(25)}e`, identity)).not.toBe(tag)
})

test('a port that is named by a serial number has no tag while nobody knows the number', () => {
  const address = addressOf('/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0')!
  expect(portTag(sceneGateway, portIdentity(address))).toBeUndefined()
  // a serial number means nothing for a port that is named by its place
  expect(portIdentity(addressOf('/dev/ttyAMA0')!, 'A50285BI')).toBe('path:/dev/ttyAMA0')
})

test('the serial number is that of the adapter which is there when the port opens, before its first byte', async () => {
  const numbers = ['A50285BI', 'B1', undefined]
  const told: unknown[] = []
  const lost: (() => void)[] = []
  const all = Promise.withResolvers<void>()
  const port = serialPort(
    '/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0',
    { baud: 9600 },
    {
      identity: async () => '1:1:1',
      serialOf: async () => numbers.shift(),
      after: (_ms, act) => {
        const soon = setImmediate(act)
        return () => clearImmediate(soon)
      },
      async openLine(_path, _settings, events) {
        lost.push(() => events.lost(undefined))
        setImmediate(() => events.data(Uint8Array.of(0x31)))
        return { write: async () => {}, close: async () => {} }
      },
    },
  )
  port.open({
    chunk() {
      told.push('chunk')
      if (lost.length < 3) lost.at(-1)!()
      else all.resolve()
    },
    back: (_security, serial) => told.push(serial),
    gone: () => {},
  })
  await all.promise
  await port.close()
  expect(told).toEqual(['A50285BI', 'chunk', 'B1', 'chunk', undefined, 'chunk'])
})

test('a reading and the proposal of its device tell the same tag', async () => {
  const scene = await openScene()
  try {
    pty = await openPty()
    const options = { mode: 'on-print' }
    const scale = { id: 'scale', driver: 'and-line', port: pty.path, station: 'room-1', options }
    scene.stations.add(scale)
    await scene.until(() => scene.stations.states().some(one => one.state === 'open'))
    pty.write('ST,GS,+0072.40kg\r\n')
    await scene.until(() => readingsOf(scene).length === 1)
    // WIRE 6.6, written once more
    const hash = createHash('sha256').update('VG1 port').update(Buffer.alloc(16)).update(`path:${pty.path}`)
    const tag = hash.digest('hex').slice(0, 16)
    expect(readingsOf(scene)[0]!.link).toMatchObject({ kind: 'serial', port: tag })
    const { detail } = await proposalOf(scale, sceneGateway, { bonded: () => true })
    expect(detail).toMatchObject({ device: 'scale', link: 'serial', port: tag })
    expect(detail).not.toHaveProperty('bonded')
  } finally {
    await scene.close()
  }
})

test.each([true, false, undefined])('a BLE device is proposed with its bond (%s)', async bonded => {
  const cuff = { id: 'cuff', driver: 'ble-blood-pressure', station: 'room-1', options: {} }
  const port = 'ble://A4:C1:38:00:11:22'
  const { detail } = await proposalOf({ ...cuff, port }, sceneGateway, { bonded: () => bonded })
  expect(detail.bonded).toBe(bonded)
  expect(detail.port).toBe('b3248854b3991e33')
})
