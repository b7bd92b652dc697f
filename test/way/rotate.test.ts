import { randomBytes } from 'node:crypto'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { hex } from '../../src/base/bytes.ts'
import type { Taken } from '../../src/control/api.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { readServerKeys } from '../../src/receiver/state.ts'
import { makeEpoch } from '../../src/wire/chain.ts'
import { pack, seal } from '../../src/wire/envelope.ts'
import { signStatement } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Program, startProgram } from './program.ts'
import { addDevice, openWay, type Plug, patienceMs, typeReceiver, type WayBox, type WaySite } from './site.ts'
import { connectAs } from './stranger.ts'
import { discrepancies, heldBy, noteTaken } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// A box goes over to new keys, and to a newer certificate, while readings flow (WIRE 9.9, 8.6); real programs.
jest.setTimeout(300_000)

const config = '[uplink]\nheartbeat = "1s"\n[log]\nlevel = "info"\n'
const taken: Taken[] = []
let site: WaySite
let plug: Plug
let writer: Writer | undefined
let copied: Program | undefined
const box = (): WayBox => site.boxes[0]!
const card = (): string => join(site.folder, 'old-card')

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'], config })
  const options = { mode: 'on-print' }
  plug = await addDevice(site, box(), { id: 'scale', driver: 'and-line', station: 'bench', options })
  await noteTaken(box(), taken)
  writer = startWriter(plug.device, 10, () => 1)
})
afterAll(async () => {
  writer?.stop()
  await copied?.end('SIGKILL')
  await site?.close()
})

const more = (count: number): Promise<void> => {
  const goal = taken.length + count
  return until(`${count} more readings taken`, patienceMs, () => taken.length >= goal)
}

/** Types a command of the box, and gives what it printed as data. */
const vitalgate = async <T>(...words: string[]): Promise<T> =>
  JSON.parse(
    await site.type('vitalgate', [
      ...['--state', box().state, '--config', join(site.folder, 'vitalgate.toml'), '--json'],
      ...words,
    ]),
  ) as T

const signed = (...words: string[]): Promise<string> =>
  typeReceiver(site, ...words, '--passphrase-file', join(site.folder, 'passphrase'))

/** Every taken reading is at the receiver exactly once, and these flags were raised. */
async function nothingLostOrDoubled(flags: string[] = []): Promise<void> {
  const told = taken.length
  const last = taken[told - 1]!
  const arrived = () => heldBy(site, box()).some(one => one.epoch === last.epoch && one.seq === last.seq)
  await until('the last reading at the receiver', patienceMs, arrived)
  expect(discrepancies(taken.slice(0, told), heldBy(site, box()), writer!.lines)).toEqual([])
  expect([...new Set(listFlags(site.store, {}).map(one => one.flag))]).toEqual(flags)
}

interface Proposed {
  already: boolean
  kid: string
  next: string
  words: string[]
}

/** Proposes, has the operator sign, and waits until the box speaks under the new keys. */
async function rotate(): Promise<Proposed> {
  const proposed = await vitalgate<Proposed>('provision', 'rotate')
  expect(proposed.already).toBe(false)
  // asked again it is the same, and waits until the box speaks under them
  const waiting = vitalgate<Proposed & { bound: boolean }>('provision', 'rotate', '--wait', '5m')
  expect((await box().status()).keys).toEqual({ kid: proposed.kid, next: proposed.next })
  await until('the proposal at the receiver', patienceMs, async () =>
    (await typeReceiver(site, 'registry', 'waiting', '--json')).includes('"proposal"'),
  )
  const told = await signed('registry', 'rotate', box().gateway, '--yes', '--json')
  expect(JSON.parse(told)).toMatchObject({ outcome: 'rotated', to: proposed.next, words: proposed.words })
  await until('the box under its new keys', patienceMs, async () => {
    const { keys, uplink } = await box().status()
    return keys?.kid === proposed.next && keys.next === null && uplink.state === 'welcomed'
  })
  expect(await waiting).toMatchObject({ already: true, bound: true, words: proposed.words })
  return proposed
}

