import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { hex, sha256 } from '../../src/base/bytes.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { type Chronicle, openChronicle } from '../chaos/chronicle.ts'
import { goal } from '../history/goals.ts'
import { isRelease } from '../size.ts'
import { seededRandom } from './random.ts'
import { addDevice, answers, drained, openWay, type Plug, patienceMs, type WaySite } from './site.ts'
import { type Claim, discrepancies, type Held, heldBy } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// kill -9 of the gateway at random moments, while readings flow and the broker comes and goes.
const cycles = Number(process.env.VITALGATE_KILLS ?? (isRelease ? 500 : 25))
jest.setTimeout(120_000 + cycles * 6_000)

/** Rows are forgotten as soon as they may be: what is deleted too early is lost, and shows. */
const config = `
[outbox]
grace = "0s"
[uplink]
heartbeat = "1s"
`
const random = seededRandom()
let site: WaySite
let plug: Plug
let writer: Writer | undefined

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'], config })
  const options = { mode: 'on-print' }
  plug = await addDevice(site, site.boxes[0]!, { id: 'scale', driver: 'and-line', station: 'bench', options })
})
afterAll(async () => {
  writer?.stop()
  await site?.close()
})

/** One life of the daemon: it starts, the broker goes or comes at some moment, and it is killed at another. */
async function live(chronicle: Chronicle): Promise<void> {
  const box = site.boxes[0]!
  box.daemon.start()
  const cut = setTimeout(
    () => site.forwarder.redirect(random.percent(50) ? 0 : site.brokerPort),
    random.between(0, 700),
  )
  if (random.percent(20)) {
    await wait(random.between(0, 600)) // while it starts, whatever it is doing then
    await box.daemon.end('SIGKILL')
  } else {
    await until('the daemon answering', patienceMs, () => answers(box))
    const { ended } = await chronicle.follow()
    await wait(random.between(50, 700))
    await box.daemon.end('SIGKILL')
    await ended
  }
  clearTimeout(cut)
  chronicle.write('test', { op: 'fault', what: 'killed' })
}

test(`every reading that was told to be taken is at the receiver exactly once after ${cycles} kills`, async () => {
  process.stdout.write(`VITALGATE_SEED=${random.seed} repeats the random moments\n`)
  const box = site.boxes[0]!
  const chronicle = openChronicle(site, box, 'scale', random.seed)
  writer = startWriter(plug.device, 10, () => (random.percent(5) ? random.between(2, 12) : 1))
  chronicle.watch(writer)
  const began = Date.now()
  await box.daemon.end('SIGKILL')
  for (let cycle = 0; cycle < cycles; cycle++) await live(chronicle)
  chronicle.calm()
  site.forwarder.redirect(site.brokerPort)
  box.daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box))
  writer.stop()
  await drained(box)
  chronicle.drained()

  const { taken } = chronicle
  const held = heldBy(site, box)
  const epochs = new Set(held.map(one => one.epoch)).size
  const seconds = Math.round((Date.now() - began) / 1000)
  process.stdout.write(
    `${cycles} kills, ${writer.lines.size} lines, ${taken.length} told to be taken, ${held.length} held in ${epochs} epochs, ${seconds} s\n`,
  )
  expect(discrepancies(taken, held, writer.lines)).toEqual([])
  expect(chronicle.violations()).toEqual([])
  // honest traffic raises no flag, neither GAP nor FORK nor any other (DESIGN 8)
  expect(listFlags(site.store, {})).toEqual([])
  // the test has seen something: readings in most lives
  expect(epochs).toBeGreaterThan(cycles / 2)
  expect(taken.length).toBeGreaterThan(cycles * 10)
  expect(site.crashes()).toEqual([])
  goal({
    id: 'R3',
    size: `${cycles} kills, ${taken.length} readings`,
    figure: '0 lost, 0 doubled',
    pass: true,
  })
})

test('the tally notices what is missing, doubled, swapped, foreign or kept apart', () => {
  const line = (n: number): string => `ST,GS,+0020.000${n}kg`
  const held = (seq: number, n: number): Held => {
    return { epoch: 'e', seq, raw: Buffer.from(`${line(n)}\r\n`).toString('hex'), verdict: 'accept' }
  }
  const claim = (seq: number, n: number): Claim => {
    return { epoch: 'e', seq, hash: hex(sha256(Buffer.from(`${line(n)}\r\n`))) }
  }
  const written = new Set([1, 2, 3].map(line))
  const both = [claim(2, 1), claim(3, 2)]
  const found = (there: Held[]): string[] => discrepancies(both, there, written)
  expect(found([held(2, 1), held(3, 2), held(4, 3)])).toEqual([])
  expect(found([held(2, 1)])).toEqual(['e 3 was taken and is not there'])
  expect(found([held(2, 2), held(3, 1)])).toEqual([
    'e 2 is another frame than was taken',
    'e 3 is another frame than was taken',
  ])
  expect(found([held(2, 1), held(3, 2), held(3, 3)])).toContain('e 3 is there twice')
  expect(found([held(2, 1), held(3, 2), held(4, 1)])).toEqual([`e 4 is a line that came before: ${line(1)}`])
  expect(found([held(2, 1), held(3, 2), held(4, 9)])).toEqual([`e 4 was never written: ${line(9)}`])
  expect(found([held(2, 1), { ...held(3, 2), verdict: 'quarantine' }])).toEqual([
    'e 3 has the verdict quarantine',
  ])
  expect(discrepancies([claim(2, 1), claim(2, 1)], [held(2, 1)], written)).toEqual(['e 2 was told twice'])
})
