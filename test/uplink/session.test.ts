import { randomBytes } from 'node:crypto'
import { afterEach, expect, test } from '@jest/globals'
import { base32 } from '../../src/base/bytes.ts'
import type { Fault } from '../../src/base/fault.ts'
import { backoff } from '../../src/uplink/backoff.ts'
import type { Custodian, Row, Settled } from '../../src/uplink/custodian.ts'
import { openSession, type Session, type SessionEvents } from '../../src/uplink/session.ts'
import { unpack } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { openFrom, type Sealed, signAndSeal } from '../../src/wire/message.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Broker, makeBroker } from './broker.ts'

let broker: Broker | undefined
let session: Session | undefined
afterEach(async () => {
  await session?.close()
  await broker?.stop()
})

const newId = (): string => base32(randomBytes(16))
const epoch = '00000000000000aa'
const clock = {
  wall: 1_780_000_000_000,
  source: 'ntp' as const,
  uncertainty: 5,
  boot: 'ab'.repeat(16),
  mono: 1,
}
const versions = { binding: 1, serverEntry: 1, devices: 0, revocations: 0 }
const nothing: Settled = { receipted: 0, reopened: 0, forgotten: 0, upTo: [], refused: [] }

/** A gateway with one row that waits, a custodian that never settles anything, and the server's keys. */
function makeParties() {
  const [gateway, server] = [newId(), newId()]
  const sign = signingKey(makePair('ed25519').secret)
  const receipt = signingKey(makePair('ed25519').secret)
  const box = boxKey(makePair('x25519').secret)
  const serverBox = boxKey(makePair('x25519').secret)
  const from = { id: gateway, key: sign }
  const to = { id: server, box: boxPublic(serverBox.publicKey) }
  const row: Row = { id: 1, parcel: { epoch, seq: 1, envelope: new Uint8Array(randomBytes(300)) } }
  const custodian: Custodian = {
    hello: async (members): Promise<Sealed> =>
      signAndSeal('hello', from, to, { ...members, epochs: [], token: 0 }),
    ready: async (welcome, seen): Promise<Sealed> =>
      signAndSeal('ready', from, to, { serverNonce: welcome.serverNonce, token: welcome.token, seen }),
    due: async afterId => (afterId < row.id ? [row] : []),
    welcome: async () => nothing,
    receipt: async () => nothing,
  }
  const down = (type: 'welcome' | 'receipt', members: object): Uint8Array =>
    signAndSeal(type, { id: server, key: receipt }, { id: gateway, box: boxPublic(box.publicKey) }, members)
      .envelope
  /** What the gateway said, as the server reads it. */
  const read = (payload: Uint8Array): { type: string; nonce: string } => {
    const { envelope } = unpack(payload)
    const expected = { iss: gateway, key: verifyKey(sign.publicKey), aud: server, box: serverBox }
    const said = openFrom(envelope, ['hello', 'ready'], expected)
    return { type: said.type, nonce: 'nonce' in said.body ? said.body.nonce : '' }
  }
  const welcome = (nonce: string): Uint8Array =>
    down('welcome', {
      nonce,
      serverNonce: '12'.repeat(16),
      epochs: [],
      status: 'ok',
      token: 1,
      time: clock.wall,
      minVersion: '0.1.0',
      versions,
    })
  return { gateway, server, receipt, box, custodian, row, read, down, welcome }
}

const events: SessionEvents = {
  connected: () => {},
  welcomed: () => {},
  settled: () => {},
  commanded: async () => {},
  updated: () => {},
  refused: () => {},
  silent: () => {},
  closed: () => {},
}

test('a receipt that does not come is asked for, though every heartbeat is answered before its time is over', async () => {
  const parties = makeParties()
  const { gateway, server, receipt, box, custodian, row } = parties
  const { down } = topics(server, gateway)
  const order: string[] = []
  const sentTwice = Promise.withResolvers<void>()
  broker = await makeBroker({
    heard: payload => {
      const isRow = Buffer.from(payload).includes(Buffer.from(row.parcel.envelope))
      const said = isRow ? { type: 'row', nonce: '' } : parties.read(payload)
      order.push(said.type)
      if (said.type === 'hello') broker?.say(down, parties.welcome(said.nonce))
      if (order.filter(type => type === 'row').length === 2) sentTwice.resolve()
    },
  })
  session = openSession(
    {
      custodian,
      gateway,
      server,
      receiptKey: verifyKey(receipt.publicKey),
      box,
      facts: () => ({ boot: clock.boot, software: '0.1.0', drivers: 'ef'.repeat(32), clock, versions }),
      heartbeatMs: 60,
      window: 8,
      // 600 to 1200 ms: ten heartbeats or more
      overdue: backoff(1200, 1200),
    },
    broker.address,
    events,
  )
  await sentTwice.promise
  // the row that nobody receipted left again, after heartbeats that were all answered
  const between = order.slice(order.indexOf('row') + 1, order.lastIndexOf('row'))
  expect(between.filter(type => type === 'hello').length).toBeGreaterThan(2)
  expect(between.filter(type => type === 'ready').length).toBeGreaterThan(2)
})

test('more than can be settled ends the connection instead of filling the memory', async () => {
  const parties = makeParties()
  const { gateway, server, receipt, box, custodian } = parties
  const { down } = topics(server, gateway)
  const never = new Promise<Settled>(() => {})
  const proof = parties.down('receipt', { epoch, seq: 1, head: 'cd'.repeat(32), holes: [], time: clock.wall })
  const closed = Promise.withResolvers<Fault>()
  broker = await makeBroker()
  session = openSession(
    {
      custodian: { ...custodian, receipt: () => never },
      gateway,
      server,
      receiptKey: verifyKey(receipt.publicKey),
      box,
      facts: () => ({ boot: clock.boot, software: '0.1.0', drivers: 'ef'.repeat(32), clock, versions }),
      heartbeatMs: 60_000,
      window: 8,
      overdue: backoff(60_000, 60_000),
    },
    broker.address,
    {
      ...events,
      // a receipt that is said again and again, while the disk takes for ever over the first
      connected: () => {
        for (let n = 0; n < 2100; n++) broker?.say(down, proof)
      },
      closed: closed.resolve,
    },
  )
  expect(await closed.promise).toMatchObject({ code: 'server.refused' })
})
