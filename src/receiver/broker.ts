import { constants } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { codeOf, Fault } from '../base/fault.ts'
import { type DoorLimits, openDoor } from './broker-door.ts'
import { guard } from './broker-guard.ts'
import { connectEnds } from './broker-pair.ts'
import {
  type Peer,
  peerOf,
  type Refusal,
  type RefusalReason,
  refusals,
  strangerAt,
} from './broker-refusals.ts'
import type { Parties } from './broker-rules.ts'
import { openSessions, type Sessions } from './broker-sessions.ts'
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
  /** Most clients at a time; further ones are closed and reported. */
  clients?: number
  /** Most connections that have yet to prove themselves. */
  door?: DoorLimits
}

/** A running broker. */
export interface Broker {
  port: number
  /** A connection for the receiver of this very process: MQTT as for everybody, without a network between. */
  connectReceiver(): Duplex
  /** What is shown and believed from the next connection on; those that are open stay. */
  show(tls: TlsEnd): void
  /** Names of the clients that are connected. */
  clients(): string[]
  /** Never resolves; rejects with what breaks it after the start: fault `broker.port`, or a bug. */
  failed: Promise<never>
  /** Closes every connection and the port; refusals held back are reported before it resolves. */
  stop(): Promise<void>
}

/** Two round trips and a signature, with time for one packet that was lost twice on the way. */
const handshakeMs = 5000
const clientsLimit = 2000
/**
 * Whoever waits keeps a descriptor and the buffers of a handshake, so 256 in all; from one address as many
 * as the gateways of a large home behind one router, which all come back at once after a power cut.
 */
const doorLimits: DoorLimits = { waiting: 256, perAddress: 64 }

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
  const sockets = new Set<Socket>()
  const clients = new Set<TLSSocket>()
  const server = createServer(tlsOptions(settings.tls))
  const door = openDoor(settings.door ?? doorLimits, (socket, waiting) => {
    told.refuse(strangerAt(socket), 'too-many-waiting', String(waiting))
    socket.destroy()
  })

  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    door.enter(socket)
  })
  server.on('tlsClientError', (error, socket) => {
    const code = codeOf(error) ?? ''
    // a broken line is no suspicion; somebody who does not speak our TLS is
    if (code.startsWith('ERR_SSL')) told.refuse(strangerAt(socket), 'no-tls', code)
  })
  server.on('secureConnection', socket => {
    const peer = peerOf(socket)
    const why = forbidsSocket(socket, peer, clients.size >= (settings.clients ?? clientsLimit))
    if (why !== undefined) {
      told.refuse(peer, ...why)
      socket.on('error', () => undefined) // he may be gone already, which is what we want
      socket.destroy()
      return
    }
    const stream = guard(socket, (reason, detail) => told.refuse(peer, reason, detail))
    sessions.handle(stream, peer, () => {
      door.letIn(socket)
      clients.add(socket)
    })
    socket.on('close', () => clients.delete(socket))
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
      const [ours, theirs] = connectEnds()
      const peer = { address: 'this process', fingerprint: null, name: settings.parties.receiver }
      sessions.handle(ours, peer, () => undefined)
      return theirs
    },
    show: tls => server.setSecureContext(tlsOptions(tls)),
    clients: sessions.names,
    failed: failing(server, sessions),
    stop: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      await sessions.stop()
      for (const socket of sockets) socket.destroy()
      await closed
      told.flush()
    },
  }
}

/** Why somebody may not begin to speak MQTT; undefined if he may. */
function forbidsSocket(socket: TLSSocket, peer: Peer, full: boolean): [RefusalReason, string] | undefined {
  if (peer.fingerprint === null) return ['no-certificate', '']
  if (!socket.authorized) return ['foreign-certificate', String(socket.authorizationError)]
  return full ? ['too-many-connections', ''] : undefined
}

/** Rejects with what breaks a port that is open, or the sessions. */
function failing(server: Server, sessions: Sessions): Promise<never> {
  const failure = Promise.withResolvers<never>()
  // whoever starts the broker may not look at it
  failure.promise.catch(() => undefined)
  server.on('error', cause => {
    const code = codeOf(cause) ?? 'unknown error'
    failure.reject(new Fault('broker.port', `broker cannot go on listening (${code})`, { cause }))
  })
  sessions.failed.catch(failure.reject)
  return failure.promise
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
