import { connect, type Socket } from 'node:net'
import type { IClientOptions } from 'mqtt'
import { until } from '../../../scripts/scenario/program.ts'
import { base32 } from '../../../src/base/bytes.ts'
import { patienceMs } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { linesOf } from '../build.ts'
import { allowed, enter, foreign, issued, refusalOf, refusalSince, type Shown } from '../door.ts'
import type { Piece } from '../piece.ts'
import { enrol } from '../request.ts'
import type { Scene } from '../scene.ts'
import { payloadOf, reading, waysOf } from '../thief.ts'

// Who may come in, and do what: against the embedded broker.

const piece = (file: string, text: string, replacement: string): Piece => ({
  file: `receiver/${file}`,
  text,
  replacement,
})

/** Knocks; gives the refusal as it is told, or that he is in. */
const knock = (scene: Scene, name: string, shown: Shown, options: IClientOptions = {}): Promise<string> =>
  refusalOf(scene, 'let in', async () => {
    try {
      const client = await enter(scene, name, shown, options)
      await client.endAsync(true)
      return true
    } catch {
      return false // turned away, as he should be
    }
  })

/** Publishes with the second gateway's certificate; gives the refusal, or that the broker took it. */
const publish = (scene: Scene, topic: string, payload: Uint8Array, retain = false): Promise<string> =>
  refusalOf(scene, 'taken', async () => {
    const { gateway } = scene.second
    const client = await enter(scene, gateway, await issued(scene, gateway))
    return allowed(client, () => client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain }))
  })

/** Subscribes with the second gateway's certificate; gives the refusal, or that the broker granted it. */
const listen = (scene: Scene, filter: string): Promise<string> =>
  refusalOf(scene, 'granted', async () => {
    const { gateway } = scene.second
    const client = await enter(scene, gateway, await issued(scene, gateway))
    return allowed(client, () => client.subscribeAsync(filter, { qos: 1 }))
  })

