import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, checkServerIdentity } from 'node:tls'
import { connect, type IClientOptions, MqttClient } from 'mqtt'
import { codeOf, Fault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import { upFilter } from '../wire/topics.ts'
import type { Outgoing } from './receipts.ts'
import type { Receive } from './receive.ts'
import type { TlsEnd } from './state.ts'
import type { Message } from './verify.ts'

/** How to reach a broker over the network: `mqtts://host:port`, and the name its certificate must have. */
export interface Remote {
  url: string
  host: string
  tls: TlsEnd
}

/** Where to listen, and what to do with what is heard. */
export interface ListenSettings {
  /** A broker over the network, or a connection to the one in this process. */
  broker: Remote | (() => Duplex)
  clientId: string
  server: string
  /** Whether to share the subscription with other workers (WIRE 8.2); aedes cannot. */
  shared: boolean
  receive: Receive
  log: Log
}

/** A running listener. */
export interface Listener {
  /** Resolves when the broker first granted the subscription; rejects like `failed`. */
  listening: Promise<void>
  /** Never resolves; rejects with what makes going on senseless: a store that does not keep. */
  failed: Promise<never>
  /** Publishes what goes down and is no answer. What cannot be sent now is lost, and asked for again. */
  send(out: readonly Outgoing[]): void
  /** What is shown and believed from the next connection on; nothing within the process. */
  show(tls: TlsEnd): void
  /** Takes what was heard, sends what is due, then leaves. */
  stop(): Promise<void>
}

/** What mqtt calls its stream: a Duplex that may be a socket. */
type MqttStream = ReturnType<ConstructorParameters<typeof MqttClient>[0]>

/** Messages of one transaction at most: more gain little, and a receipt waits for the whole batch. */
const batchLimit = 128
/** Messages that wait at most; then nothing more is read from the connection. All wait behind these. */
const queueLimit = 2 * batchLimit
/** Publishes that wait for the broker at most; then nothing more is taken from the queue. */
const flightLimit = 1000
/** While another process holds the database. */
const busyMs = 200
const stopMs = 5000
const backOff = { first: 500, most: 30_000 }

const sessionOptions = ({ clientId }: ListenSettings): IClientOptions => ({
  clientId,
  protocolVersion: 4,
  clean: true,
  keepalive: 60,
  connectTimeout: 10_000,
  reconnectPeriod: backOff.first,
  resubscribe: false,
  queueQoSZero: false,
})

const tlsOptions = ({ host, tls }: Remote): ConnectionOptions & { noDelay: boolean } => ({
  key: tls.key,
  cert: tls.certificate,
  ca: tls.authority,
  minVersion: 'TLSv1.2',
  noDelay: true,
  // an address is no server name (RFC 6066, 3), but a certificate may name one
  ...(isIP(host) === 0 ? { servername: host } : {}),
  checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
})

/** The MQTT client, over the network or within the process. */
function connectTo(settings: ListenSettings): MqttClient {
  const { broker } = settings
  return typeof broker === 'function'
    ? // the longest that the broker takes: who waits for the database is not dead
      new MqttClient(broker as () => MqttStream, { ...sessionOptions(settings), keepalive: 600 })
    : connect(broker.url, Object.assign(sessionOptions(settings), tlsOptions(broker)))
}

/** Listens to all gateways of one server and answers them. It reconnects for ever, with growing pauses. */
export function startListener(settings: ListenSettings): Listener {
  const { log, receive } = settings
  const queue: Message[] = []
  const failure = Promise.withResolvers<never>()
  const listening = Promise.withResolvers<void>()
  failure.promise.catch(listening.reject)
  // whoever starts the listener may look at only one of the two
  listening.promise.catch(() => undefined)
  const pipe = makePipe(settings, failure.reject, listening.resolve)
  let planned = false
  let stopped = false
  let readOn: (() => void) | undefined

  const plan = (): void => {
    if (planned || stopped || queue.length === 0) return
    planned = true
    gather(queue.length)
  }

  /** Takes at once what came alone; where each turn of the loop brings more, a full batch, for one commit holds all. */
  function gather(before: number): void {
    setImmediate(() => {
      if (queue.length > before && queue.length < batchLimit) gather(queue.length)
      else take()
    })
  }

  function take(): void {
    planned = false
    if (stopped || pipe.isFull()) return
    const batch = queue.slice(0, batchLimit)
    try {
      for (const answer of receive(batch)) pipe.publish(answer)
    } catch (error) {
      if (codeOf(error) !== 'SQLITE_BUSY') {
        fail(error)
        return
      }
      log.warn({ part: 'listen', count: queue.length }, 'database is busy')
      planned = true
      setTimeout(take, busyMs)
      return
    }
    queue.splice(0, batch.length)
    if (queue.length < queueLimit) readOn?.()
    plan()
  }

  function fail(error: unknown): void {
    stopped = true
    failure.reject(error)
  }

  pipe.onRoom(plan)
  pipe.client.handleMessage = (packet, done) => {
    queue.push({ topic: packet.topic, payload: new Uint8Array(packet.payload as Buffer) })
    plan()
    if (queue.length < queueLimit) return done()
    // back-pressure: mqtt.js reads the next packet only after `done`
    readOn = () => {
      readOn = undefined
      done()
    }
  }

  return {
    listening: listening.promise,
    failed: failure.promise,
    show: pipe.show,
    send: out => {
      for (const one of out) pipe.publish(one)
    },
    stop: async () => {
      for (let before = -1; queue.length > 0 && queue.length !== before && !stopped; ) {
        // what cannot be taken now was not confirmed either, and comes again
        before = queue.length
        take()
      }
      stopped = true
      await pipe.end()
    },
  }
}

/** The connection: mqtt.js as a pipe, with our own pauses between attempts. */
function makePipe(settings: ListenSettings, fail: (error: unknown) => void, subscribed: () => void) {
  const log = settings.log.child({ part: 'listen' })
  const client = connectTo(settings)
  // within the process nothing gets lost, either way, and acknowledging each message costs as much again as bringing
  // it. One on the way down would wait behind what is yet to be taken: with the queue and the flight both full neither
  // would ever move
  const qos = typeof settings.broker === 'function' ? 0 : 1
  let flight = 0
  let attempt = 0
  let room = (): void => undefined

  client.on('connect', () => {
    attempt = 0
    const filter = upFilter(settings.server, settings.shared)
    client.subscribe(filter, { qos }, (error, granted) => {
      if (error === null && granted?.every(one => one.qos !== 128)) {
        log.info({ topic: filter }, 'listening')
        return subscribed()
      }
      if (client.connected) fail(new Fault('server.refused', `broker refuses the subscription ${filter}`))
    })
  })
  client.on('error', error => log.warn({ err: error, attempt }, 'broker is not reached'))
  client.on('close', () => {
    attempt++
    // full jitter, so that many workers do not return at once
    const most = Math.min(backOff.most, backOff.first * 2 ** Math.min(attempt, 10))
    client.options.reconnectPeriod = Math.ceil(most / 2 + (Math.random() * most) / 2)
  })

  return {
    client,
    isFull: () => flight >= flightLimit,
    onRoom: (then: () => void) => {
      room = then
    },
    publish: ({ topic, payload }: Outgoing): void => {
      // an answer that gets lost is asked for again (WIRE 7.10)
      if (!client.connected) return
      flight++
      client.publish(topic, Buffer.from(payload), { qos }, () => {
        flight--
        room()
      })
    },
    show: (tls: TlsEnd): void => {
      const { broker } = settings
      if (typeof broker !== 'function') Object.assign(client.options, tlsOptions({ ...broker, tls }))
    },
    end: async (): Promise<void> => {
      const until = Date.now() + stopMs
      while (flight > 0 && client.connected && Date.now() < until) {
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      if (flight > 0 || !client.connected) return client.endAsync(true)
      // a broker that does not read does not hear that we leave
      const late = setTimeout(() => client.stream.destroy(), stopMs)
      await client.endAsync()
      clearTimeout(late)
    },
  }
}
