import type { TLSSocket } from 'node:tls'
import { type IClientOptions, MqttClient } from 'mqtt'
import type { Bytes } from '../base/bytes.ts'
import { codeOf, Fault, isFault } from '../base/fault.ts'
import { followPackets, packetLimit } from '../wire/packets.ts'
import { type Dated, dayOf, ownDates, renewHint } from './dates.ts'
import { openLine } from './line.ts'

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
  /** The broker lets us listen; its certificates have these dates, which nobody has judged yet (WIRE 8.4). */
  open(dates: readonly Dated[]): void
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
function faultOf(error: unknown, { broker, certificate }: Address): Fault {
  if (isFault(error)) return error
  const code = codeOf(error) ?? ''
  const message = error instanceof Error ? error.message : String(error)
  if (code.endsWith('CERTIFICATE_EXPIRED')) {
    // the broker's word only: it judges by its own clock
    const until = dayOf(ownDates(certificate).until)
    return new Fault(
      'certificate.expired',
      `${broker} says that this box’s certificate, until ${until}, ran out`,
      {
        cause: error,
        hint: renewHint,
      },
    )
  }
  if (/CERT|ERR_TLS|ERR_SSL|ERR_OSSL/.test(code)) {
    return new Fault('server.refused', `TLS with ${broker} failed: ${code}`, {
      cause: error,
      hint: 'the broker does not accept this box, or speaks another TLS: ask the operator about the enrolment',
    })
  }
  return new Fault('server.unreachable', `no connection to ${broker}: ${code === '' ? message : code}`, {
    cause: error,
    hint: 'check the network cable, the name and the firewall (port 8883 outwards)',
  })
}

/** What mqtt calls its stream: a Duplex that may be a socket. */
type MqttStream = ReturnType<ConstructorParameters<typeof MqttClient>[0]>

const optionsOf = (clientId: string, patienceMs: number): IClientOptions => ({
  protocolVersion: 4,
  clientId,
  clean: true,
  keepalive: keepaliveSeconds,
  // the one timer that counts is our own, which goes on until we may listen
  connectTimeout: patienceMs * 2,
  reconnectPeriod: 0,
  queueQoSZero: false,
})

/**
 * Connects once, judges who answers, and subscribes to `listen`; `open` is told when the broker granted it. MQTT
 * 3.1.1, clean session, nothing queued by the library: the outbox is the queue, this is a pipe (DESIGN 4). A
 * broker that takes longer than `patienceMs` for that, or announces a packet that is too long, is closed.
 */
export function openConnection(
  address: Address,
  listen: string,
  events: ConnectionEvents,
  patienceMs = openLimitMs,
): Connection {
  let over = false
  let socket: TLSSocket | undefined
  let client: MqttClient | undefined
  const fail = (why: unknown): void => {
    if (over) return
    over = true
    clearTimeout(patience)
    client?.end(true)
    socket?.destroy()
    events.closed(faultOf(why, address))
  }
  const patience = setTimeout(() => {
    fail(new Fault('server.unreachable', `${address.broker} did not answer within ${patienceMs} ms`))
  }, patienceMs)

  /** MQTT begins here: mqtt.js sends its first byte as it is made. */
  const speak = (line: TLSSocket, dates: Dated[]): void => {
    const mqtt = new MqttClient(() => line as unknown as MqttStream, optionsOf(address.clientId, patienceMs))
    client = mqtt
    // mqtt.js gathers whatever length a packet announces, up to 256 MiB: we look before it does
    const tooLong = followPackets(packetLimit)
    line.prependListener('data', (chunk: Buffer) => {
      const length = tooLong(chunk)
      if (length === undefined || over) return
      fail(new Fault('server.refused', `${address.broker} announced a packet of ${length} bytes`))
    })
    mqtt.on('error', fail)
    mqtt.on('connect', () => {
      mqtt.subscribe(listen, { qos: 1 }, (error, granted) => {
        if (over) return
        clearTimeout(patience)
        if (error === null && granted?.[0]?.qos !== 128) return events.open(dates)
        fail(
          new Fault('server.refused', `the broker does not let this gateway listen on its own topic`, {
            cause: error,
            hint: 'its certificate and its enrolment do not fit: ask the operator',
          }),
        )
      })
    })
    mqtt.on('message', (_topic, payload) => events.message(Uint8Array.from(payload)))
  }

  const judged = (line: TLSSocket, dates: Dated[]): void => {
    if (!over) speak(line, dates)
  }
  try {
    socket = openLine(address, { judged, failed: fail })
  } catch (error) {
    // OpenSSL cannot read a certificate or key of the route; told like everything else, and not before we return
    queueMicrotask(() => fail(error))
  }
  return {
    publish: async (topic, payload) => {
      if (client === undefined) throw new Fault('server.unreachable', `${address.broker} is not open`)
      await client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain: false })
    },
    close: async () => {
      over = true
      clearTimeout(patience)
      await client?.endAsync(true)
      socket?.destroy()
    },
  }
}
