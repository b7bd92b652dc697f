import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { Aedes } from 'aedes'
import type { Address } from '../../src/uplink/connection.ts'
import { type Issued, makeLeaf, makeRoot } from './certificates.ts'

/** A broker within the test, on TLS, that does as it is told. */
export interface Broker {
  /** How a gateway reaches it, with its own key pinned. */
  address: Address
  /** The TLS connections of now. */
  sockets: Set<TLSSocket>
  /** Bytes that came over TLS, from all connections. */
  heard(): number
  /** Shows other certificates from the next connection on. */
  show(shown: Shown): void
  /** Hangs up on everybody from the next connection on, as a broker does that does not like a certificate. */
  refuse(): void
  /** Sends to everybody who listens on the topic. */
  say(topic: string, payload: Uint8Array): void
  stop(): Promise<void>
}

/** The certificates that a broker shows: its own, and others behind it. */
export interface Shown {
  own: Issued
  others?: readonly Issued[]
}

/** What a broker is asked: `grants` false never answers SUBSCRIBE; `heard` is told what a client publishes. */
export interface Manners {
  grants?: boolean
  heard?(payload: Uint8Array): void
  /** Whether somebody is let in with a client certificate of this SHA-256; it is asked for only where this is told. */
  admits?(fingerprint: string): boolean
  /** In the place of a certificate in order, under a root of its own. */
  shown?: Shown & { root: Issued }
  tls?: TlsOptions
}

const shownAs = ({ own, others = [] }: Shown) => ({
  key: own.key,
  cert: [own, ...others].map(one => one.certificate).join(''),
})

/** Starts a broker at a free port of this machine. */
export async function makeBroker(manners: Manners = {}): Promise<Broker> {
  const { grants = true, heard = () => {}, admits, tls = {} } = manners
  const asks = admits === undefined ? {} : { requestCert: true, rejectUnauthorized: false }
  const root = manners.shown?.root ?? (await makeRoot())
  const shown: Shown = manners.shown ?? { own: await makeLeaf(root) }
  let bytes = 0
  let refuses = false
  const aedes = await Aedes.createBroker({
    authorizeSubscribe: (_client, subscription, answer) => {
      if (grants) answer(null, subscription)
    },
  })
  aedes.on('publish', (packet, client) => {
    if (client !== null) heard(Uint8Array.from(packet.payload as Buffer))
  })
  const sockets = new Set<TLSSocket>()
  const server = createServer({ ...shownAs(shown), noDelay: true, ...asks, ...tls }, socket => {
    sockets.add(socket)
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const isShut = admits?.(socket.getPeerCertificate().fingerprint256) === false
    if (refuses || isShut) return void socket.destroy()
    aedes.handle(socket)
  })
  // a client that does not like what it sees hangs up
  server.on('tlsClientError', () => {})
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return {
    address: {
      broker: `mqtts://localhost:${(server.address() as AddressInfo).port}`,
      clientId: 'gateway',
      ca: [root.certificate],
      pins: [shown.own.pin],
      certificate: shown.own.certificate,
      key: shown.own.key,
    },
    sockets,
    heard: () => bytes,
    show: next => server.setSecureContext({ ...shownAs(next), ...tls }),
    refuse: () => {
      refuses = true
    },
    say: (topic, payload) => {
      const packet = { cmd: 'publish' as const, topic, payload: Buffer.from(payload), qos: 0 as const }
      aedes.publish({ ...packet, dup: false, retain: false }, () => {})
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>(resolve => aedes.close(resolve))
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}
