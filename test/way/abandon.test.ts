import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import type { Taken } from '../../src/control/api.ts'
import { formerFolder } from '../../src/identity/former.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { readFacts } from '../../src/receiver/state.ts'
import type { Store } from '../../src/receiver/store.ts'
import { openSecond, type Second } from './second.ts'
import { addDevice, openWay, type Plug, patienceMs, typeReceiver, type WaySite } from './site.ts'
import { heldBy, noteTaken } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// WIRE 9.14, as docs/OPERATE.md tells it: rows under a revoked key are given up from afar, those for a server that never
// returns by a file; what is lost is told before and flagged after, and the box can be wiped. Real programs.
jest.setTimeout(300_000)

const config = '[outbox]\ngrace = "0s"\n[uplink]\nheartbeat = "1s"\n'
let site: WaySite
let second: Second
let plug: Plug
let writer: Writer | undefined
const taken: Taken[] = []
const box = () => site.boxes[0]!
const passphrase = (): string[] => ['--passphrase-file', join(site.folder, 'passphrase')]
const own = (): string[] => ['--state', box().state, '--config', join(site.folder, 'vitalgate.toml')]
const vitalgate = async <T>(...words: string[]): Promise<T> =>
  JSON.parse(await site.type('vitalgate', [...own(), '--json', ...words])) as T

interface Told {
  state: string
  detail: Record<string, string | number>
  intent: string
}
const command = async (at: WaySite, ...words: string[]): Promise<Told> =>
  JSON.parse(await typeReceiver(at, 'command', 'send', box().gateway, ...words, '--json')) as Told

/** So many readings more, and none any more. */
async function weigh(count: number): Promise<void> {
  const goal = taken.length + count
  if (writer === undefined) writer = startWriter(plug.device, 50, () => 1)
  else writer.start(plug.device)
  await until(`${count} readings`, patienceMs, () => taken.length >= goal)
  writer.stop()
}
const queued = async (): Promise<number> => (await box().status()).outbox.queued
const welcomed = (what: string, isSo: (status: Awaited<ReturnType<typeof statusOf>>) => boolean) =>
  until(what, patienceMs, async () => {
    const status = await statusOf()
    return status.uplink.state === 'welcomed' && isSo(status)
  })
const statusOf = () => box().status()
const gaps = (store: Store): string[] =>
  listFlags(store, {})
    .filter(one => one.flag === 'GAP')
    .map(one => one.detail)

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

test('rows under a revoked key: told before, given up by a command, flagged, and what is new goes on', async () => {
  await weigh(5)
  await until('all of it receipted', patienceMs, async () => (await queued()) === 0)
  await site.receiverProgram.end('SIGTERM')
  await weigh(6)
  const old = readKeys(box().state).sign.kid
  await typeReceiver(site, 'registry', 'revoke', box().gateway, '--why', 'card was copied', '--yes')
  const asked = await vitalgate<{ words: string[]; request: string; next: string }>('provision', 'rotate')
  const request = join(site.folder, 'again.request.json')
  writeFileSync(request, asked.request)
  const { bundle } = JSON.parse(
    await typeReceiver(
      site,
      ...['registry', 'enrol', request, '--site', 'test', '--words', asked.words.join(' ')],
      ...['--out', site.folder, ...passphrase(), '--json'],
    ),
  ) as { bundle: string }
  await vitalgate('provision', 'accept', bundle)
  site.receiverProgram.start()
  await welcomed(
    'the box under its new keys, with the revocation',
    ({ keys, notices }) => keys?.kid === asked.next && notices.some(one => one.includes(old)),
  )
  // what is under the present key is not to be given up, whoever orders it
  expect(await command(site, 'abandon', '--arg', `key=${asked.next}`).catch(String)).toMatch(/ended with 1/)
  const shown = (await command(site, 'status')).detail['revoked-1']
  const rows = Number(String(shown).split(' ')[1])
  expect(shown).toBe(`${old} ${rows}`)
  // the epoch-open of the start is long receipted: what waits are readings, and what was proposed
  const missing = taken.filter(one => !heldBy(site, box()).some(held => held.seq === one.seq))
  expect(rows).toBeGreaterThanOrEqual(missing.length)
  expect(missing.length).toBeGreaterThanOrEqual(6)
  const told = await command(site, 'abandon', '--arg', `key=${old}`)
  expect(told).toMatchObject({ state: 'done', detail: { key: old, rows } })
  await until('nothing queued', patienceMs, async () => (await queued()) === 0)
  expect(gaps(site.store)).toEqual([
    expect.stringMatching(new RegExp(`^${rows} rows, taken .* under revoked key ${old} .* of this server$`)),
  ])
  const report = await vitalgate<{ problems: object[]; abandoned: object[] }>('outbox', 'verify')
  expect(report.problems).toEqual([])
  expect(report.abandoned).toContainEqual(expect.objectContaining({ rows, intent: told.intent }))
  expect((await statusOf()).notices.join()).not.toContain(old)
  const before = taken.length
  await weigh(3)
  const late = taken.slice(before)
  const isHeld = () =>
    late.every(one => heldBy(site, box()).some(held => held.epoch === one.epoch && held.seq === one.seq))
  await until('what is new at the receiver', patienceMs, isHeld)
})

test('rows for a server that never returns: given up by a file at the box, and then it can be wiped', async () => {
  await site.receiverProgram.end('SIGTERM')
  await weigh(6)
  second = await openSecond(site)
  const handover = join(site.folder, 'handover.json')
  await typeReceiver(site, 'registry', 'show', box().gateway, '--request', handover)
  await typeReceiver(
    second,
    ...[
      'registry',
      'enrol',
      handover,
      '--site',
      'test',
      '--out',
      join(site.folder, 'moved'),
      ...passphrase(),
    ],
  )
  await vitalgate('provision', 'accept', join(site.folder, 'moved', `${box().gateway}.bundle.json`), '--yes')
  const [one, two] = [readFacts(site.receiver).server, readFacts(second.receiver).server]
  await welcomed('the second server’s welcome', ({ server, former }) => server === two && former.length === 1)
  const rows = (await statusOf()).former[0]!.queued!
  expect(rows).toBeGreaterThanOrEqual(6)
  const order = join(site.folder, 'order.json')
  await command(second, 'abandon', '--arg', `server=${one}`, '--order', order)
  // nobody agreed: nothing changes
  await expect(vitalgate('outbox', 'abandon', order)).rejects.toThrow(/ended with 2/)
  const folder = formerFolder(box().state, one)
  expect(existsSync(folder)).toBe(true)
  const done = await vitalgate('outbox', 'abandon', order, '--yes')
  expect(done).toMatchObject({ state: 'done', what: 'server', id: one, rows })
  expect(existsSync(folder)).toBe(false)
  expect((await statusOf()).former).toEqual([])
  expect(await vitalgate('outbox', 'abandon', order)).toMatchObject({ state: 'already', rows })
  await until('the flag', patienceMs, () => gaps(second.store).length > 0)
  expect(gaps(second.store)).toEqual([
    expect.stringMatching(new RegExp(`^${rows} rows, taken .* for former server ${one} .* of this server$`)),
  ])
  expect(await command(second, 'wipe', '--wait', '5m')).toMatchObject({ state: 'done' })
  await until('the daemon ended', patienceMs, () => box().daemon.child.exitCode !== null)
  expect(existsSync(join(box().state, 'keys.sealed'))).toBe(false)
})
