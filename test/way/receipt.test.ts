import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import type { MqttClient } from 'mqtt'
import { until } from '../../scripts/scenario/program.ts'
import { bytesOf, hex } from '../../src/base/bytes.ts'
import type { Taken } from '../../src/control/api.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { readFacts, readServerKeys } from '../../src/receiver/state.ts'
import { makeEpoch } from '../../src/wire/chain.ts'
import { open, seal, unpack } from '../../src/wire/envelope.ts'
import { makePair, type SigningKey, signingKey } from '../../src/wire/keys.ts'
import { signAndSeal } from '../../src/wire/message.ts'
import { decodeBody } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { forgottenOf, rowsOf } from './forgotten.ts'
import { spyName } from './mosquitto.ts'
import { addDevice, openWay, type Plug, patienceMs, type WayBox, type WaySite } from './site.ts'
import { connectAs, type Heard, spy } from './stranger.ts'
import { discrepancies, heldBy, noteTaken } from './tally.ts'
import { startWriter, type Writer } from './writer.ts'

// Only the server's own signed word about our own chain lets a row go. The attacker holds the CA's key: the
// broker takes him for the receiver, and he may say on `down` what he likes.
jest.setTimeout(240_000)

const config = '[outbox]\ngrace = "0s"\n[uplink]\nheartbeat = "1s"\n'
const heard: Heard[] = []
const taken: Taken[] = []
let site: WaySite
let plug: Plug
let writer: Writer | undefined
let listener: MqttClient | undefined
let attacker: MqttClient | undefined
const box = (): WayBox => site.boxes[0]!
const idle = (): WayBox => site.boxes[1]!
const waysOf = ({ gateway }: WayBox) => topics(readFacts(site.receiver).server, gateway)

/** So many readings more. */
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

beforeAll(async () => {
  site = await openWay({ broker: 'mosquitto', boxes: ['gateway', 'idle'], config })
  listener = await spy(site, spyName, heard)
  const device = { id: 'scale', driver: 'and-line', station: 'bench', options: { mode: 'on-print' } }
  plug = await addDevice(site, box(), device)
  await addDevice(site, idle(), { ...device, id: 'other-scale' })
  await noteTaken(box(), taken)
})
afterAll(async () => {
  writer?.stop()
  for (const client of [listener, attacker]) await client?.endAsync(true)
  await site?.close()
})

/** What the gateway did not believe, as `vitalgate status` tells it. */
async function disbelieved(): Promise<string> {
  const { notices } = await box().status()
  return notices.find(one => one.startsWith('what came down and was not believed')) ?? ''
}

const allForgotten = async (): Promise<boolean> => {
  const { outbox } = await box().status()
  return outbox.queued === 0 && outbox.receipted === 0 && outbox.forgotten > 0
}

test('rows are forgotten once the server signed for them', async () => {
  await weigh(30)
  await until('all forgotten', patienceMs, allForgotten)
  expect(await disbelieved()).toBe('')
})

/** What the attacker says on `down` about the newest row, and with which code it is refused. */
function lies(): { payload: Uint8Array; refused: string }[] {
  const { epoch, seq, head, prev } = rowsOf(site, box()).at(-1)!
  const true_ = readServerKeys(site.receiver)
  const own = signingKey(makePair('ed25519').secret)
  const posing: SigningKey = { ...own, kid: true_.receipt.kid }
  const to = { id: box().gateway, box: readKeys(box().state).box }
  const say = (type: 'receipt' | 'welcome', key: SigningKey, members: object, aud = to) =>
    signAndSeal(type, { id: true_.id, key }, aud, members).envelope
  const answer = { epoch, seq, head: hex(head), holes: [] }
  const receipt = { ...answer, time: Date.now() }
  const welcome = {
    ...{ nonce: '0'.repeat(32), serverNonce: '1'.repeat(32), epochs: [answer], status: 'ok', token: 9999 },
    ...{ time: Date.now(), minVersion: '0.1.0' },
    versions: { binding: 1, serverEntry: 1, devices: 0, revocations: 0 },
  }
  const idleBox = readKeys(idle().state).box
  const downOf = (one: WayBox) => heard.filter(({ topic }) => topic === waysOf(one).down)
  const foreign = downOf(idle()).map(({ payload }) => payload)
  const foreignReceipt = foreign.map(payload => open(payload, idleBox)).find(one => one.type === 'receipt')!
  const ownWelcome = downOf(box()).find(({ payload }) => open(payload, to.box).type === 'welcome')!
  return [
    { payload: say('receipt', own, receipt), refused: 'wire.unknown-key' },
    { payload: say('receipt', posing, receipt), refused: 'wire.bad-signature' },
    { payload: say('welcome', posing, welcome), refused: 'wire.bad-signature' },
    // genuine ones, for another gateway: as they came, and opened by a thief of that box and sealed to this
    { payload: foreign[0]!, refused: 'wire.wrong-audience' },
    { payload: seal(foreignReceipt, to.box), refused: 'wire.wrong-audience' },
    // a genuine welcome of this gateway, replayed: not the answer to this hello
    { payload: ownWelcome.payload, refused: 'wire.wrong-audience' },
    // signed by the true key, as a server would that was restored wrongly, or is no longer its owner's
    { payload: say('receipt', true_.receipt, { ...receipt, head: hex(prev) }), refused: 'receipt.refused' },
    { payload: say('receipt', true_.receipt, { ...receipt, seq: seq + 1 }), refused: 'receipt.refused' },
    {
      payload: say('receipt', true_.receipt, { ...receipt, epoch: makeEpoch() }),
      refused: 'receipt.refused',
    },
    { payload: say('receipt', true_.command, receipt), refused: 'wire.unknown-key' },
    { payload: say('welcome', true_.receipt, welcome), refused: 'wire.wrong-audience' },
    { payload: bytesOf('a receipt'), refused: 'wire.malformed' },
  ]
}

