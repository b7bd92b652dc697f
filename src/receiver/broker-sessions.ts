import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { Aedes, type AuthenticateError, type Client } from 'aedes'
import type { Peer, RefusalReason } from './broker-refusals.ts'
import { forbidsPublish, forbidsSubscribe, type Parties } from './broker-rules.ts'

/** The MQTT side of the embedded broker. */
export interface Sessions {
  /** Speaks MQTT with a peer whose certificate is one of ours; `letIn` is called once he may come in. */
  handle(stream: Duplex, peer: Peer, letIn: () => void): void
  /** Names of the clients that are connected. */
  names(): string[]
  /** Never resolves; rejects with what aedes cannot recover from. */
  failed: Promise<never>
  stop(): Promise<void>
}

/** From the end of the TLS handshake to CONNECT, which follows at once. */
const connectMs = 5000
/** As good as never. A gateway is not waited for (guard); the receiver of this process may take its time. */
const drainMs = 2 ** 31 - 1
/** How long a revoked client may stay at most; asking costs a look at the registry for each. */
const expelMs = 2000
/** Seconds. A client must promise to speak at least this often, so that the dead are noticed. */
const keepaliveLimit = 600
const topicLevels = 8

/** What aedes and its parser say of a stream that is not the MQTT of WIRE 8.1; broken lines are not meant. */
const malformed =
  /^(?:Cannot parse|Invalid|Malformed|Packet (?:too|must)|Connect flag|Will |unaccept|keep alive limit|topic has|[#+] is|empty topic|impossible)/

const notAuthorised: AuthenticateError = Object.assign(new Error('not authorised'), {
  returnCode: 5 as AuthenticateError['returnCode'],
})

/** Whether a peer's name or TLS key is that of a revoked gateway. */
const isShutOut = (parties: Parties, { name, tls }: Peer): boolean =>
  name !== null && name !== parties.receiver && parties.isRevoked?.(name, tls) === true

/** Why somebody may not come in, as CONNECT shows it (WIRE 8.1); undefined if he may. */
function forbidsConnect(
  parties: Parties,
  peer: Peer,
  packet: { clientId: string; clean?: boolean; will?: { topic: string } | null },
): [RefusalReason, string] | undefined {
  const { clientId } = packet
  if (clientId !== peer.name) return ['wrong-client-id', clientId]
  if (clientId !== parties.receiver && !parties.isEnrolled(clientId)) return ['not-enrolled', clientId]
  if (isShutOut(parties, peer)) return ['revoked', clientId]
  if (packet.will !== undefined && packet.will !== null) return ['will', packet.will.topic]
  if (packet.clean !== true) return ['session-not-clean', clientId]
  return undefined
}

/** Opens the MQTT side: who may come in, publish and subscribe; all else is refused and reported. */
export async function openSessions(
  parties: Parties,
  report: (peer: Peer, reason: RefusalReason, detail: string) => void,
): Promise<Sessions> {
  const peers = new WeakMap<object, Peer>()
  const forbidden = new WeakMap<Client, [RefusalReason, string]>()
  const connected = new Set<Client>()
  // only `handle` makes clients, always with a peer
  const refuse = (client: Client, reason: RefusalReason, detail: string): void =>
    report(peers.get(client.conn)!, reason, detail)

  const failure = Promise.withResolvers<never>()
  // whoever opens the broker may not look at it
  failure.promise.catch(() => undefined)

  const aedes = await Aedes.createBroker({
    // no queue before all clients together: in it, answers of the receiver would wait behind what it is yet
    // to read. Each client is read on only when its last packets are delivered, and that bounds it
    concurrency: 0,
    connectTimeout: connectMs,
    drainTimeout: drainMs,
    keepaliveLimit,
    maxTopicLevels: topicLevels,
    // judged here, where the packet is seen; answered in `authenticate`, which can say "not authorised"
    preConnect: (client, packet, done) => {
      const why = forbidsConnect(parties, peers.get(client.conn)!, packet)
      if (why !== undefined) forbidden.set(client, why)
      done(null, true)
    },
    authenticate: (client, _username, _password, done) => {
      const why = forbidden.get(client)
      if (why === undefined) return done(null, true)
      refuse(client, ...why)
      done(notAuthorised, false)
    },
    authorizePublish: (client, packet, done) => {
      if (client === null) return done(new Error('nobody publishes here but clients'))
      const why = forbidsPublish(parties, client.id, packet)
      if (why === undefined) return done(null)
      refuse(client, 'forbidden-publish', why)
      done(new Error('publish refused'))
    },
    authorizeSubscribe: (client, subscription, done) => {
      const why = forbidsSubscribe(parties, client.id, subscription.topic)
      if (why === undefined) return done(null, subscription)
      refuse(client, 'forbidden-subscribe', why)
      done(null, null)
    },
  })
  const onError = (client: Client, error: Error): void => {
    if (malformed.test(error.message)) refuse(client, 'packet-malformed', error.message)
  }
  // an event that its types leave out
  ;(aedes as EventEmitter).on('error', failure.reject)
  aedes.on('clientError', onError)
  aedes.on('connectionError', onError)
  aedes.on('clientReady', client => {
    connected.add(client)
    // whoever was revoked since his CONNECT was judged
    expel(client)
  })
  aedes.on('clientDisconnect', client => connected.delete(client))

  /** Cuts off and reports whoever was revoked while connected. */
  function expel(client: Client): void {
    if (!isShutOut(parties, peers.get(client.conn)!)) return
    refuse(client, 'revoked', client.id)
    client.close()
  }
  const look = setInterval(() => {
    try {
      for (const client of connected) expel(client)
    } catch (error) {
      failure.reject(error)
    }
  }, expelMs).unref()

  return {
    handle: (stream, peer, letIn) => {
      peers.set(stream, peer)
      aedes.handle(stream).on('connected', letIn)
    },
    names: () => [...connected].map(client => client.id),
    failed: failure.promise,
    stop: () => {
      clearInterval(look)
      return new Promise(resolve => aedes.close(resolve))
    },
  }
}
