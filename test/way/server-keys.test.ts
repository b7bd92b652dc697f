import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import type { Taken } from '../../src/control/api.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import {
  addDevice,
  answers,
  drained,
  openWay,
  patienceMs,
  typeReceiver,
  type WayBox,
  type WaySite,
} from './site.ts'
import { discrepancies, heldBy, noteTaken } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// The server gets new keys twice while readings flow; one box was away with a full outbox, and comes back.
jest.setTimeout(600_000)

interface Line {
  versions: number[]
  state: string
  keepers: { gateway: string; why: string }[]
}

let site: WaySite
const taken: Taken[][] = [[], []]
const writers: Writer[] = []
const box = (at: number): WayBox => site.boxes[at]!
const passphrase = () => `${site.folder}/passphrase`

const more = (at: number, count: number): Promise<void> => {
  const goal = taken[at]!.length + count
  return until(`${count} more readings taken`, patienceMs * 2, () => taken[at]!.length >= goal)
}
const keys = async (): Promise<Line[]> =>
  (await typeReceiver(site, 'keys', 'list', '--json'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line)
const rotate = () => typeReceiver(site, 'keys', 'rotate', '--passphrase-file', passphrase())
const has = (at: number, version: number): boolean =>
  site.store.get<{ entry: number }>('SELECT entry FROM heard WHERE gateway = ?', box(at).gateway)?.entry ===
  version

beforeAll(async () => {
  const config = '[uplink]\nheartbeat = "1s"\n'
  site = await openWay({ broker: 'embedded', boxes: ['near', 'away'], config })
  for (const at of [0, 1]) {
    const device = { id: `scale-${at}`, driver: 'and-line', station: 'bench', options: { mode: 'on-print' } }
    const plug = await addDevice(site, box(at), device)
    await noteTaken(box(at), taken[at]!)
    writers.push(startWriter(plug.device, 50, () => 1))
  }
})
afterAll(async () => {
  for (const writer of writers) writer.stop()
  await site?.close()
})

test('keys are rotated twice while readings flow; a box that was away comes back; then the old ones go', async () => {
  await more(1, 10)
  // one box has much that nobody took, and goes out
  await site.receiverProgram.end('SIGTERM')
  await more(1, 100)
  writers[1]!.stop()
  await box(1).daemon.end('SIGTERM')
  site.receiverProgram.start()
  await drained(box(0))

  for (const version of [2, 3]) {
    await rotate()
    await until(`entry ${version} at the near box`, patienceMs * 2, () => has(0, version))
    await more(0, 20)
  }
  const [first] = await keys()
  expect(first).toMatchObject({ versions: [1], state: 'former' })
  expect(first?.keepers.map(one => one.gateway)).toContain(box(1).gateway)
  await expect(typeReceiver(site, 'keys', 'forget', '1')).rejects.toThrow()

  box(1).daemon.start()
  await until('the box that was away answering', patienceMs, () => answers(box(1)))
  await drained(box(1))
  await until('entry 3 at the box that was away', patienceMs * 2, () => has(1, 3))
  const free = async () => (await keys()).every(line => line.keepers.length === 0)
  await until('nothing that keeps the former keys', patienceMs * 2, free)
  for (const version of ['1', '2']) await typeReceiver(site, 'keys', 'forget', version)

  // the broker shows the new certificate, and both boxes know it
  const state = async (at: number) => (await box(at).status()).uplink.state
  await site.receiverProgram.end('SIGTERM')
  site.receiverProgram.start()
  for (const at of [0, 1])
    await until('welcomed', patienceMs * 2, async () => (await state(at)) === 'welcomed')
  await more(0, 20)
  writers[0]!.stop()
  for (const at of [0, 1]) {
    await drained(box(at))
    const last = taken[at]!.at(-1)!
    const arrived = () => heldBy(site, box(at)).some(one => one.epoch === last.epoch && one.seq === last.seq)
    await until('the last reading at the receiver', patienceMs, arrived)
    expect(discrepancies(taken[at]!, heldBy(site, box(at)), writers[at]!.lines)).toEqual([])
  }
  expect(listFlags(site.store, {})).toEqual([])
  expect(site.crashes()).toEqual([])
})
