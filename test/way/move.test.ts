import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { type, until } from '../../scripts/scenario/program.ts'
import type { Taken } from '../../src/control/api.ts'
import { formerFolder } from '../../src/identity/former.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { readFacts } from '../../src/receiver/state.ts'
import { openSecond, type Second } from './second.ts'
import { addDevice, answers, openWay, type Plug, patienceMs, typeReceiver, type WaySite } from './site.ts'
import { discrepancies, type Held, heldBy, noteTaken } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// WIRE 9.11: a box with rows that its first server has not signed for goes to a second one under the same root, while
// the first is down. Each row ends at the server that it was sealed to; nothing is lost, nothing is there twice.
jest.setTimeout(300_000)

const config = '[outbox]\ngrace = "0s"\n[uplink]\nheartbeat = "1s"\n'
let site: WaySite
let second: Second
let plug: Plug
let writer: Writer
const taken: Taken[] = []
const box = () => site.boxes[0]!

/** So many readings more, and none any more. */
async function weigh(count: number): Promise<void> {
  const goal = taken.length + count
  if (writer === undefined) writer = startWriter(plug.device, 10, () => 1)
  else writer.start(plug.device)
  await until(`${count} readings`, patienceMs, () => taken.length >= goal)
  writer.stop()
  // what was written last may still be on its way through the port
  for (let known = -1; known !== taken.length; ) {
    known = taken.length
    await new Promise(resolve => setTimeout(resolve, 1000))
  }
}

const passphrase = (): string => join(site.folder, 'passphrase')
const typeBox = (...words: string[]): Promise<string> =>
  type('vitalgate', ['--state', box().state, '--config', join(site.folder, 'vitalgate.toml'), ...words])

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'], config })
  const device = { id: 'scale', driver: 'and-line', station: 'bench', options: { mode: 'on-print' } }
  plug = await addDevice(site, box(), device)
  await noteTaken(box(), taken)
})
afterAll(async () => {
  writer?.stop()
  await second?.end()
  await site?.close()
})

const bundle = (): string => join(site.folder, 'moved', `${box().gateway}.bundle.json`)

test('the box goes to the second server at once, and says what still waits for the first', async () => {
  await weigh(20)
  expect(await site.receiverProgram.end('SIGTERM')).toEqual({ code: 0, signal: null })
  await weigh(40)
  second = await openSecond(site)
  const handover = join(site.folder, 'handover.json')
  await typeReceiver(site, 'registry', 'show', box().gateway, '--request', handover)
  await typeReceiver(
    second,
    ...['registry', 'enrol', handover, '--site', 'test', '--out', join(site.folder, 'moved')],
    ...['--passphrase-file', passphrase()],
  )
  // nobody agreed: nothing changes
  await expect(typeBox('provision', 'accept', bundle())).rejects.toThrow(/ended with 2/)
  const [one, two] = [readFacts(site.receiver).server, readFacts(second.receiver).server]
  expect((await box().status()).server).toBe(one)
  const answer = JSON.parse(await typeBox('provision', 'accept', bundle(), '--yes', '--json'))
  expect(answer).toMatchObject({ already: false, server: two, movedFrom: one })
  await until('the second server’s welcome', patienceMs, async () => {
    const { server, uplink } = await box().status()
    return server === two && uplink.state === 'welcomed'
  })
  const { former, notices } = await box().status()
  expect(former).toMatchObject([{ server: one, state: 'connecting' }])
  expect(former[0]!.queued).toBeGreaterThanOrEqual(40)
  expect(notices).toContainEqual(expect.stringContaining(`still wait for the former server ${one}`))
  expect(JSON.parse(await typeBox('provision', 'accept', bundle(), '--json'))).toMatchObject({
    already: true,
  })
})

test('the second server is told of the devices, and what is measured now goes there alone', async () => {
  await until('the proposal', patienceMs, async () =>
    (await typeReceiver(second, 'registry', 'devices', 'list', box().gateway, '--json')).includes('"scale"'),
  )
  await typeReceiver(second, 'registry', 'devices', 'accept', box().gateway, 'scale')
  await until(
    'provisioned by its receipt',
    patienceMs,
    async () => (await box().status()).phase === 'provisioned',
  )
  const before = taken.length
  await weigh(30)
  const later = taken.slice(before)
  await until(
    'all of it at the second server',
    patienceMs,
    () => heldBy(second, box()).length >= later.length,
  )
  expect(heldBy(second, box()).map(one => one.seq)).toEqual(later.map(one => one.seq))
})

test('a start goes on with both; the first server returns, its rows drain, and its folder goes', async () => {
  expect(await box().daemon.end('SIGTERM')).toEqual({ code: 0, signal: null })
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  await noteTaken(box(), taken)
  const folder = formerFolder(box().state, readFacts(site.receiver).server)
  expect(existsSync(folder)).toBe(true)
  const stats = JSON.parse(await typeBox('outbox', 'stats', '--json'))
  expect(stats.former).toHaveLength(1)
  await typeBox('outbox', 'verify')
  site.receiverProgram.start()
  await until('the folder of the first server gone', 2 * patienceMs, () => !existsSync(folder))
  await until(
    'nothing of it in the status',
    patienceMs,
    async () => (await box().status()).former.length === 0,
  )
  await weigh(20)
  const all = (): Held[] => [...heldBy(site, box()), ...heldBy(second, box())]
  await until('everything at its server', patienceMs, () => all().length >= taken.length)
  expect([listFlags(site.store, {}), listFlags(second.store, {})]).toEqual([[], []])
  expect(discrepancies(taken, all(), writer.lines)).toEqual([])
  expect([...site.crashes(), ...second.crashes()]).toEqual([])
})

test('handed over by its present server the box goes back to the first, and nothing is lost on the way', async () => {
  // the first server was down when the box left it, and is told now
  await typeReceiver(site, 'registry', 'move', box().gateway, bundle(), '--yes')
  const handover = join(site.folder, 'back.json')
  await typeReceiver(second, 'registry', 'show', box().gateway, '--request', handover)
  const out = join(site.folder, 'back')
  await typeReceiver(
    site,
    ...['registry', 'enrol', handover, '--site', 'test', '--out', out, '--passphrase-file', passphrase()],
  )
  const before = taken.length
  writer.start(plug.device)
  await typeReceiver(
    second,
    'registry',
    'move',
    box().gateway,
    join(out, `${box().gateway}.bundle.json`),
    '--yes',
  )
  const one = readFacts(site.receiver).server
  await until('the first server again', patienceMs, async () => (await box().status()).server === one)
  writer.stop()
  await weigh(20)
  await until('no former server', 2 * patienceMs, async () => (await box().status()).former.length === 0)
  const all = (): Held[] => [...heldBy(site, box()), ...heldBy(second, box())]
  await until('everything at its server', patienceMs, () => all().length >= taken.length)
  expect(taken.length).toBeGreaterThan(before + 20)
  expect([listFlags(site.store, {}), listFlags(second.store, {})]).toEqual([[], []])
  expect(discrepancies(taken, all(), writer.lines)).toEqual([])
  expect([...site.crashes(), ...second.crashes()]).toEqual([])
})
