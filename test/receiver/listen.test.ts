import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { startBroker } from '../../src/receiver/broker.ts'
import { startListener } from '../../src/receiver/listen.ts'
import type { Receive } from '../../src/receiver/receive.ts'
import { brokerTls, clientTls, readFacts } from '../../src/receiver/state.ts'
import type { Message } from '../../src/receiver/verify.ts'
import { topics } from '../../src/wire/topics.ts'
import { gateway } from './fixture.ts'
import { connected, enrolled, silent } from './listen-fixture.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** A broker and a listener on it, whose messages go to `receive`. */
async function listening(known: Awaited<ReturnType<typeof enrolled>>, receive: Receive) {
  const { client } = readFacts(folder)
  const parties = { server: known.server.id, receiver: client, isEnrolled: () => true }
  const open = (port: number) =>
    startBroker({ port, tls: brokerTls(folder), parties, onRefused: () => undefined })
  let broker = await open(0)
  const { port } = broker
  const listener = startListener({
    broker: { url: `mqtts://127.0.0.1:${port}`, host: 'localhost', tls: clientTls(folder) },
    clientId: client,
    server: known.server.id,
    shared: false,
    receive,
    log: silent,
  })
  await listener.listening
  return {
    port,
    clients: () => broker.clients(),
    restart: async () => {
      await broker.stop()
      broker = await open(port)
    },
    stop: async () => {
      await listener.stop()
      await broker.stop()
    },
  }
}

test('while the database is busy messages wait, in order, more than fit in the queue; none is lost or doubled', async () => {
  const known = await enrolled(folder)
  const heard: number[] = []
  const all = Promise.withResolvers<void>()
  let busy = 2
  const it = await listening(known, batch => {
    if (busy-- > 0) throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })
    for (const { payload } of batch) heard.push(Buffer.from(payload).readUInt32BE())
    if (heard.length >= 1500) all.resolve()
    return []
  })
  const { client, send } = await connected(it.port, known)
  const numbers = Array.from({ length: 1500 }, (_, at) => at)
  await Promise.all(
    numbers.map(at => {
      const payload = Buffer.alloc(4)
      payload.writeUInt32BE(at)
      return send(payload)
    }),
  )
  await all.promise
  expect(heard).toEqual(numbers)
  await client.endAsync()
  await it.stop()
})

test('when the broker comes back the listener listens again', async () => {
  const known = await enrolled(folder)
  const heard = Promise.withResolvers<readonly Message[]>()
  const it = await listening(known, batch => {
    heard.resolve(batch)
    return []
  })
  await it.restart()
  const { client, send } = await connected(it.port, known)
  // QoS 1 to nobody is acknowledged as well: publish until somebody hears
  const timer = setInterval(() => {
    send(Uint8Array.of(7)).catch(() => undefined)
  }, 50)
  const [message] = await heard.promise
  clearInterval(timer)
  expect(message).toEqual({ topic: topics(known.server.id, gateway.id).up, payload: Uint8Array.of(7) })
  await client.endAsync()
  await it.stop()
})
