import type { ConnectionOptions } from 'node:tls'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { Bytes } from '../base/bytes.ts'
import { codeOf, Fault, isFault } from '../base/fault.ts'
import { followPackets, packetLimit } from '../wire/packets.ts'
import { checkPinned } from './pin.ts'

/** How to reach the broker of a route, and as whom. */
export interface Address {
  /** `mqtts://host:port`, one of the server entry's. */
  broker: string
  clientId: string
  ca: readonly string[]
  pins: readonly string[]
  certificate: string
  key: string
}

/** What a connection tells. `closed` comes exactly once, last. */
export interface ConnectionEvents {
  open(): void
  message(payload: Bytes): void
  closed(why: Fault): void
}

/** One connection to the broker; after `closed` it is of no more use. */
export interface Connection {
  /** Resolves when the broker took it (PUBACK), which proves nothing about the server (WIRE 8.5). */
  publish(topic: string, payload: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** Milliseconds from the start until the broker has let us listen: a broker that stays silent is left alone. */
const openLimitMs = 20_000
const keepaliveSeconds = 30

/** The fault that an error of the connection means to a technician. */
function faultOf(error: unknown, broker: string): Fault {
  if (isFault(error)) return error
  const code = codeOf(error) ?? ''
  const message = error instanceof Error ? error.message : String(error)
  if (/CERT|ERR_TLS|ERR_SSL|VERIFY|SIGNATURE|ISSUER/.test(code)) {
    return new Fault('server.refused', `TLS with ${broker} failed: ${code}`, {
      cause: error,
      hint: 'either side does not accept the other’s certificate: check the clock and the enrolment',
    })
  }
  return new Fault('server.unreachable', `no connection to ${broker}: ${code === '' ? message : code}`, {
    cause: error,
    hint: 'check the network cable, the name and the firewall (port 8883 outwards)',
  })
}

/**
 * Connects once and subscribes to `listen`; `open` is told when the broker granted it. MQTT 3.1.1, clean
 * session, nothing queued by the library: the outbox is the queue, this is a pipe (DESIGN 4). A broker that
 * takes longer than `patienceMs` for that, or announces a packet that is too long, is closed.
 */
export function openConnection(
  address: Address,
  listen: string,
  events: ConnectionEvents,
  patienceMs = openLimitMs,
): Connection {
  let last: unknown
  let over = false
  // mqtt hands these on to tls.connect, whose part of the options its types leave out
  const options: IClientOptions &
    Pick<ConnectionOptions, 'checkServerIdentity' | 'minVersion'> & { noDelay: boolean } = {
    protocolVersion: 4,
    clientId: address.clientId,
    clean: true,
    keepalive: keepaliveSeconds,
    // the one timer that counts is our own, which goes on until we may listen
    connectTimeout: patienceMs * 2,
    reconnectPeriod: 0,
    queueQoSZero: false,
    ca: [...address.ca],
    cert: address.certificate,
    key: address.key,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    checkServerIdentity: checkPinned(address.pins),
    // without it the small packets wait for each other's acknowledgement: 83 ms instead of 2.4
    noDelay: true,
  }
  const client: MqttClient = connect(address.broker, options)
  const end = (): void => {
    if (over) return
    over = true
    clearTimeout(patience)
    client.end(true)
    events.closed(faultOf(last ?? new Error('connection closed'), address.broker))
  }
  const fail = (why: unknown): void => {
    last ??= why
    end()
  }
  const patience = setTimeout(() => {
    fail(new Fault('server.unreachable', `${address.broker} did not answer within ${patienceMs} ms`))
  }, patienceMs)
  // mqtt.js gathers whatever length a packet announces, up to 256 MiB: we look before it does
  const tooLong = followPackets(packetLimit)
  client.stream.prependListener('data', (chunk: Buffer) => {
    const length = tooLong(chunk)
    if (length === undefined || over) return
    fail(new Fault('server.refused', `${address.broker} announced a packet of ${length} bytes`))
  })
  client.on('error', fail)
  client.on('close', end)
  client.on('connect', () => {
    client.subscribe(listen, { qos: 1 }, (error, granted) => {
      if (over) return
      clearTimeout(patience)
      if (error === null && granted?.[0]?.qos !== 128) return events.open()
      fail(
        new Fault('server.refused', `the broker does not let this gateway listen on its own topic`, {
          cause: error,
          hint: 'its certificate and its enrolment do not fit: ask the operator',
        }),
      )
    })
  })
  client.on('message', (_topic, payload) => events.message(Uint8Array.from(payload)))
  return {
    publish: async (topic, payload) => {
      await client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain: false })
    },
    close: async () => {
      over = true
      clearTimeout(patience)
      await client.endAsync(true)
    },
  }
}
