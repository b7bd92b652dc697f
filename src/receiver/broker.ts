import { constants } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { createServer, type Server, type TlsOptions } from 'node:tls'
import { codeOf, Fault } from '../base/fault.ts'
import { guard } from './broker-guard.ts'
import { peerOf, type Refusal, refusals, strangerAt } from './broker-refusals.ts'
import type { Parties } from './broker-rules.ts'
import { openSessions } from './broker-sessions.ts'
import type { TlsEnd } from './state.ts'

/** What the embedded broker needs to know. */
export interface BrokerSettings {
  /** The address to listen on; all of them if left out. */
  host?: string
  /** 0 takes any free port. */
  port: number
  tls: TlsEnd
  parties: Parties
  /** Called for everything that was refused, rate-limited per peer and reason. */
  onRefused(refusal: Refusal): void
  now?(): number
  /** Most connections at a time; further ones are closed and reported. */
  connections?: number
}

/** A running broker. */
export interface Broker {
  port: number
  /** A connection for the receiver of this very process: MQTT as for everybody, without a network between. */
  connectReceiver(): Duplex
  /** Names of the clients that are connected. */
  clients(): string[]
  /** Closes every connection and the port; refusals held back are reported before it resolves. */
  stop(): Promise<void>
}

const handshakeMs = 10_000
const connectionsLimit = 2000

const tlsOptions = ({ key, certificate, authority }: TlsEnd): TlsOptions => ({
  key,
  cert: certificate,
  ca: authority,
  requestCert: true,
  // whom OpenSSL refuses has no name; refused below, he has one that can be reported (DESIGN 4)
  rejectUnauthorized: false,
  minVersion: 'TLSv1.2',
  // each connection proves its key anew: a resumed session would outlive a revocation
  secureOptions: constants.SSL_OP_NO_TICKET,
  handshakeTimeout: handshakeMs,
  noDelay: true,
})

/** Starts the embedded broker (WIRE 8): mutual TLS, client id = certificate name, own topics only. */
export async function startBroker(settings: BrokerSettings): Promise<Broker> {
  const told = refusals(settings.onRefused, settings.now ?? Date.now)
  const sessions = await openSessions(settings.parties, told.refuse)
  const connections = new Set<Socket>()
  const server = createServer(tlsOptions(settings.tls))

  server.on('connection', socket => {
    if (connections.size >= (settings.connections ?? connectionsLimit)) {
      told.refuse(strangerAt(socket), 'too-many-connections', String(connections.size))
      socket.destroy()
      return
    }
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  server.on('tlsClientError', (error, socket) => {
    const code = codeOf(error) ?? ''
    // a broken line is no suspicion; somebody who does not speak our TLS is
    if (code.startsWith('ERR_SSL')) told.refuse(strangerAt(socket), 'no-tls', code)
  })
  server.on('secureConnection', socket => {
    const peer = peerOf(socket)
    if (socket.authorized) {
      sessions.handle(
        guard(socket, length => told.refuse(peer, 'packet-too-long', String(length))),
        peer,
      )
      return
    }
    if (peer.fingerprint === null) told.refuse(peer, 'no-certificate', '')
    else told.refuse(peer, 'foreign-certificate', String(socket.authorizationError))
    socket.on('error', () => undefined) // he may be gone already, which is what we want
    socket.destroy()
  })

  try {
    await listen(server, settings)
  } catch (error) {
    await sessions.stop()
    throw error
  }
  return {
    port: (server.address() as AddressInfo).port,
    connectReceiver: () => {
      const [ours, theirs] = duplexPair()
      // unlike a socket, one end of a pair does not notice that the other was destroyed
      ours.on('close', () => theirs.destroy())
      theirs.on('close', () => ours.destroy())
      sessions.handle(ours, { address: 'this process', fingerprint: null, name: settings.parties.receiver })
      return theirs
    },
    clients: sessions.names,
    stop: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      await sessions.stop()
      for (const connection of connections) connection.destroy()
      await closed
      told.flush()
    },
  }
}

/** Resolves once the port is open. Fault `broker.port` where it is taken or not permitted. */
function listen(server: Server, { host, port }: BrokerSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      const code = codeOf(cause) ?? 'unknown error'
      const hint =
        code === 'EADDRINUSE'
          ? `see who has it: ss -ltnp 'sport = :${port}'`
          : 'the address must be one of this machine; ports below 1024 need privileges'
      reject(new Fault('broker.port', `broker cannot listen on port ${port} (${code})`, { hint, cause }))
    }
    server.once('error', fail)
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', fail)
      resolve()
    })
  })
}
