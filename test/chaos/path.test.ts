import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { goal } from '../history/goals.ts'
import { isRelease } from '../size.ts'
import { forgottenOf } from '../way/forgotten.ts'
import { seededRandom } from '../way/random.ts'
import { addDevice, drained, openWay, type Plug, patienceMs, type WaySite } from '../way/site.ts'
import { discrepancies, heldBy } from '../way/tally.ts'
import { startWriter, type Writer } from '../way/writer.ts'
import { type Chronicle, openChronicle } from './chronicle.ts'
import { type ChaosProxy, startProxy } from './proxy.ts'
import { calm, storm } from './trouble.ts'

// R5: whatever the path to the broker does, each reading arrives exactly once, in its place of the chain.
const readings = Number(process.env.VITALGATE_CHAOS_READINGS ?? (isRelease ? 20_000 : 1500))
jest.setTimeout(600_000 + readings * 400)

/** Rows are forgotten as soon as they may be: what is deleted too early is lost, and shows. */
const config = '[outbox]\ngrace = "0s"\n[uplink]\nheartbeat = "1s"\nwindow = 1024\n'
const random = seededRandom()
const count = new Intl.NumberFormat('en')

describe.each(['embedded', 'mosquitto'] as const)('in front of the %s broker', broker => {
  let site: WaySite
  let plug: Plug
  let proxy: ChaosProxy
  let chronicle: Chronicle
  let writer: Writer | undefined
  let wanted = 0
  const box = () => site.boxes[0]!

  beforeAll(async () => {
    process.stdout.write(`VITALGATE_SEED=${random.seed} repeats the faults\n`)
    site = await openWay({ broker, boxes: ['gateway'], config, spied: false })
    const options = { mode: 'on-print' }
    plug = await addDevice(site, box(), { id: 'scale', driver: 'and-line', station: 'bench', options })
    chronicle = openChronicle(site, box(), 'scale', random.seed)
    proxy = await startProxy(site, box(), random, what => chronicle.write('path', { op: 'fault', what }))
    await chronicle.follow()
  })
  afterAll(async () => {
    writer?.stop()
    await proxy?.close()
    await site?.close()
  })

  /** So many readings more, several in each tick. */
  async function weigh(many: number): Promise<void> {
    wanted += many
    if (writer === undefined) {
      writer = startWriter(plug.device, 10, () => Math.min(8, wanted - writer!.lines.size))
      chronicle.watch(writer)
    } else writer.start(plug.device)
    await until(`${many} readings`, patienceMs + many * 20, () => chronicle.taken.length === wanted)
    writer.stop()
  }

  const waiting = async (): Promise<number> => (await box().status()).outbox.queued

  /** Everything that was told to be taken is there once, and nothing else is, and nobody is accused. */
  async function allThere(): Promise<void> {
    chronicle.calm()
    proxy.be(calm)
    await drained(box())
    chronicle.drained()
    expect(discrepancies(chronicle.taken, heldBy(site, box()), writer!.lines)).toEqual([])
    expect(chronicle.violations()).toEqual([])
    expect(listFlags(site.store, {})).toEqual([])
    expect(site.crashes()).toEqual([])
  }

  test('readings that are dropped, doubled, reordered, delayed and cut on the way arrive once', async () => {
    const began = Date.now()
    proxy.be(storm)
    site.forwarder.redirect(proxy.port)
    await weigh(readings)
    // most of them get through while it lasts
    await until(
      'most through the storm',
      patienceMs * 5 + readings * 200,
      async () => (await waiting()) < readings / 10,
    )
    await allThere()
    const faults = [...proxy.done()].map(([what, times]) => `${times} × ${what}`)
    const seconds = Math.round((Date.now() - began) / 1000)
    process.stdout.write(
      `${broker}: ${chronicle.taken.length} readings in ${seconds} s: ${faults.join(', ')}\n`,
    )
    // how a connection ends is chance, what becomes of packets is not
    for (const what of ['dropped', 'acknowledged and forgotten', 'doubled', 'delayed', 'PUBACK swallowed']) {
      expect(proxy.done().get(what)).toBeGreaterThan(readings / 20)
    }
    goal({
      id: 'R5',
      size: `${count.format(chronicle.taken.length)} readings (${broker})`,
      figure: '0 lost, 0 doubled, 0 out of chain',
      pass: true,
    })
  })

  // the path alone decides these, whatever broker stands behind it
  if (broker === 'embedded' || isRelease) {
    test('a broker that acknowledges everything and forgets it has nothing deleted at the gateway', async () => {
      site.forwarder.redirect(proxy.port)
      await until('welcomed', patienceMs, async () => (await box().status()).uplink.state === 'welcomed')
      proxy.be({ ...calm, forgets: true })
      const before = forgottenOf(site, box()).places.length
      const arrived = heldBy(site, box()).length
      await weigh(100)
      const forgotten = () => proxy.done().get('acknowledged and forgotten') ?? 0
      const then = forgotten()
      await until('some acknowledged', patienceMs, () => forgotten() > then + 2)
      expect(await waiting()).toBeGreaterThanOrEqual(100)
      expect(heldBy(site, box())).toHaveLength(arrived)
      expect(forgottenOf(site, box()).places).toHaveLength(before)
      // on the very same connection: what was acknowledged and never receipted is overdue, and sent again
      const open = proxy.open()
      await allThere()
      expect([open, proxy.open()]).toEqual([1, 1])
    })

    test('a line that is half open is left by the gateway itself', async () => {
      proxy.be({ ...calm, halfOpen: true })
      await weigh(100)
      await until('the line left', patienceMs * 2, () => proxy.open() === 0)
      await allThere()
    })
  }

  test('each row that was deleted has its stored, valid receipt', async () => {
    const kept = async (): Promise<number> => (await box().status()).outbox.receipted
    await until('all forgotten', patienceMs, async () => (await kept()) === 0)
    expect(await box().daemon.end('SIGTERM')).toEqual({ code: 0, signal: null })
    const { places, unproven } = forgottenOf(site, box())
    expect(unproven).toEqual([])
    expect(places.length).toBeGreaterThanOrEqual(readings)
  })
})
