import { constants, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { Fault } from '../base/fault.ts'
import type { Dated } from './dates.ts'
import { judgePath } from './path.ts'

/** Where a TLS line leads, who must answer there, and as whom this box speaks; all of it PEM or hex. */
export interface LineEnds {
  /** `mqtts://host:port`. */
  broker: string
  ca: readonly string[]
  pins: readonly string[]
  certificate: string
  key: string
}

/** What a line tells: `judged` once, or `failed` as often as it likes, an error of the socket or a fault. */
export interface LineEvents {
  judged(socket: TLSSocket, dates: Dated[]): void
  failed(why: unknown): void
}

const portOfMqtts = 8883

/** Host, without the brackets of an IPv6 address, and port. */
function placeOf(broker: string): { host: string; port: number } {
  const { hostname, port } = new URL(broker)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? portOfMqtts : Number(port) }
}

/** The certificates that the other end showed, its own first, as they came. */
function shownBy(socket: TLSSocket): X509Certificate[] {
  const shown: X509Certificate[] = []
  // asked for once: Node takes the others out of the list as it tells them
  for (let one = socket.getPeerX509Certificate(); one !== undefined; one = one.issuerCertificate)
    shown.push(one)
  return shown
}

/**
 * Opens a TLS line to a broker and judges what it shows before anybody can write to it (WIRE 8.4). Node's own
 * judgement is switched off, because it includes dates by this box's clock, and where a date is wrong it tells
 * nothing else (docs/decisions/0009): nothing here asks for it.
 */
export function openLine(ends: LineEnds, events: LineEvents): TLSSocket {
  const { broker } = ends
  const { host, port } = placeOf(broker)
  // the types leave out what tls.connect hands on to net.connect
  const options: ConnectionOptions & { noDelay: boolean } = {
    host,
    port,
    // an address is no server name (RFC 6066, 3)
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ca: [...ends.ca],
    cert: ends.certificate,
    key: ends.key,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    // who was judged stays who he is
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // without it the small packets wait for each other's acknowledgement: 83 ms instead of 2.4
    noDelay: true,
  }
  const socket = connect(options)
  socket.on('error', events.failed)
  socket.once('secureConnect', () => {
    let dates: Dated[]
    try {
      dates = judgePath(shownBy(socket), { broker, host, ca: ends.ca, pins: ends.pins })
    } catch (error) {
      socket.destroy()
      return events.failed(error)
    }
    events.judged(socket, dates)
  })
  socket.once('close', () => events.failed(new Fault('server.unreachable', `${broker} closed the line`)))
  return socket
}
