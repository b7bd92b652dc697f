import { type AddressInfo, createServer as createPlain } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { Aedes } from 'aedes'
import type { MqttClient } from 'mqtt'
import { until } from '../../scripts/scenario/program.ts'
import type { Status } from '../../src/control/api.ts'
import { issueServer, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import { brokerTls } from '../../src/receiver/state.ts'
import { noEpoch, unpack } from '../../src/wire/envelope.ts'
import { patienceMs, type WayBox } from '../way/site.ts'
import { connectAs } from '../way/stranger.ts'
import type { Scene } from './scene.ts'
import { waysOf } from './thief.ts'

/** Somebody who listens where the broker should. */
export interface Rogue {
  port: number
  /** What came on `up` topics, in order. */
  heard: Uint8Array[]
  /** Bytes that came inside TLS. */
  bytes(): number
  /** Says something on a topic to whoever listens to him. */
  say(topic: string, payload: Uint8Array): void
  close(): Promise<void>
}

/** What the rogue does with a message on its way up: the messages that he passes on. */
export type Pass = (payload: Uint8Array, box: WayBox) => Uint8Array[]

/** Whether a message is a row of a chain. */
export const isRow = (payload: Uint8Array): boolean => unpack(payload).epoch !== noEpoch

const listen = async (
  tls: TlsOptions,
  take: (socket: TLSSocket) => void,
): Promise<Pick<Rogue, 'port' | 'bytes' | 'say' | 'close'>> => {
  const open = new Set<TLSSocket>()
  let bytes = 0
  const server = createServer(tls, socket => {
    open.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    take(socket)
  })
  // the gateway hangs up in the handshake: just what is wanted
  server.on('tlsClientError', () => undefined)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => bytes,
    say: () => undefined,
    close: () =>
      new Promise(done => {
        server.close(() => done())
        for (const socket of open) socket.destroy()
      }),
  }
}

/** A server with a certificate for the right name, from a CA that everybody may ask, but not this one's. */
export async function startImpostor(): Promise<Rogue & { certificate: string; authority: string }> {
  const authorityKey = await makeTlsKey()
  const authority = await makeAuthority(authorityKey, 'A public CA', Date.now())
  const key = await makeTlsKey()
  const cert = await issueServer(
    { key: authorityKey, certificate: authority },
    key,
    ['localhost'],
    Date.now(),
  )
  const tls = { key, cert, ca: authority, requestCert: true, rejectUnauthorized: false }
  return { ...(await listen(tls, () => undefined)), heard: [], certificate: cert, authority }
}

/** A port that takes nobody: a line that is cut. */
export async function deadPort(): Promise<number> {
  const server = createPlain()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/**
 * A broker of the thief of the true broker's key: TLS cannot tell it from the true one. From now on the line
 * leads to it. It acknowledges all, and hands on to the true broker what `pass` leaves, with certificates that the stolen CA made; without
 * `pass` it keeps everything for itself.
 */
export async function startRogueBroker(
  scene: Scene,
  pass?: Pass,
  passDown: (payload: Uint8Array, box: WayBox) => boolean = () => true,
  another?: string,
): Promise<Rogue> {
  const { key, certificate: own, authority } = brokerTls(scene.site.receiver)
  const certificate = another ?? own
  const heard: Uint8Array[] = []
  const aedes = await Aedes.createBroker()
  const upstream = new Map<WayBox, MqttClient>()
  const say = (topic: string, payload: Uint8Array): void =>
    aedes.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, retain: false, dup: false },
      () => undefined,
    )
  aedes.on('publish', (packet, client) => {
    if (client === null) return
    const payload = Uint8Array.from(packet.payload as Buffer)
    heard.push(payload)
    for (const [box, up] of upstream) {
      if (packet.topic !== waysOf(scene, box).up) continue
      for (const one of pass!(payload, box)) {
        // what comes while he hangs up is lost, as on any line
        if (up.connected) up.publish(packet.topic, Buffer.from(one), { qos: 1 })
      }
    }
  })
  const ready = Promise.withResolvers<void>()
  const tls = { key, cert: certificate, ca: authority, requestCert: true }
  const server = await listen(tls, socket => void ready.promise.then(() => aedes.handle(socket)))
  // the true broker knows each name once: the gateways must be here before he takes their names there
  lead(scene, server.port)
  for (const box of pass === undefined ? [] : [scene.first, scene.second]) {
    const client = await connectAs(scene.site, box.gateway)
    const { down } = waysOf(scene, box)
    client.on('message', (topic, payload) => {
      if (passDown(Uint8Array.from(payload), box)) say(topic, payload)
    })
    await client.subscribeAsync(down, { qos: 1 })
    upstream.set(box, client)
  }
  ready.resolve()
  return {
    ...server,
    heard,
    say,
    async close() {
      for (const client of upstream.values()) await client.endAsync(true)
      await server.close()
      await new Promise<void>(resolve => aedes.close(resolve))
    },
  }
}

/** Where the line of a scene was led last, and when. */
const ways = new WeakMap<Scene, { port: number; at: number }>()

/** From now on the line leads to this port; what was connected is cut. */
export function lead(scene: Scene, port: number): void {
  ways.set(scene, { port, at: Date.now() })
  scene.site.forwarder.redirect(port)
}

const isBack = (scene: Scene, { uplink }: Status, states: readonly string[]): boolean =>
  states.includes(uplink.state) && uplink.since! >= (ways.get(scene)?.at ?? 0)

/** The first gateway is connected by the way that the line takes now: it hears what is said to it. */
export const listening = (scene: Scene): Promise<void> =>
  until('the first one listening', patienceMs, async () =>
    isBack(scene, await scene.first.status(), ['connected', 'welcomed']),
  )

/** Both gateways are with the true server, whoever sits between, by the way that the line takes now. */
export const welcomed = (scene: Scene): Promise<void> =>
  until('both welcomed', patienceMs, async () => {
    const all = await Promise.all([scene.first, scene.second].map(box => box.status()))
    return all.every(one => isBack(scene, one, ['welcomed']))
  })

/** The line leads to the rogue while `act` goes on, and then back to the true broker. */
export async function redirected<T>(
  scene: Scene,
  rogue: Pick<Rogue, 'port' | 'close'>,
  act: () => Promise<T>,
): Promise<T> {
  try {
    if (ways.get(scene)?.port !== rogue.port) lead(scene, rogue.port)
    return await act()
  } finally {
    lead(scene, scene.truePort)
    await rogue.close()
    await welcomed(scene)
  }
}
