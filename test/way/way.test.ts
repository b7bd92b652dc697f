import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { signWithUnknownKey } from '../../scripts/scenario/attacks.ts'
import { type, until } from '../../scripts/scenario/program.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { captureOf, expectedOf, heldOf } from './said.ts'
import { addDevice, drained, openWay, type Plug, patienceMs, type WaySite } from './site.ts'

// The whole way over two brokers: the embedded one and Debian's Mosquitto, with the same expectations.
jest.setTimeout(180_000)

/** The capture of each device, and how its scale or monitor is set. */
const devices = [
  { id: 'scanner', driver: 'barcode-scanner', capture: 'wristbands', station: 'room-12' },
  { id: 'cuff', driver: 'omron-hbp9030', capture: 'measures', station: 'room-12' },
  { id: 'scale', driver: 'and-line', capture: 'prints', station: 'room-12', options: { mode: 'on-print' } },
  { id: 'wheelchair-scale', driver: 'tanita-csv', capture: 'weighs', station: 'room-14' },
] as const

/** The last band in the scanner's capture: whose the measurements that follow are (DESIGN 10). */
const lastBand = '952123456789012345'

/**
 * Which of a device's readings the last scan covers (DESIGN 10): one measurement of each kind, repeats of a
 * blood pressure allowed, and only at the station where it was scanned.
 */
const bands: Record<string, (at: number) => string | null> = {
  cuff: () => lastBand,
  scale: at => (at === 0 ? lastBand : null),
  'wheelchair-scale': () => null,
}

describe.each(['embedded', 'mosquitto'] as const)('over the %s broker', broker => {
  let site: WaySite
  const plugs = new Map<string, Plug>()

  beforeAll(async () => {
    site = await openWay({ broker, boxes: ['gateway', 'idle'], spied: false })
    for (const device of devices) plugs.set(device.id, await addDevice(site, site.boxes[0]!, device))
  })
  afterAll(() => site?.close())

  test('every reading of the captures arrives with its digits, is accepted and receipted', async () => {
    const [box] = site.boxes as [WaySite['boxes'][0]]
    for (const { id, driver, capture } of devices) {
      const to = plugs.get(id)!.device
      // fifty times as fast as recorded, one device after the other
      await type('vitalgate', ['capture', 'replay', captureOf(driver, capture), '--to', to, '--speed', '50'])
      const expected = expectedOf(driver, capture).map((said, at) => ({
        ...said,
        band: bands[id]!(at),
        verdict: 'accept',
      }))
      const arrived = (): boolean => heldOf(site, box, id).length >= expected.length
      await until(`${expected.length} readings of ${id}`, patienceMs, arrived)
      expect({ [id]: heldOf(site, box, id) }).toEqual({ [id]: expected })
    }
    await drained(box)
    const { outbox, uplink, devices: states } = await box.status()
    expect([outbox.queued, outbox.sent, uplink.state]).toEqual([0, 0, 'welcomed'])
    expect(states.map(({ id, readings }) => [id, readings])).toEqual(
      devices.map(({ id, driver, capture }) => [id, expectedOf(driver, capture).length]),
    )
    expect(listFlags(site.store, {})).toEqual([])
  })

  test('a reading signed by a key that no binding names is kept apart as UNKNOWN_KEY', async () => {
    await signWithUnknownKey(site)
    await until('the flag', patienceMs, () => listFlags(site.store, {}).length > 0)
    const [, idle] = site.boxes as [WaySite['boxes'][0], WaySite['boxes'][0]]
    expect(listFlags(site.store, {}).map(({ flag, outcome, gateway }) => [flag, outcome, gateway])).toEqual([
      ['UNKNOWN_KEY', 'quarantine', idle.gateway],
    ])
    expect(heldOf(site, idle, 'scale')).toEqual([])
  })

  test('no program ended by itself', () => {
    expect(site.crashes()).toEqual([])
  })
})