/** Opens connections that say nothing; gives how many the broker keeps waiting. */
async function crowd(scene: Scene, count: number): Promise<string> {
  const mark = scene.mark()
  const open = new Set<Socket>()
  const sockets = Array.from({ length: count }, () => {
    const socket = connect(scene.site.brokerPort, '127.0.0.1')
    socket.on('error', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    return socket
  })
  try {
    await Promise.all(
      sockets.map(
        socket =>
          new Promise<void>(resolve => {
            socket.on('connect', () => {
              open.add(socket)
              resolve()
            })
            socket.on('close', () => resolve())
          }),
      ),
    )
    // whoever comes after them is let in when they have all been looked at
    const { second } = scene
    await (await enter(scene, second.gateway, await issued(scene, second.gateway))).endAsync(true)
    if (scene.mark() === mark) return `${open.size} wait`
    await until('the crowd thinned', patienceMs, () => open.size <= 64)
    return refusalSince(scene, mark)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

const attacks: Attack[] = [
  {
    id: 'T33c',
    attack: 'has a certificate in a gateway’s name from a CA of his own',
    expected: 'BROKER_REFUSED foreign-certificate',
    undefended: 'let in',
    defence: [piece('broker.ts', 'if (!socket.authorized)', 'if (false)')],
    programs: ['receiver'],
    act: async scene => knock(scene, scene.first.gateway, await foreign(scene.first.gateway)),
  },
  {
    id: 'T33d',
    attack: 'has a gateway’s certificate and calls himself another gateway',
    expected: 'BROKER_REFUSED wrong-client-id',
    undefended: 'let in',
    defence: [piece('broker-sessions.ts', 'if (clientId !== peer.name)', 'if (false)')],
    programs: ['receiver'],
    act: async scene => knock(scene, scene.first.gateway, await issued(scene, scene.second.gateway)),
  },
  {
    id: 'T33e',
    attack: 'has a certificate of the right CA for a gateway that nobody enrolled',
    expected: 'BROKER_REFUSED not-enrolled',
    undefended: 'let in',
    defence: [piece('broker-sessions.ts', '!parties.isEnrolled(clientId)', 'false')],
    programs: ['receiver'],
    act: async scene => {
      const name = base32(crypto.getRandomValues(new Uint8Array(16)))
      return knock(scene, name, await issued(scene, name))
    },
  },
  {
    id: 'T51b',
    attack: 'holds the card of a gateway that was revoked, comes to the broker',
    expected: 'BROKER_REFUSED revoked',
    undefended: 'let in',
    defence: [piece('broker-sessions.ts', 'if (isShutOut(parties, peer)) return', 'if (false) return')],
    programs: ['receiver'],
    act: async scene => {
      const { gateway } = await enrol(scene)
      linesOf(await scene.type('registry', 'revoke', gateway, '--why', 'stolen', '--yes'))
      return knock(scene, gateway, await issued(scene, gateway))
    },
  },
  {
    id: 'T32a',
    attack: 'has a gateway’s certificate and publishes on another’s topic',
    expected: 'BROKER_REFUSED forbidden-publish',
    undefended: 'taken',
    defence: [piece('broker-rules.ts', 'wanted.topic === own ? undefined : wanted.topic', 'undefined')],
    programs: ['receiver'],
    act: scene => publish(scene, waysOf(scene, scene.first).up, payloadOf(reading(scene, scene.second))),
  },
  {
    id: 'T38a',
    attack: 'has a gateway’s certificate and listens to what another is told',
    expected: 'BROKER_REFUSED forbidden-subscribe',
    undefended: 'granted',
    defence: [piece('broker-rules.ts', 'return filter === allowed ? undefined : filter', 'return undefined')],
    programs: ['receiver'],
    act: scene => listen(scene, waysOf(scene, scene.first).down),
  },
  {
    id: 'T38b',
    attack: 'has a gateway’s certificate and joins the receivers’ share, to swallow what others send',
    expected: 'BROKER_REFUSED forbidden-subscribe',
    undefended: 'granted',
    defence: [piece('broker-rules.ts', 'return filter === allowed ? undefined : filter', 'return undefined')],
    programs: ['receiver'],
    act: scene => {
      const [, , server] = waysOf(scene, scene.first).up.split('/')
      return listen(scene, `$share/${server}/vitalgate/1/${server}/+/up`)
    },
  },
  {
    id: 'T38c',
    attack: 'has a gateway’s certificate and leaves a message at the broker for good',
    expected: 'BROKER_REFUSED forbidden-publish',
    undefended: 'taken',
    defence: [piece('broker-rules.ts', 'if (wanted.retain)', 'if (false)')],
    programs: ['receiver'],
    act: scene => publish(scene, waysOf(scene, scene.second).up, Buffer.from('forever'), true),
  },
  {
    id: 'T38d',
    attack: 'has a gateway’s certificate and leaves a will on another’s topic',
    expected: 'BROKER_REFUSED will',
    undefended: 'let in',
    defence: [
      piece('broker-sessions.ts', 'if (packet.will !== undefined && packet.will !== null)', 'if (false)'),
    ],
    programs: ['receiver'],
    act: async scene => {
      const { first, second } = scene
      const will = {
        topic: waysOf(scene, first).up,
        payload: Buffer.from('late'),
        qos: 1,
        retain: false,
      } as const
      return knock(scene, second.gateway, await issued(scene, second.gateway), { will })
    },
  },
  {
    id: 'T38e',
    attack: 'has a gateway’s certificate and asks the broker to keep his session',
    expected: 'BROKER_REFUSED session-not-clean',
    undefended: 'let in',
    defence: [piece('broker-sessions.ts', 'if (packet.clean !== true)', 'if (false)')],
    programs: ['receiver'],
    act: async scene =>
      knock(scene, scene.second.gateway, await issued(scene, scene.second.gateway), { clean: false }),
  },
  {
    id: 'T40b',
    attack: 'has a gateway’s certificate and sends a packet of 70,000 bytes',
    expected: 'BROKER_REFUSED packet-too-long',
    undefended: 'taken',
    defence: [piece('broker-guard.ts', 'const length = tooLong(chunk)', 'const length = undefined')],
    programs: ['receiver'],
    act: scene => publish(scene, waysOf(scene, scene.second).up, new Uint8Array(70_000)),
  },
  {
    id: 'T40c',
    attack: 'has nothing, opens 200 connections and says nothing',
    expected: 'BROKER_REFUSED too-many-waiting',
    undefended: '200 wait',
    defence: [piece('broker-door.ts', 'if (neighbours.length >= limits.perAddress)', 'if (false)')],
    programs: ['receiver'],
    act: scene => crowd(scene, 200),
  },
  {
    id: 'T21',
    attack: 'has a gateway’s certificate and a client id of terminal commands and a line break',
    expected: 'BROKER_REFUSED, told in plain text',
    undefended: 'BROKER_REFUSED, told as he wrote it',
    defence: [piece('broker-refusals.ts', 'detail: printable(detail), count: 1', 'detail, count: 1')],
    programs: ['receiver'],
    act: async scene => {
      const mark = scene.mark()
      const { gateway } = scene.second
      await knock(scene, 'x\u001b[2Jall is well\nRELEASED', await issued(scene, gateway))
      const [told] = await scene.flagsSince(mark)
      const plain = told !== undefined && /^[\x20-\x7e]*$/.test(told.detail)
      return `${told?.flag}, told ${plain ? 'in plain text' : 'as he wrote it'}`
    },
  },
]

export const brokerHop: Hop = { hop: 'broker', attacks }
