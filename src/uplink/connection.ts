import type { ConnectionOptions } from 'node:tls'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { Bytes } from '../base/bytes.ts'
import { codeOf, Fault, isFault } from '../base/fault.ts'
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

/** Milliseconds from the first packet to the broker's CONNACK. */
const connectLimit = 20_000
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
 * session, nothing queued by the library: the outbox is the queue, this is a pipe (DESIGN 4).
 */
export function openConnection(address: Address, listen: string, events: ConnectionEvents): Connection {
  let last: unknown
  let over = false
  // mqtt hands these on to tls.connect, whose part of the options its types leave out
  const options: IClientOptions &
    Pick<ConnectionOptions, 'checkServerIdentity' | 'minVersion'> & { noDelay: boolean } = {
    protocolVersion: 4,
    clientId: address.clientId,
    clean: true,
    keepalive: keepaliveSeconds,
    connectTimeout: connectLimit,
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
    client.end(true)
    events.closed(faultOf(last ?? new Error('connection closed'), address.broker))
  }
  client.on('error', error => {
    last = error
    end()
  })
  client.on('close', end)
  client.on('connect', () => {
    client.subscribe(listen, { qos: 1 }, (error, granted) => {
      if (over) return
      if (error === null && granted?.[0]?.qos !== 128) return events.open()
      last = new Fault('server.refused', `the broker does not let this gateway listen on its own topic`, {
        cause: error,
        hint: 'its certificate and its enrolment do not fit: ask the operator',
      })
      end()
    })
  })
  client.on('message', (_topic, payload) => events.message(Uint8Array.from(payload)))
  return {
    publish: async (topic, payload) => {
      await client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain: false })
    },
    close: async () => {
      over = true
      await client.endAsync(true)
    },
  }
}
