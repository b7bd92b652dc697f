import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { unbase64url } from '../../src/base/bytes.ts'
import type { Taken } from '../../src/control/api.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { rootWords } from '../../src/wire/words.ts'
import { addDevice, openWay, type Plug, patienceMs, typeReceiver, type WayBox, type WaySite } from './site.ts'
import { discrepancies, heldBy, noteTaken } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// The successor becomes the root while readings flow (WIRE 9.12); real programs.
jest.setTimeout(300_000)

const config = '[uplink]\nheartbeat = "1s"\n[log]\nlevel = "info"\n'
const taken: Taken[] = []
let site: WaySite
let plug: Plug
let writer: Writer | undefined
const box = (): WayBox => site.boxes[0]!

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'], config })
  const options = { mode: 'on-print' }
  plug = await addDevice(site, box(), { id: 'scale', driver: 'and-line', station: 'bench', options })
  await noteTaken(box(), taken)
  writer = startWriter(plug.device, 10, () => 1)
})
afterAll(async () => {
  writer?.stop()
  await site?.close()
})

const more = (count: number): Promise<void> => {
  const goal = taken.length + count
  return until(`${count} more readings taken`, patienceMs, () => taken.length >= goal)
}
const signed = (...words: string[]): Promise<string> =>
  typeReceiver(site, ...words, '--yes', '--json', '--passphrase-file', join(site.folder, 'passphrase'))
const pins = () => readKeys(box().state).pins!
const ping = async (): Promise<unknown> =>
  JSON.parse(await typeReceiver(site, 'command', 'send', box().gateway, 'ping', '--wait', '60s', '--json'))

/** Every taken reading is at the receiver exactly once, and nothing was flagged. */
async function nothingLostOrDoubled(): Promise<void> {
  const told = taken.length
  const last = taken[told - 1]!
  const arrived = () => heldBy(site, box()).some(one => one.epoch === last.epoch && one.seq === last.seq)
  await until('the last reading at the receiver', patienceMs, arrived)
  expect(discrepancies(taken.slice(0, told), heldBy(site, box()), writer!.lines)).toEqual([])
  expect(listFlags(site.store, {})).toEqual([])
}

test('the box follows by itself: readings flow on, and the old root is remembered as one that counts no more', async () => {
  await more(20)
  const { root, successor } = pins()
  const told = JSON.parse(await signed('registry', 'succeed')) as { words: string[] }
  expect(told.words).toEqual(rootWords(unbase64url(successor!)))
  await until('the box under the new root', patienceMs, () => pins().root === successor)
  expect(pins()).toMatchObject({ successor: null, retired: { keys: [root] } })
  await more(20)
  await nothingLostOrDoubled()
  // an answer that is slower than the next hello may come too late on a busy machine; none is under another key
  const { notices } = await box().status()
  expect(notices.filter(one => /wire\.(unknown-key|bad-signature)/.test(one))).toEqual([])
})

test('under the new root commands are obeyed and keys are bound, and a start changes nothing', async () => {
  expect(await ping()).toMatchObject({ state: 'done' })
  const { next } = await box().client().ask('rotate', {})
  await until('the proposal at the receiver', patienceMs, async () =>
    (await typeReceiver(site, 'registry', 'waiting', '--json')).includes('"proposal"'),
  )
  await signed('registry', 'rotate', box().gateway)
  const isBound = async (): Promise<boolean> => {
    const { keys, uplink } = await box().status()
    return keys?.kid === next && uplink.state === 'welcomed'
  }
  await until('the box under its new keys', patienceMs, isBound)
  await more(10)
  await nothingLostOrDoubled()
  writer!.stop()
  await box().daemon.end('SIGTERM')
  box().daemon.start()
  await until('the box welcomed again', patienceMs, () => isBound().catch(() => false))
  expect(await ping()).toMatchObject({ state: 'done' })
  expect(listFlags(site.store, {})).toEqual([])
  expect(site.crashes()).toEqual([])
})
