import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import type { Taken } from '../../src/control/api.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { addDevice, answers, drained, openWay, type Plug, patienceMs, type WaySite } from './site.ts'
import { discrepancies, heldBy, noteTaken } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// Each part of the way goes away and returns while readings flow; at the end nothing is lost or doubled.
jest.setTimeout(240_000)

let site: WaySite
let plug: Plug
let writer: Writer
const taken: Taken[] = []
const box = () => site.boxes[0]!

/** Waits until so many more readings were told to be taken. */
const more = (count: number): Promise<void> => {
  const goal = taken.length + count
  return until(`${count} more readings taken`, patienceMs, () => taken.length >= goal)
}

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'] })
  const options = { mode: 'on-print' }
  plug = await addDevice(site, box(), { id: 'scale', driver: 'and-line', station: 'bench', options })
  await noteTaken(box(), taken)
  writer = startWriter(plug.device, 10, () => 1)
})
afterAll(async () => {
  writer?.stop()
  await site?.close()
})
beforeEach(() => more(20))

/** Every taken reading is at the receiver exactly once, and nothing raised a flag. */
async function nothingLostOrDoubled(): Promise<void> {
  const told = taken.length
  const last = taken[told - 1]!
  const arrived = () => heldBy(site, box()).some(one => one.epoch === last.epoch && one.seq === last.seq)
  await until('the last reading at the receiver', patienceMs, arrived)
  expect(discrepancies(taken.slice(0, told), heldBy(site, box()), writer.lines)).toEqual([])
  expect(listFlags(site.store, {})).toEqual([])
}

test('a receiver that is killed while readings flow, and started again, loses and doubles nothing', async () => {
  for (let time = 0; time < 5; time++) {
    await site.receiverProgram.end('SIGKILL')
    await more(20)
    site.receiverProgram.start()
    await until('welcomed again', patienceMs, async () => (await box().status()).uplink.state === 'welcomed')
    await wait(50 * time) // killed at another moment of its work each time
  }
  await nothingLostOrDoubled()
})

test('while the receiver is away the gateway goes on collecting; all of it drains on its return', async () => {
  const ended = await site.receiverProgram.end('SIGTERM')
  expect(ended).toEqual({ code: 0, signal: null })
  const before = heldBy(site, box()).length
  await more(300)
  const { outbox, uplink, devices } = await box().status()
  expect(outbox.queued).toBeGreaterThanOrEqual(300)
  expect([uplink.state, devices.map(one => one.state)]).toEqual(['connecting', ['open']])
  expect(heldBy(site, box())).toHaveLength(before)
  site.receiverProgram.start()
  await nothingLostOrDoubled()
})

test('a device that is unplugged is a state, not a crash; plugged in again, its readings flow', async () => {
  const state = async () => (await box().status()).devices[0]!
  const { pid } = box().daemon.child
  writer.stop()
  await plug.socat.end('SIGTERM')
  await until('the device gone', patienceMs, async () => (await state()).state === 'gone')
  expect((await state()).lastFault?.code).toMatch(/^port\.(gone|missing)$/)
  plug.socat.start()
  await until('the device open again', patienceMs, async () => (await state()).state === 'open')
  writer.start(plug.device)
  await more(20)
  expect(box().daemon.child.pid).toBe(pid)
  expect(site.crashes()).toEqual([])
  await nothingLostOrDoubled()
})

test('SIGTERM ends the gateway in order; started again it goes on in a new epoch', async () => {
  const before = new Set(taken.map(one => one.epoch))
  expect(await box().daemon.end('SIGTERM')).toEqual({ code: 0, signal: null })
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  await noteTaken(box(), taken)
  await more(20)
  const { epoch, seq } = taken.at(-1)!
  expect(before.has(epoch)).toBe(false)
  // seq 1 of every epoch is the statement that opens it (WIRE 5)
  expect(seq).toBeGreaterThan(20)
  writer.stop()
  await drained(box())
  await nothingLostOrDoubled()
  expect(site.crashes()).toEqual([])
})
