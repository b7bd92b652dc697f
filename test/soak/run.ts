import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStations } from '../../src/daemon/stations.ts'
import { wallOf } from '../../src/daemon/wall.ts'
import { openWays } from '../../src/daemon/ways.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { bluezRadio } from '../../src/transport/bluez-radio.ts'
import { openBluez } from '../fakes/bluez.ts'
import { openBus } from '../fakes/bus.ts'
import { seededRandom } from '../way/random.ts'
import { serialModels } from './models.ts'
import { plugAt, type SerialModel, send } from './serial.ts'
import { keyOf, openTally } from './tally.ts'
import { fastTime } from './time.ts'
import { emptied, type WirelessModel, wirelessModels } from './wireless.ts'

/*
 * An hour of a nursing home in simulated time: eight serial devices on pseudo terminals and four BLE devices
 * of a simulated BlueZ, at the gateway's own stations. All measure at random moments and are unplugged, lose
 * their link or see bluetoothd restart at random. Prints what was measured, what was taken, and the memory.
 * Argument: simulated minutes. VITALGATE_SEED repeats the random moments.
 */
const [minutesText = '60'] = process.argv.slice(2)
const simulatedMs = Number(minutesText) * 60_000
const speed = 24
const { seed, next: random } = seededRandom()
const time = fastTime(speed)
const tally = openTally()
const folder = await mkdtemp(join(tmpdir(), 'soak-'))
const bus = await openBus()
process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address
const bluez = await openBluez(bus)
const drivers = await loadDrivers()
const bugs: unknown[] = []
let seq = 0

// The bus is as slow as it truly is: its time limits are not shortened.
const ways = openWays({ ...time, timezone: 'UTC', makeRadio: () => bluezRadio({ clock: time.clock }) })
const stations = openStations({
  drivers,
  ways,
  rules: { windowMs: 180_000, claimMs: 0, endCode: 'END' },
  ...time,
  wall: wallOf('UTC'),
  moments: {
    at: (mono = time.clock.mono()) => ({
      wall: time.clock.now(),
      source: 'ntp',
      uncertainty: 0,
      boot: '00'.repeat(16),
      mono,
    }),
    stop: () => {},
  },
  async take(draft) {
    if (draft.type === 'reading') {
      const { device, values, link, deviceTime } = draft.members
      const when = link.kind === 'ble' && deviceTime !== undefined ? ` ${deviceTime}` : ''
      tally.taken(device, keyOf(values) + when)
    } else bugs.push(draft.members)
    return { epoch: '00'.repeat(8), seq: ++seq }
  },
  tell(event) {
    if ('scanned' in event) tally.taken(event.device, 'scan')
  },
  broken: error => bugs.push(error),
  portTag: () => undefined,
})

let over = false
const minutes = (low: number, high: number): number => (low + random() * (high - low)) * 60_000
const isOpen = (id: string): boolean => stations.states().some(one => one.id === id && one.state === 'open')

/** A serial device's hour: it measures every few minutes; every sixth time it is unplugged in the middle. */
async function serialLife(model: SerialModel & { ask?: number }, index: number): Promise<void> {
  const id = model.driver
  const plug = plugAt(folder, id, model.answer, model.ask ?? 1)
  await plug.plug()
  stations.add({ id, driver: model.driver, port: plug.port, station: `room-${index % 4}`, options: {} })
  for (let n = 1; !over; n++) {
    while (!isOpen(id)) await time.pass(500)
    await time.pass(5000)
    const { key, frames } = model.measure(n)
    const known = model.driver === 'barcode-scanner' ? 'scan' : key
    const cut = random() < 1 / 6 ? Math.floor(random() * (frames.length + 1)) : undefined
    await send(plug, frames, cut ?? frames.length, time)
    if (cut === undefined) {
      await time.pass(3000)
      tally.measured(id, known)
    } else {
      tally.perhaps(id, known)
      await plug.unplug()
      await time.pass(minutes(0.1, 1))
      await plug.plug()
    }
    await time.pass(minutes(0.3, 1.5))
  }
  await plug.unplug()
}

/** A BLE device's hour: it measures once or twice, advertises, is read, and now and then loses its link. */
async function wirelessLife(model: WirelessModel, index: number): Promise<void> {
  const id = model.driver
  const device = bluez.device(model.settings)
  const port = `ble://${model.settings.address}`
  stations.add({ id, driver: model.driver, port, station: `room-${index % 4}`, options: {} })
  for (let n = 1; !over; n++) {
    const times = model.keeps && random() < 0.3 ? 2 : 1
    for (let one = 0; one < times; one++) {
      const { key, values } = model.measure(2 * n + one, time.clock.now() + one * 1000)
      device.store(...values)
      tally.measured(id, key)
    }
    if (model.keeps && random() < 0.2) Object.assign(device.faults, { dropAfter: 1, unconfirmed: true })
    if (random() < 0.1) device.faults.failConnects = 1
    device.advertise(true)
    if (!(await emptied(device, bluez, time, 20 * 60_000))) bugs.push(`${id} was not read`)
    device.advertise(false)
    await time.pass(minutes(0.5, 2))
  }
}

/** bluetoothd restarts three times in the hour. */
async function bluetoothLife(): Promise<void> {
  for (let restarts = 0; restarts < 3 && !over; restarts++) {
    await time.pass(simulatedMs / 4)
    if (over) return
    await bluez.stop()
    await time.pass(20_000)
    await bluez.start()
  }
}

/** Megabytes in use after a collection, at a simulated minute. */
const memory: { minute: number; mb: number }[] = []
async function memoryLife(): Promise<void> {
  while (!over) {
    await time.pass(20_000)
    globalThis.gc?.()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    memory.push({ minute: time.clock.mono() / 60_000, mb: (heapUsed + arrayBuffers) / 2 ** 20 })
  }
}

/** How many minutes share a lowest point: buffers of the moment come and go, a leak lifts the ground. */
const groundMinutes = 4

/** Slope of the memory's ground, megabytes in a simulated hour, by least squares, after a warm-up of a third. */
function slope(): number {
  const grounds = new Map<number, number>()
  for (const { minute, mb } of memory) {
    const part = Math.floor(minute / groundMinutes) * groundMinutes
    if (part >= Number(minutesText) / 3) grounds.set(part, Math.min(grounds.get(part) ?? mb, mb))
  }
  const points = [...grounds]
  const mean = (of: 0 | 1): number => points.reduce((sum, one) => sum + one[of], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const top = points.reduce((sum, [at, mb]) => sum + (at - x) * (mb - y), 0)
  return (60 * top) / points.reduce((sum, [at]) => sum + (at - x) ** 2, 0)
}

const lives = [
  ...serialModels.map(serialLife),
  ...wirelessModels.map(wirelessLife),
  bluetoothLife(),
  memoryLife(),
]
await time.pass(simulatedMs)
over = true
await Promise.all(lives)
await time.pass(10_000)
const states = stations.states()
await stations.stop()
await ways.close()
await bluez.close()
await bus.close()
await rm(folder, { recursive: true, force: true })

const verdict = tally.verdict()
const faults = Object.fromEntries(
  states.map(({ id, faults: count, lastFault }) => [id, `${count} ${lastFault?.code ?? ''}`]),
)
const bugTexts = bugs.map(bug => (bug instanceof Error ? (bug.stack ?? bug.message) : JSON.stringify(bug)))
process.stdout.write(
  `${JSON.stringify({ seed, ...verdict, devices: states.length, bugs: bugTexts, fake: bluez.broken.map(String), slopeMbPerHour: slope(), memory: memory.at(-1)?.mb, faults })}\n`,
)
