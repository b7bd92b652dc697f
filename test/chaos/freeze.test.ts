import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { goal } from '../history/goals.ts'
import { isRelease } from '../size.ts'
import { seededRandom } from '../way/random.ts'
import { addDevice, answers, drained, openWay, patienceMs, type WaySite } from '../way/site.ts'
import { discrepancies, heldBy } from '../way/tally.ts'
import { startWriter, type Writer } from '../way/writer.ts'
import { makeCgroup } from './cgroup.ts'
import { type Chronicle, openChronicle } from './chronicle.ts'

// R10: each program of the way stands still for a while, or is ended by a machine that has no memory left.
const frozenMs = isRelease ? 60_000 : 8000
jest.setTimeout(600_000)

const random = seededRandom()
let site: WaySite
let writer: Writer
let device: string
let chronicle: Chronicle
const box = () => site.boxes[0]!

beforeAll(async () => {
  const config = '[outbox]\ngrace = "0s"\n[uplink]\nheartbeat = "1s"\n'
  site = await openWay({ broker: 'mosquitto', boxes: ['gateway'], config, spied: false })
  const options = { mode: 'on-print' }
  const scale = { id: 'scale', driver: 'and-line', station: 'bench', options }
  device = (await addDevice(site, box(), scale)).device
  chronicle = openChronicle(site, box(), 'scale', random.seed)
  await chronicle.follow()
  writer = startWriter(device, 20, () => 1)
  chronicle.watch(writer)
})
afterAll(async () => {
  writer?.stop()
  await site?.close()
  if (typeof group !== 'string') await group.remove()
})

/** Waits until so many more readings were told to be taken. */
const more = (count: number): Promise<void> => {
  const wanted = chronicle.taken.length + count
  return until(`${count} more readings`, patienceMs, () => chronicle.taken.length >= wanted)
}

/** Everything that was taken is at the server once; then the scale goes on. */
async function allThere(): Promise<void> {
  writer.stop()
  chronicle.calm()
  await drained(box())
  chronicle.drained()
  expect(discrepancies(chronicle.taken, heldBy(site, box()), writer.lines)).toEqual([])
  expect(chronicle.violations()).toEqual([])
  expect(listFlags(site.store, {})).toEqual([])
  writer.start(device)
}

const parts = {
  gateway: () => box().daemon,
  receiver: () => site.receiverProgram,
  broker: () => site.brokerProgram,
}

test.each(['gateway', 'receiver', 'broker'] as const)('a %s that stands still loses nothing', async who => {
  const { child } = parts[who]()
  await more(20)
  chronicle.write('test', { op: 'fault', what: 'frozen', detail: { who } })
  child.kill('SIGSTOP')
  await wait(frozenMs)
  child.kill('SIGCONT')
  await more(20)
  await allThere()
  expect(parts[who]().child.pid).toBe(child.pid)
  expect(site.crashes()).toEqual([])
  goal({ id: 'R10', size: `${who} frozen ${frozenMs / 1000} s`, figure: '0 lost', pass: true })
})

const group = makeCgroup(`vitalgate-test-${process.pid}`)
if (typeof group === 'string') process.stdout.write(`skipped: ${group}\n`)

const where = typeof group === 'string' ? test.skip : test
where('a gateway that the kernel ends for want of memory has lost nothing when it is back', async () => {
  if (typeof group === 'string') return
  await more(20)
  chronicle.write('test', { op: 'fault', what: 'out of memory' })
  group.admit(box().daemon.child.pid!)
  group.squeeze()
  await until('the kernel ending it', patienceMs, () => box().daemon.child.signalCode !== null)
  expect(site.crashes()).toEqual([expect.stringContaining('SIGKILL')])
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  await chronicle.follow()
  await more(20)
  await allThere()
  goal({ id: 'R10', size: 'out of memory', figure: '0 lost', pass: true })
})
