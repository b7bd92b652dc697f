import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net'
import { connect, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { readRouteFile } from '../../src/identity/identity.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { readKeySets } from '../../src/receiver/state.ts'
import type { Random } from '../way/random.ts'
import type { WayBox, WaySite } from '../way/site.ts'
import { lane } from './lane.ts'
import { cutPackets, kinds, type Packet } from './packets.ts'
import { calm, type End, ends, type Trouble } from './trouble.ts'

/**
 * A piece of the broker's own house that works badly: it shows the gateway the broker's certificate and key, and the
 * broker those of the gateway, so that it sees every packet of a path that both of them take for the true one.
 */
export interface ChaosProxy {
  port: number
  /** How it behaves from now on. */
  be(trouble: Trouble): void
  /** What it has done so far. */
  done(): ReadonlyMap<string, number>
  /** Connections that gateways have open with it. */
  open(): number
  close(): Promise<void>
}

const [brokerName, loopback] = ['localhost', '127.0.0.1']
/** Who cannot be cut in the middle of a packet, because none comes, is cut without. */
const cutLimitMs = 1000
/** How long a line that is half open stays so, where it is one of many ends. */
const halfOpenMs = 1500

/** Starts one in front of the site's broker, for this box; `tell` hears of each fault as it is injected. */
export function startProxy(
  site: WaySite,
  box: WayBox,
  random: Random,
  tell: (what: string) => void = () => undefined,
): Promise<ChaosProxy> {
  const { broker, authority } = readKeySets(site.receiver).at(-1)!
  const asGateway = {
    ...{ host: loopback, port: site.brokerPort, servername: brokerName, ca: authority, noDelay: true },
    ...{ key: readKeys(box.state).tlsKey, cert: readRouteFile(box.state)!.certificate },
  }
  const counts = new Map<string, number>()
  const sockets = new Set<Socket>()
  const links = new Set<TLSSocket>()
  let trouble = calm

  const note = (what: string): void => {
    counts.set(what, (counts.get(what) ?? 0) + 1)
    tell(what)
  }

  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // why a line ended is nothing to this piece of it
    socket.on('error', () => socket.destroy())
  }

  const toBroker = (): TLSSocket => {
    const socket = connect(asGateway)
    keep(socket)
    return socket
  }

  const link = (gateway: TLSSocket): void => {
    keep(gateway)
    links.add(gateway)
    const server = toBroker()
    let frozen = false
    let greeting: Packet | undefined
    let life: NodeJS.Timeout | undefined
    const writer =
      (to: TLSSocket) =>
      (bytes: Buffer, then?: () => void): void => {
        if (!to.destroyed && !frozen && !trouble.halfOpen) to.write(bytes, then)
      }
    const parts = { trouble: () => trouble, random, tell: note }
    const [up, down] = [
      lane({ ...parts, way: 'up', write: writer(server), answer: writer(gateway) }),
      lane({ ...parts, way: 'down', write: writer(gateway), answer: writer(server) }),
    ]
    const end = (): void => {
      clearTimeout(life)
      up.stop()
      down.stop()
      links.delete(gateway)
      gateway.destroy()
      server.destroy()
    }
    /** The same client connects once more: a broker must let the newcomer in and the other go (MQTT 3.1.4). */
    const takeOver = (): void => {
      const other = toBroker()
      if (greeting !== undefined) other.write(greeting.bytes)
      other.once('data', () => other.destroy())
    }
    const ending: Record<End, () => void> = {
      'in-packet-up': () => up.cutInside(end),
      'in-packet-down': () => down.cutInside(end),
      closed: end,
      'half-open': () => {
        frozen = true
      },
      'taken-over': takeOver,
    }
    const live = (): void => {
      const [least, most] = trouble.life ?? [cutLimitMs, cutLimitMs]
      life = setTimeout(
        () => {
          if (trouble.life === undefined) return live()
          const how = ends[random.between(0, ends.length - 1)]!
          note(`connection ${how}`)
          ending[how]()
          if (gateway.destroyed) return
          life = setTimeout(end, how === 'half-open' ? halfOpenMs : cutLimitMs)
        },
        random.between(least, most),
      )
    }
    gateway.on('close', end)
    server.on('close', end)
    const heard = cutPackets(packet => {
      if (packet.kind === kinds.connect) greeting = { ...packet, bytes: Buffer.from(packet.bytes) }
      up.take(packet)
    })
    gateway.on('data', heard)
    server.on('data', cutPackets(down.take))
    live()
  }

  /** Ends both lines in the middle of the first flight of TLS. */
  const cutHandshake = (gateway: Socket): void => {
    note('TLS handshake cut')
    gateway.once('data', (hello: Buffer) => {
      const server = connectPlain(site.brokerPort, loopback)
      keep(server)
      server.write(hello.subarray(0, random.between(1, hello.length - 1)), () => {
        server.destroy()
        gateway.destroy()
      })
    })
  }

  const tls = createTlsServer({ key: broker.key, cert: broker.certificate, noDelay: true }, link)
  tls.on('tlsClientError', () => undefined)
  const server = createServer(gateway => {
    keep(gateway)
    if (random.percent(trouble.handshake)) cutHandshake(gateway)
    else tls.emit('connection', gateway)
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, loopback, () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        be: now => {
          trouble = now
        },
        done: () => counts,
        open: () => links.size,
        close: () =>
          new Promise(done => {
            server.close(() => done())
            for (const socket of sockets) socket.destroy()
          }),
      }),
    )
  })
}
