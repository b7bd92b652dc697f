import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { Aedes } from 'aedes'
import type { Address } from '../../src/uplink/connection.ts'
import { spkiHash } from '../../src/uplink/pin.ts'

/** A broker within the test, on TLS, that does as it is told. */
export interface Broker {
  /** How a gateway reaches it, with its own key pinned. */
  address: Address
  /** The TLS connections of now. */
  sockets: Set<TLSSocket>
  /** Sends to everybody who listens on the topic. */
  say(topic: string, payload: Uint8Array): void
  stop(): Promise<void>
}

/** What a broker is asked: `grants` false never answers SUBSCRIBE; `heard` is told what a client publishes. */
export interface Manners {
  grants?: boolean
  heard?(payload: Uint8Array): void
}

/** A key and a certificate for localhost, made by the openssl program. */
function makeCertificate(): { key: string; certificate: string } {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-broker-'))
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2'
  execFileSync(
    'openssl',
    [...words.split(' '), '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
    { cwd: folder, stdio: 'ignore' },
  )
  const key = readFileSync(join(folder, 'key.pem'), 'utf8')
  const certificate = readFileSync(join(folder, 'cert.pem'), 'utf8')
  rmSync(folder, { recursive: true })
  return { key, certificate }
}

/** Starts a broker at a free port of this machine. */
export async function makeBroker({ grants = true, heard = () => {} }: Manners = {}): Promise<Broker> {
  const { key, certificate } = makeCertificate()
  const aedes = await Aedes.createBroker({
    authorizeSubscribe: (_client, subscription, answer) => {
      if (grants) answer(null, subscription)
    },
  })
  aedes.on('publish', (packet, client) => {
    if (client !== null) heard(Uint8Array.from(packet.payload as Buffer))
  })
  const sockets = new Set<TLSSocket>()
  const server = createServer({ key, cert: certificate, noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    aedes.handle(socket)
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return {
    address: {
      broker: `mqtts://localhost:${(server.address() as AddressInfo).port}`,
      clientId: 'gateway',
      ca: [certificate],
      pins: [spkiHash(new X509Certificate(certificate).raw)],
      certificate,
      key,
    },
    sockets,
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
