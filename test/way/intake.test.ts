import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { hex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { type Custody, openCustody } from '../../src/daemon/custody.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { places } from '../../src/identity/places.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { addDevice, answers, drained, openWay, type Plug, patienceMs, type WaySite } from './site.ts'
import { heldBy } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// The server is away for so long that the outbox fills: real programs, the smallest outbox that may be configured.
jest.setTimeout(300_000)

const quotaBytes = 16 * 2 ** 20
/** Nine tenths: what lies above is kept for what must always fit (docs/CLI.md, status). */
const intakeBytes = Math.floor(quotaBytes * 0.9)
const config = '[outbox]\nquota = "16MiB"\ngrace = "0s"\n[uplink]\nheartbeat = "1s"\n'
/** As much as one reading takes on disk at most, and what a start adds. */
const spare = 64 * 1024

let site: WaySite
let plug: Plug
let writer: Writer | undefined
const box = () => site.boxes[0]!

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'], config })
  const options = { mode: 'on-print' }
  plug = await addDevice(site, box(), { id: 'scale', driver: 'and-line', station: 'bench', options })
})
afterAll(async () => {
  writer?.stop()
  await site?.close()
})

const boot = hex(randomBytes(16))
const heavy = (): Draft => ({
  type: 'reading',
  time: { wall: Date.now(), source: 'ntp', uncertainty: 5, boot, mono: systemClock.mono() },
  members: {
    ...{ station: 'bench', device: 'scale', raw: '2b'.repeat(4096), notes: ['unattributed'] },
    driver: { id: 'and-line', revision: 1, hash: 'ab'.repeat(32) },
    link: { kind: 'serial', check: 'none' },
    values: { 'body-weight': { n: 7240, s: 2, u: 'kg' } },
  },
})

/** Takes readings as the daemon does in weeks without a server, with its own keys and on its own disk. */
async function fillTo(bytes: number): Promise<number> {
  const identity = loadIdentity(box().state)
  if (identity.phase !== 'provisioned') throw new Error('the box is not provisioned')
  const { gateway, keys, route } = identity
  const custody: Custody = await openCustody({
    ...{ path: places(box().state).outbox, quotaBytes, intakeBytes, graceMs: 0, gateway, software: '0.1.0' },
    ...{ seed: keys.signSeed, server: route.server, serverBox: route.serverBox.publicKey },
  })
  let count = 0
  try {
    for (; (await custody.stats()).usedBytes < bytes; count++) await custody.take(heavy())
  } finally {
    await custody.stop()
  }
  return count
}

const end = async (): Promise<void> => {
  writer?.stop()
  writer = undefined
  expect(await box().daemon.end('SIGTERM')).toEqual({ code: 0, signal: null })
}

async function start(): Promise<void> {
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  const state = async () => (await box().status()).devices[0]?.state
  await until('the device open', patienceMs, async () => (await state()) === 'open')
  writer = startWriter(plug.device, 20, () => 1)
}

const intake = async () => (await box().status()).outbox.intake

/** The events that the server holds of this gateway. */
const events = (name: string) =>
  site.store.all<{ detail: string }>('SELECT detail FROM events WHERE event = ? ORDER BY received', name)

test('an outbox that fills up says so, refuses visibly, and goes on when its server is back', async () => {
  await end()
  await site.receiverProgram.end('SIGTERM')
  let count = await fillTo(0.8 * intakeBytes - spare)
  await start()
  expect((await box().status()).notices.join()).not.toContain('% full')
  // the daemon itself crosses the line
  await until('four fifths', patienceMs, async () => (await intake()).percent >= 80)
  const status = await box().status()
  expect(status.outbox.intake).toMatchObject({ quota: intakeBytes, refusingSince: null })
  expect(status.notices).toContainEqual(expect.stringContaining('80 % full'))

  await end()
  count += await fillTo(intakeBytes - spare)
  const began = Date.now()
  await start()
  await until('readings refused', patienceMs, async () => (await intake()).refusingSince !== null)
  const full = await box().status()
  expect(full.outbox.intake.refusingSince).toBeGreaterThanOrEqual(began)
  expect(full.outbox.intake.percent).toBeGreaterThanOrEqual(100)
  expect(full.notices).toContainEqual(expect.stringMatching(/^readings are refused since /))
  writer?.stop()
  writer = undefined
  const { taken } = await readings()

  // a full outbox shakes hands, and everything in it goes up
  site.receiverProgram.start()
  await until('welcomed', patienceMs, async () => (await box().status()).uplink.state === 'welcomed')
  await drained(box())
  expect(heldBy(site, box()).length).toBeGreaterThanOrEqual(count + taken)
  const [near, ...moreNear] = events('intake-near-full').map(one => JSON.parse(one.detail))
  const [refused, ...moreRefused] = events('intake-refused').map(one => JSON.parse(one.detail))
  expect([near.quota, refused.quota]).toEqual([intakeBytes, intakeBytes])
  expect(near.used).toBeGreaterThanOrEqual(0.8 * intakeBytes)
  expect(near.used).toBeLessThan(0.81 * intakeBytes)
  expect(refused.used).toBeGreaterThanOrEqual(intakeBytes)
  expect([moreNear, moreRefused]).toEqual([[], []])

  // and what is deleted under the receipts makes room for the next reading
  writer = startWriter(plug.device, 20, () => 1)
  await until('readings taken again', patienceMs, async () => (await intake()).refusingSince === null)
  await until('room made', patienceMs, async () => (await intake()).percent < 70)
  expect((await readings()).taken).toBeGreaterThan(taken)
  expect(listFlags(site.store, {})).toEqual([])
  expect(site.crashes()).toEqual([])
})

/** What the daemon took since its start. */
const readings = async () => ({ taken: (await box().status()).devices[0]!.readings })