test('new keys while readings flow: nothing is lost, nothing is doubled, nothing is flagged', async () => {
  await more(20)
  cpSync(box().state, card(), { recursive: true, filter: path => !path.endsWith('.sock') })
  const before = taken.at(-1)!.epoch
  const { kid } = await rotate()
  await more(20)
  expect(taken.at(-1)!.epoch).not.toBe(before)
  expect(readKeys(box().state).sign.kid).not.toBe(kid)
  await nothingLostOrDoubled()
})

test('once more, over a start of the daemon and of the receiver', async () => {
  await more(10)
  await site.receiverProgram.end('SIGTERM')
  await more(10)
  site.receiverProgram.start()
  await rotate()
  await more(10)
  await nothingLostOrDoubled()
  const { kid } = (await box().status()).keys!
  await box().daemon.end('SIGKILL')
  box().daemon.start()
  await until('the daemon with its new keys', patienceMs, async () => {
    const { keys, uplink } = await box()
      .status()
      .catch(() => ({ keys: null, uplink: { state: 'off' } }))
    return keys?.kid === kid && uplink.state === 'welcomed'
  })
  await noteTaken(box(), taken)
  await more(10)
  expect([...new Set(listFlags(site.store, {}).map(one => one.flag))]).toEqual([])
})

test('a newer certificate is handed over, used and kept', async () => {
  const before = (await box().status()).certificate!
  const words = ['registry', 'renew', box().gateway]
  await typeReceiver(site, ...words)
  await until('the newer certificate in use', patienceMs, async () => {
    const { certificate, uplink } = await box().status()
    return (
      certificate!.notAfter > before.notAfter && certificate!.next === null && uplink.state === 'welcomed'
    )
  })
  await more(10)
  expect(listFlags(site.store, {})).toEqual([])
})

/** A reading that the copy of the old card makes up: its key was this gateway's own. */
function forged(): Uint8Array {
  const { sign, gateway } = readKeys(card())
  const server = readServerKeys(site.receiver)
  const epoch = makeEpoch()
  const body = {
    ...{ iss: gateway, kid: sign.kid, aud: server.id, akid: server.box.kid, epoch, seq: 2 },
    prev: hex(randomBytes(32)),
    time: {
      wall: Date.now(),
      source: 'ntp',
      uncertainty: 5,
      boot: '0123456789abcdef0123456789abcdef',
      mono: 9,
    },
    ...{ station: 'bench', device: 'scale', driver: { id: 'and-line', revision: 1, hash: '0'.repeat(64) } },
    ...{ link: { kind: 'serial', check: 'none' }, raw: hex(Buffer.from('ST,GS,+00099.90kg\r\n')) },
    ...{ values: { 'body-weight': { n: 9990, s: 2, u: 'kg' } }, notes: [] },
  }
  return pack({ epoch, seq: 2, envelope: seal(signStatement('reading', body, sign), server.box) })
}

test('the copy of the old card is not believed: by its certificate the door stays shut, by its key it is FORMER_KEY', async () => {
  writer!.stop()
  await until('everything receipted', patienceMs, async () => (await box().status()).outbox.queued === 0)
  await box().daemon.end('SIGTERM')
  const held = heldBy(site, box()).length
  const log = join(site.folder, 'old-card.log')
  const own = ['--state', card(), '--config', join(site.folder, 'vitalgate.toml')]
  copied = startProgram('vitalgate', [...own, 'run'], log)
  await until('the copy turned away', patienceMs, () =>
    readFileSync(log, 'utf8').includes('"state":"waiting"'),
  )
  expect(readFileSync(log, 'utf8')).not.toContain('"state":"welcomed"')
  await copied.end('SIGTERM')
  const { up } = topics(readServerKeys(site.receiver).id, box().gateway)
  // whoever has the CA's key besides gets in at the door
  const thief = await connectAs(site, box().gateway)
  await thief.publishAsync(up, Buffer.from(forged()), { qos: 1 })
  const flagged = () => listFlags(site.store, {}).some(one => one.flag === 'FORMER_KEY')
  await until('the flag', patienceMs, flagged)
  await thief.endAsync(true)
  expect(heldBy(site, box())).toHaveLength(held)
  expect(site.crashes()).toEqual([])
})
