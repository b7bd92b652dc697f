import { createServer, type TLSSocket } from 'node:tls'
import { unbase64url } from '../../src/base/bytes.ts'
import { brokerTls, readServerKeys } from '../../src/receiver/state.ts'
import { open, unpack } from '../../src/wire/envelope.ts'
import { boxPublic } from '../../src/wire/keys.ts'
import { signAndSeal } from '../../src/wire/message.ts'
import type { HelloBody } from '../../src/wire/session.ts'
import { decodeBody } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { hearPackets, publishPacket } from './mqtt.ts'
import { type Seen, sinkChains } from './sink-chains.ts'

/*
 * A part of the bench, and no receiver: it takes the place of the server so that a gateway can be measured alone. It
 * has the server's keys, opens no reading, verifies nothing and keeps nothing. It answers each HELLO with a WELCOME,
 * reckons the chain over the envelopes that come, and receipts what hangs together. It runs as a process of its own.
 */

/** What the sink is told once, by whoever started it. */
export interface SinkOrder {
  /** State folder of the receiver whose place it takes. */
  receiver: string
  port: number
  gateway: string
  /** The gateway's public box key, base64url. */
  box: string
}

/** Takes the server's place for one gateway. */
function serve({ receiver, port, gateway, box }: SinkOrder): Promise<Seen> {
  const keys = readServerKeys(receiver)
  const { key, certificate, authority } = brokerTls(receiver)
  const to = { id: gateway, box: boxPublic(unbase64url(box)) }
  const { down } = topics(keys.id, gateway)
  let kid = ''
  let token = 0
  const chains = sinkChains(() => ({ gateway, server: keys.id, kid }))

  const say = (socket: TLSSocket, type: 'welcome' | 'receipt', members: object): void => {
    const { envelope } = signAndSeal(type, { id: keys.id, key: keys.receipt }, to, members)
    socket.write(publishPacket(down, envelope))
  }

  const welcome = (socket: TLSSocket, hello: HelloBody): void => {
    kid = hello.kid
    token = Math.max(token, hello.token) + 1
    const epochs = hello.epochs.map(({ epoch, seq }) => ({ ...chains.placeOf(epoch, seq), holes: [] }))
    const { nonce, versions } = hello
    const more = { status: 'ok', token, time: Date.now(), minVersion: '0.0.0', versions }
    say(socket, 'welcome', { nonce, serverNonce: '12'.repeat(16), epochs, ...more })
  }

  const hear = (socket: TLSSocket, payloads: readonly Uint8Array[]): void => {
    const grown = new Set<string>()
    for (const payload of payloads) {
      const { epoch, seq, envelope } = unpack(payload)
      if (seq === 0) {
        const { type, body } = open(envelope, keys.box)
        if (type === 'hello') welcome(socket, decodeBody(body) as unknown as HelloBody)
      } else if (chains.take(epoch, seq, envelope)) grown.add(epoch)
    }
    for (const epoch of grown) {
      say(socket, 'receipt', { ...chains.placeOf(epoch), holes: [], time: Date.now() })
    }
  }

  const tls = { key, cert: certificate, ca: authority, requestCert: true, minVersion: 'TLSv1.2' } as const
  const server = createServer({ ...tls, noDelay: true }, socket => {
    const packets = hearPackets()
    // a gateway that hangs up is none of its business
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      socket.cork()
      const heard = packets(chunk)
      for (const { answer } of heard) if (answer !== undefined) socket.write(answer)
      hear(
        socket,
        heard.flatMap(({ payload }) => payload ?? []),
      )
      socket.uncork()
    })
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, () => resolve(chains.seen))
  })
}

process.once('message', (order: SinkOrder) => {
  serve(order).then(
    seen => {
      process.on('message', () => process.send?.(seen))
      process.send?.('listening')
    },
    (error: unknown) => {
      process.stderr.write(`sink: ${String(error)}\n`)
      process.exit(1)
    },
  )
})
process.once('disconnect', () => process.exit(0))
