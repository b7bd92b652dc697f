import { expect, test } from '@jest/globals'
import { hex } from '../../src/base/bytes.ts'
import { blePort } from '../../src/transport/ble.ts'
import type { BleSettings } from '../../src/transport/ble-session.ts'
import type { Port } from '../../src/transport/port.ts'
import type { Radio } from '../../src/transport/radio.ts'
import { localTime } from './ble-fixture.ts'
import { cuff, fastAfter, fastClock, scenes, stored, textsOf, until } from './radio-fixture.ts'

const scene = scenes()
const settings: BleSettings = {
  service: '1810',
  bond: true,
  stores: true,
  begin: [{ hear: '2a35', must: true }, { clock: '2a08' }],
}
/** As A&D: stored values come once indications are on and the clock was set. */
const waiting = { ...cuff, waitsFor: '2a08' }

function listen(
  radio: Radio,
  address: string = cuff.address,
): { port: Port; told: string[]; values(): string[] } {
  const port = blePort(address, settings, radio, { clock: fastClock, after: fastAfter, localTime })
  const told: string[] = []
  port.open({
    chunk: (bytes, _mono, char) => told.push(`${char} ${hex(bytes)}`),
    back: security => told.push(`back ${security?.bonded}`),
    rest: () => told.push('rest'),
    gone: ({ code, message }) => told.push(`gone ${code}: ${message}`),
  })
  const values = () => told.filter(one => one.startsWith('2a35 ')).map(one => one.slice(5))
  return { port, told, values }
}

test('a burst of 200 stored values, complete and in order, after the clock was set', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(waiting)
  device.store(...stored(200))
  radio.open()
  const { port, told, values } = listen(radio)
  expect(port.state()).toBe('missing')
  device.advertise(true)
  await until(() => told.includes('rest'))
  expect(values()).toEqual(textsOf(stored(200)))
  expect(told[0]).toBe('back true')
  expect(device.written).toEqual([
    { char: '2a08', value: expect.stringMatching(/^[0-9a-f]{14}$/), type: 'request' },
  ])
  expect(port.state()).toBe('waiting')
  await port.close()
})

test('a link that breaks in the burst: what came is told, the next session brings the rest, a repeat included', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(waiting)
  device.store(...stored(200))
  device.faults.dropAfter = 77
  device.faults.unconfirmed = true
  radio.open()
  const { port, told, values } = listen(radio)
  device.advertise(true)
  await until(() => told.filter(one => one === 'rest').length === 2)
  const all = textsOf(stored(200))
  // the confirmation of the 77th was lost, so the device says it again; that is for the driver to see
  expect(values()).toEqual([...all.slice(0, 77), ...all.slice(76)])
  await port.close()
})

test('two devices at once take turns; values of each come to its own port', async () => {
  const { bluez, radio } = await scene()
  const address = 'D0:5F:B8:00:00:02'
  const [first, second] = [bluez.device(waiting), bluez.device({ ...waiting, address })]
  first.store(...stored(5))
  second.store(...stored(5, 100))
  radio.open()
  const [one, two] = [listen(radio), listen(radio, address)]
  first.advertise(true)
  second.advertise(true)
  await until(() => one.told.includes('rest') && two.told.includes('rest'))
  expect(one.values()).toEqual(textsOf(stored(5)))
  expect(two.values()).toEqual(textsOf(stored(5, 100)))
  await one.port.close()
  await two.port.close()
})

test('bluetoothd restarts in the burst: what came is told, and the rest once it is back', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(waiting)
  device.store(...stored(3), { ...stored(1, 3)[0]!, at: 3_600_000 })
  radio.open()
  const { port, told, values } = listen(radio)
  device.advertise(true)
  await until(() => values().length === 3)
  await bluez.stop()
  await until(() => port.state() === 'missing' || told.at(-1) === 'rest')
  await bluez.start()
  await until(() => values().length === 4)
  expect(values()).toEqual(textsOf(stored(4)))
  await port.close()
})

test('an unpaired device is told; once a person paired it, it is read', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...waiting, paired: false, afterPairing: 'drops' })
  device.store(...stored(1))
  radio.open()
  const { port, told, values } = listen(radio)
  device.advertise(true)
  await until(() => told.length === 1)
  expect(told).toEqual([`gone ble.unpaired: ${cuff.address} is not paired with this gateway`])
  await radio.pair(
    cuff.address,
    { passkey: async () => undefined, show: () => {} },
    new AbortController().signal,
  )
  await until(() => told.includes('rest'))
  expect(values()).toEqual(['0000'])
  await port.close()
})

test('a device that is closed in its session is left, and the next port finds it as it was', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...waiting, ends: 'stays' })
  radio.open()
  const first = listen(radio)
  device.advertise(true)
  await until(() => first.port.state() === 'open')
  await first.port.close()
  expect(device.connected).toBe(false)
  const second = listen(radio)
  device.store(...stored(1))
  await until(() => second.values().length === 1)
  await second.port.close()
})
