import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { addDevice, answers, openWay, patienceMs, typeReceiver, type WayBox, type WaySite } from './site.ts'
import { startWriter, type Writer } from './writer.ts'

// What docs/OPERATE.md says of copied cards and of boxes that are retired, typed as it stands there; real programs.
jest.setTimeout(300_000)

const config = '[uplink]\nheartbeat = "1s"\n'
const passphrase = () => ['--passphrase-file', join(site.folder, 'passphrase')]
let site: WaySite
let writer: Writer | undefined
let words: string[]

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway', 'second'], config })
  const options = { mode: 'on-print' }
  const { device } = await addDevice(site, box(), {
    id: 'scale',
    driver: 'and-line',
    station: 'bench',
    options,
  })
  writer = startWriter(device, 500, () => 1)
  const told = JSON.parse(
    await typeReceiver(site, 'init', '--host', 'localhost', ...passphrase(), '--json'),
  ) as { words: string[] }
  words = told.words
})
afterAll(async () => {
  writer?.stop()
  await site?.close()
})

/** The box that is typed at. */
let at = 0
const box = (): WayBox => site.boxes[at]!
const own = () => ['--state', box().state, '--config', join(site.folder, 'vitalgate.toml')]
const vitalgate = async <T>(...line: string[]): Promise<T> =>
  JSON.parse(await site.type('vitalgate', [...own(), '--json', ...line])) as T
const accepted = async (): Promise<number> =>
  (await typeReceiver(site, 'readings', 'list', '--limit', '100000', '--json'))
    .trim()
    .split('\n')
    .filter(Boolean).length

/** Somebody stands on the scale, and the server has more accepted readings than before. */
async function aReadingArrives(): Promise<void> {
  const before = await accepted()
  await until('a reading at the receiver', patienceMs, async () => (await accepted()) > before)
}

/** Enrols a request of the box, and carries the bundle back. */
async function enrol(request: string, said: readonly string[]): Promise<string> {
  const line = ['registry', 'enrol', request, '--site', 'test', '--words', said.join(' ')]
  const told = await typeReceiver(site, ...line, '--out', site.folder, ...passphrase(), '--json')
  const { bundle } = JSON.parse(told) as { bundle: string }
  await site.type('vitalgate', [...own(), 'provision', 'accept', bundle, '--root-words', words.join(' ')])
  return bundle
}

test('a card was copied: the keys are revoked, and the box goes on under new ones with the same id', async () => {
  await aReadingArrives()
  await typeReceiver(site, 'registry', 'revoke', box().gateway, '--why', 'card was copied', '--yes')
  const asked = await vitalgate<{ words: string[]; request: string; gateway: string; next: string }>(
    'provision',
    'rotate',
  )
  expect(asked.gateway).toBe(box().gateway)
  const request = join(site.folder, 'again.request.json')
  writeFileSync(request, asked.request)
  await enrol(request, asked.words)
  await until('the box under its new keys', patienceMs, async () => {
    const { keys, uplink } = await box().status()
    return keys?.kid === asked.next && uplink.state === 'welcomed'
  })
  await aReadingArrives()
  // the box itself was shut out meanwhile, as a copy would have been, and what it had not sent yet is refused
  const shown = listFlags(site.store, {}).map(one => one.flag)
  expect(shown.filter(flag => flag !== 'BROKER_REFUSED' && flag !== 'REVOKED_KEY')).toEqual([])
  await typeReceiver(site, 'registry', 'verify')
  writer?.stop()
})

test('a box is retired: wiped after all was sent, revoked; used elsewhere it has a new id', async () => {
  at = 1
  const before = box().gateway
  const sent = typeReceiver(site, 'command', 'send', before, 'wipe', '--wait', '5m', '--json')
  await until('the daemon ended', patienceMs, () => box().daemon.child.exitCode !== null)
  expect(JSON.parse(await sent)).toMatchObject({ verb: 'wipe', state: 'done' })
  await typeReceiver(site, 'registry', 'revoke', before, '--why', 'retired', '--yes')
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  const request = join(site.folder, 'elsewhere.request.json')
  const asked = await vitalgate<{ gateway: string; words: string[] }>(
    'provision',
    'request',
    '--out',
    request,
  )
  expect(asked.gateway).not.toBe(before)
  await enrol(request, asked.words)
  await site.type('vitalgate', [...own(), 'provision', 'verify'])
  const lines = (await typeReceiver(site, 'registry', 'list', '--json')).trim().split('\n')
  const states = Object.fromEntries(
    lines.map(line => JSON.parse(line)).map(({ gateway, state }) => [gateway, state]),
  )
  expect(states).toEqual({
    [site.boxes[0]!.gateway]: 'enrolled',
    [before]: 'revoked',
    [asked.gateway]: 'enrolled',
  })
  await typeReceiver(site, 'registry', 'verify')
})
