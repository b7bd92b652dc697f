import { expect, test } from '@jest/globals'
import { hex } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import {
  cuff,
  fastClock,
  listening,
  never,
  nextAdvert,
  scenes,
  stored,
  textsOf,
  until,
} from './radio-fixture.ts'

const scene = scenes()
const { address } = cuff

test('a session: services, reading, writing, values in order, the end by the device, then scanning again', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  await nextAdvert(radio, address)
  device.store(...stored(2))
  const got: string[] = []
  const before = fastClock.mono()
  const result = radio.session(
    address,
    async peer => {
      expect(radio.facts()).toMatchObject({ state: 'session', sessions: 1 })
      expect(bluez.discovering).toBe(false)
      expect(peer).toMatchObject({ address, name: cuff.name, bonded: true })
      expect(await peer.characteristics()).toEqual([
        { uuid: '2a35', service: '1810', flags: ['indicate'] },
        { uuid: '2a49', service: '1810', flags: ['read'] },
        { uuid: '2a08', service: '1810', flags: ['read', 'write'] },
      ])
      expect(hex(await peer.read('2a49'))).toBe('0000')
      await peer.write('2a08', Uint8Array.of(0xea, 7))
      await peer.subscribe('2a35', (bytes, mono) => {
        expect(mono).toBeGreaterThanOrEqual(before)
        got.push(hex(bytes))
      })
      await peer.ended
      return 'done'
    },
    never(),
  )
  await expect(result).resolves.toBe('done')
  expect(got).toEqual(['0000', '0001'])
  expect(device.written).toEqual([{ char: '2a08', value: 'ea07', type: 'request' }])
  device.advertise(true)
  await nextAdvert(radio, address)
  expect(radio.facts()).toMatchObject({ sessions: 1, rebuilds: 0 })
  expect(bluez.broken).toEqual([])
})

test('a burst of 200 values is complete and in order', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  device.store(...stored(200))
  radio.open()
  const got: string[] = []
  await radio.session(address, listening(got), never())
  expect(got).toEqual(textsOf(stored(200)))
})

test('subscribed to twice, a value is told to both listeners once', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  const got: string[] = []
  await radio.session(
    address,
    async peer => {
      await peer.subscribe('2a35', bytes => void got.push(`a${hex(bytes)}`))
      await peer.characteristics()
      await peer.subscribe('2a35', bytes => void got.push(`b${hex(bytes)}`))
      device.store(...stored(1))
      await peer.ended
    },
    never(),
  )
  expect(got).toEqual(['a0000', 'b0000'])
  expect(bluez.counts.subscriptions).toBe(1)
})

test('characteristics that BlueZ shows late are listed the next time', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.faults.lateMs = 500
  device.advertise(true)
  radio.open()
  await radio.session(
    address,
    async peer => {
      expect(await peer.characteristics()).toEqual([])
      await until(async () => (await peer.characteristics()).length === 3)
    },
    never(),
  )
})

test('what the device refuses is told as refused, and the link is still there', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({
    ...cuff,
    services: {
      '1810': {
        '2a08': { flags: ['write'], refuses: true },
        '2a9f': { flags: ['write-without-response'] },
      },
    },
  })
  device.advertise(true)
  radio.open()
  await radio.session(
    address,
    async peer => {
      await expect(peer.write('2a08', Uint8Array.of(1))).rejects.toMatchObject({ code: 'ble.refused' })
      await expect(peer.read('2a08')).rejects.toMatchObject({ code: 'ble.refused' })
      await expect(peer.read('2a49')).rejects.toMatchObject({
        code: 'ble.refused',
        message: `${address} has no characteristic 2a49`,
      })
      await peer.write('2a9f', Uint8Array.of(2))
      expect(device.connected).toBe(true)
      device.disconnect()
      await peer.ended
      await expect(peer.read('2a08')).rejects.toMatchObject({ code: 'ble.lost' })
    },
    never(),
  )
  expect(device.written).toEqual([{ char: '2a9f', value: '02', type: 'command' }])
})

test('one session at a time, in the order of asking; what the work throws passes through', async () => {
  const { bluez, radio } = await scene()
  const others = ['D0:5F:B8:00:00:02', 'D0:5F:B8:00:00:03', 'D0:5F:B8:00:00:04']
  for (const one of others) bluez.device({ ...cuff, address: one }).advertise(true)
  radio.open()
  const order: string[] = []
  const done = await Promise.allSettled(
    others.map(one =>
      radio.session(
        one,
        async peer => {
          order.push(`begin ${peer.address}`)
          await peer.characteristics()
          order.push(`end ${peer.address}`)
          if (one === others[1]) throw new Fault('frame.malformed', 'of the work')
        },
        never(),
      ),
    ),
  )
  expect(order).toEqual(others.flatMap(one => [`begin ${one}`, `end ${one}`]))
  expect(done.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(done[1]).toMatchObject({ reason: { code: 'frame.malformed' } })
})

test('a session that is called off, waiting or under way, ends, and its link with it', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  radio.open()
  const first = new AbortController()
  const second = new AbortController()
  const peers: Promise<void>[] = []
  const under = radio.session(
    address,
    async peer => {
      peers.push(peer.ended)
      second.abort()
      first.abort()
      await new Promise(() => {})
    },
    first.signal,
  )
  const waiting = radio.session(address, async () => {}, second.signal)
  await expect(waiting).rejects.toMatchObject({ code: 'interrupted' })
  await expect(under).rejects.toMatchObject({ code: 'interrupted' })
  expect(device.connected).toBe(false)
  await peers[0]
  await expect(radio.session(address, async () => {}, first.signal)).rejects.toMatchObject({
    code: 'interrupted',
  })
})

test('closing ends the session under way; a closed radio holds none', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({ code: 'ble.absent' })
  radio.open()
  const session = radio.session(address, () => new Promise(() => {}), never())
  const told = expect(session).rejects.toMatchObject({ code: 'interrupted' })
  await device.next('connected')
  await radio.close()
  await told
  expect(device.connected).toBe(false)
  radio.open()
  await nextAdvert(radio, address)
})
