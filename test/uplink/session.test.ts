import { afterEach, expect, test } from '@jest/globals'
import type { Fault } from '../../src/base/fault.ts'
import { backoff } from '../../src/uplink/backoff.ts'
import type { Settled } from '../../src/uplink/custodian.ts'
import { openSession, type Session } from '../../src/uplink/session.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Broker, makeBroker } from './broker.ts'
import { clock, epoch, events, makeParties, versions } from './parties.ts'

let broker: Broker | undefined
let session: Session | undefined
afterEach(async () => {
  await session?.close()
  await broker?.stop()
})

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

test('the answer to a hello that was overtaken accuses nobody; the same answer again, or one to no hello, does', async () => {
  const parties = makeParties()
  const { gateway, server, receipt, box, custodian } = parties
  const { down } = topics(server, gateway)
  const refused: string[] = []
  const all = Promise.withResolvers<void>()
  const nonces: string[] = []
  broker = await makeBroker({
    heard: payload => {
      const said = parties.read(payload)
      if (said.type !== 'hello') return
      nonces.push(said.nonce)
      if (nonces.length > 2) broker?.say(down, parties.welcome(said.nonce))
      if (nonces.length !== 2) return
      // the first hello's answer comes after the second was said, then once more; one is to a hello of nobody
      for (const nonce of [nonces[0]!, nonces[0]!, '0'.repeat(32), said.nonce]) {
        broker?.say(down, parties.welcome(nonce))
      }
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
      overdue: backoff(60_000, 60_000),
    },
    broker.address,
    { ...events, refused: code => refused.push(code), welcomed: () => all.resolve() },
  )
  await all.promise
  expect(refused).toEqual(['wire.wrong-audience', 'wire.wrong-audience'])
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
