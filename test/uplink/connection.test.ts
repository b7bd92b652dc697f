import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import type { Fault } from '../../src/base/fault.ts'
import { type Connection, openConnection } from '../../src/uplink/connection.ts'
import { type Broker, type Manners, makeBroker } from './broker.ts'

let broker: Broker | undefined
let connection: Connection | undefined
afterEach(async () => {
  await connection?.close()
  await broker?.stop()
})

/** A connection to a broker of these manners: what it tells of opening, and of its end. */
async function connected(manners: Manners, patienceMs?: number) {
  broker = await makeBroker(manners)
  const opened = Promise.withResolvers<'open'>()
  const closed = Promise.withResolvers<Fault>()
  const heard: number[] = []
  const events = {
    open: () => opened.resolve('open'),
    message: (payload: Uint8Array) => void heard.push(payload.length),
    closed: closed.resolve,
  }
  connection = openConnection(broker.address, 'down', events, patienceMs)
  return { broker, opened: opened.promise, closed: closed.promise, heard }
}

test('a broker that lets nobody listen is left, so that the next address gets its turn', async () => {
  const { opened, closed } = await connected({ grants: false }, 300)
  const first = await Promise.race([opened, closed])
  expect(first).toMatchObject({ code: 'server.unreachable' })
  expect((first as Fault).message).toContain('did not answer within 300 ms')
})

/** A port behind which nobody says a word; `gone` resolves when its guest has left. */
async function silentPort() {
  const gone = Promise.withResolvers<void>()
  const came = Promise.withResolvers<void>()
  const server = createServer(socket => {
    came.resolve()
    socket.on('error', () => {})
    socket.on('close', () => gone.resolve())
    socket.resume()
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    broker: `mqtts://localhost:${port}`,
    came: came.promise,
    gone: gone.promise,
    end: () => server.close(),
  }
}

test('a port that speaks no TLS is left when the time is over, and a connection that is closed tells nothing', async () => {
  const silent = await silentPort()
  broker = await makeBroker()
  const closed = Promise.withResolvers<Fault>()
  const events = { open: () => {}, message: () => {}, closed: closed.resolve }
  const address = { ...broker.address, broker: silent.broker }
  connection = openConnection(address, 'down', events, 200)
  expect(await closed.promise).toMatchObject({ code: 'server.unreachable' })
  await silent.gone
  await expect(connection.publish('up', new Uint8Array(1))).rejects.toMatchObject({
    code: 'server.unreachable',
  })
  silent.end()

  const other = await silentPort()
  let told = 0
  const unheard = { open: () => void told++, message: () => void told++, closed: () => void told++ }
  connection = openConnection({ ...address, broker: other.broker }, 'down', unheard)
  await other.came
  await connection.close()
  await other.gone
  other.end()
  expect(told).toBe(0)
})

test('a broker that lets us listen in time is not left when the time is over', async () => {
  const { opened, closed } = await connected({}, 1000)
  expect(await opened).toBe('open')
  const later = new Promise<'still open'>(resolve => setTimeout(resolve, 1200, 'still open'))
  expect(await Promise.race([closed, later])).toBe('still open')
})

// MQTT 3.1.1, 2.2.3: ff ff ff 7f announces 268,435,455 bytes; WIRE 1.5 takes 65,536
test.each([
  ['of 256 MiB', [0x30, 0xff, 0xff, 0xff, 0x7f]],
  ['one byte too long', [0x30, 0xfd, 0xff, 0x03]],
  ['of a length that is none', [0x30, 0xff, 0xff, 0xff, 0xff]],
])('a packet %s closes the connection before it came', async (_what, header) => {
  const { broker: peer, opened, closed } = await connected({})
  await opened
  for (const socket of peer.sockets) socket.write(Buffer.from(header))
  expect(await closed).toMatchObject({ code: 'server.refused' })
})

test('the longest packet is taken', async () => {
  const { broker: peer, opened, heard } = await connected({})
  await opened
  // 65,536 in all: 4 of the fixed header, 2 + 4 of the topic "down", the rest is the message
  peer.say('down', Buffer.alloc(65_526))
  peer.say('down', Buffer.alloc(1))
  while (heard.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  expect(heard).toEqual([65_526, 1])
})