test('forged, foreign, replayed and mismatched receipts and welcomes delete nothing', async () => {
  expect(await site.receiverProgram.end('SIGTERM')).toEqual({ code: 0, signal: null })
  await weigh(30)
  const before = rowsOf(site, box())
  expect(before.length).toBeGreaterThanOrEqual(30)
  attacker = await connectAs(site, readFacts(site.receiver).client)
  const { down } = waysOf(box())
  const told = lies()
  for (const { payload } of told) await attacker.publishAsync(down, Buffer.from(payload), { qos: 1 })
  // they are settled in the order in which they come, and only the last is malformed
  await until('the last one refused', patienceMs, async () =>
    (await disbelieved()).includes('wire.malformed'),
  )

  const counts = new Map<string, number>()
  for (const { refused } of told) counts.set(refused, (counts.get(refused) ?? 0) + 1)
  for (const [code, count] of counts) expect(await disbelieved()).toContain(`${code} ${count}×`)
  const places = (rows: typeof before) => rows.map(({ epoch, seq }) => `${epoch} ${seq}`)
  expect(places(rowsOf(site, box()))).toEqual(places(before))
  const { outbox, uplink } = await box().status()
  expect([outbox.queued, outbox.receipted, uplink.state]).toEqual([before.length, 0, 'welcomed'])
})

test('a welcome of the true key, for the true hello, with another head than ours settles nothing', async () => {
  const server = readServerKeys(site.receiver)
  const { gateway } = box()
  const to = { id: gateway, box: readKeys(box().state).box }
  const before = rowsOf(site, box())
  const { epoch, seq, prev } = before.at(-1)!
  const nonces = (): string[] =>
    heard
      .filter(({ topic }) => topic === waysOf(box()).up)
      .map(({ payload }) => open(unpack(payload).envelope, server.box))
      .flatMap(({ type, body }) => (type === 'hello' ? [String(decodeBody(body).nonce)] : []))
  const readies = (): number =>
    heard.filter(
      ({ topic, payload }) =>
        topic === waysOf(box()).up && open(unpack(payload).envelope, server.box).type === 'ready',
    ).length
  const [known, answered] = [nonces().length, readies()]
  await until('another hello', patienceMs, () => nonces().length > known)
  const members = {
    ...{ nonce: nonces().at(-1)!, serverNonce: '2'.repeat(32), token: 9999, status: 'ok' },
    epochs: [{ epoch, seq, head: hex(prev), holes: [] }],
    ...{ time: Date.now() + 3_600_000, minVersion: '0.1.0' },
    versions: { binding: 1, serverEntry: 1, devices: 0, revocations: 0 },
  }
  const { envelope } = signAndSeal('welcome', { id: server.id, key: server.receipt }, to, members)
  await attacker!.publishAsync(waysOf(box()).down, Buffer.from(envelope), { qos: 1 })
  await until('the gateway answering', patienceMs, () => readies() > answered)
  expect(rowsOf(site, box()).map(row => row.seq)).toEqual(before.map(row => row.seq))
  const { outbox } = await box().status()
  expect([outbox.queued, outbox.receipted]).toEqual([before.length, 0])
})

test('honest traffic goes on, and each row that was deleted has its stored, valid receipt', async () => {
  await attacker!.endAsync(true)
  attacker = undefined
  site.receiverProgram.start()
  await weigh(30)
  // the broker swallowed what was sent while the receiver was away: it is overdue after 30 s (WIRE 7.10)
  await until('all forgotten', 2 * patienceMs, allForgotten)
  expect(discrepancies(taken, heldBy(site, box()), writer!.lines)).toEqual([])
  expect(listFlags(site.store, {})).toEqual([])
  expect(await box().daemon.end('SIGTERM')).toEqual({ code: 0, signal: null })
  const { places, unproven } = forgottenOf(site, box())
  expect(unproven).toEqual([])
  expect(places).toEqual(expect.arrayContaining(taken.map(({ epoch, seq }) => `${epoch} ${seq}`)))
  expect(rowsOf(site, box())).toEqual([])
  expect(site.crashes()).toEqual([])
})
