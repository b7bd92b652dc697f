import { join } from 'node:path'
import { until } from '../../../scripts/scenario/program.ts'
import { base32, hex } from '../../../src/base/bytes.ts'
import { readKeys } from '../../../src/identity/keys.ts'
import { paths, readFacts, readServerKeys } from '../../../src/receiver/state.ts'
import { openStore } from '../../../src/receiver/store.ts'
import { open as openEnvelope } from '../../../src/wire/envelope.ts'
import type { SigningKey } from '../../../src/wire/keys.ts'
import { signAndSeal } from '../../../src/wire/message.ts'
import { rowsOf } from '../../way/forgotten.ts'
import { spyName } from '../../way/mosquitto.ts'
import { patienceMs } from '../../way/site.ts'
import { connectAs, type Heard, spy } from '../../way/stranger.ts'
import type { Attack, Hop } from '../attack.ts'
import { copyDatabase, queueUp } from '../card.ts'
import { namesOf, weightOf } from '../outcome.ts'
import type { Piece } from '../piece.ts'
import { lead, listening, welcomed } from '../rogue.ts'
import type { Scene } from '../scene.ts'
import { ownKey, waysOf } from '../thief.ts'

// What makes a gateway delete: receipts and welcomes, over Mosquitto. The attacker speaks on `down` as he likes.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

const heard: Heard[] = []
async function prepare(scene: Scene): Promise<void> {
  const listener = await spy(scene.site, spyName, heard)
  scene.closing.push(() => listener.endAsync(true))
}

/** Says something on the first gateway's `down`, as the receiver or whoever has the CA's key. */
async function say(scene: Scene, payload: Uint8Array): Promise<void> {
  const client = await connectAs(scene.site, readFacts(scene.site.receiver).client)
  await client.publishAsync(waysOf(scene, scene.first).down, Buffer.from(payload), { qos: 1 })
  await client.endAsync()
}

/** How often the first gateway did not believe what came down, by code, as `status` tells it. */
async function disbelieved(scene: Scene): Promise<Map<string, number>> {
  const { notices } = await scene.status(scene.first)
  const line = notices.find(one => one.startsWith('what came down and was not believed')) ?? ''
  return new Map([...line.matchAll(/([a-z.-]+) (\d+)×/g)].map(([, code, n]) => [code!, Number(n)]))
}

/** What grew between two looks. */
const grown = (before: Map<string, number>, after: Map<string, number>): string[] =>
  [...after].filter(([code, n]) => n > (before.get(code) ?? 0)).map(([code]) => code)

/** The server is back, and the line begun anew: the broker swallowed what was sent meanwhile. */
async function back(scene: Scene): Promise<void> {
  await scene.start('receiver')
  lead(scene, scene.truePort)
  await welcomed(scene)
}

interface Newest {
  epoch: string
  seq: number
  head: string
  prev: string
}

/**
 * Rows wait at the gateway while its server is away, and somebody says something about the newest; gives
 * whether it was believed, and whether rows now count as received.
 */
async function lie(scene: Scene, word: (newest: Newest) => Uint8Array): Promise<string> {
  const { first, site } = scene
  await queueUp(scene, 2)
  try {
    await listening(scene)
    const before = await disbelieved(scene)
    const { queued } = (await scene.status(first)).outbox
    const { epoch, seq, head, prev } = rowsOf(site, first).at(-1)!
    await say(scene, word({ epoch, seq, head: hex(head), prev: hex(prev) }))
    let now = queued
    let codes: string[] = []
    await until('an outcome', patienceMs, async () => {
      now = (await scene.status(first)).outbox.queued
      codes = grown(before, await disbelieved(scene))
      return now < queued || codes.length > 0
    })
    return now < queued ? 'rows count as received' : `${codes.join(' ')}, no row touched`
  } finally {
    await back(scene)
  }
}

/** A receipt that this key signs, with changes. */
function receipt(
  scene: Scene,
  key: SigningKey,
  { epoch, seq, head }: Newest,
  changes: { head?: string; seq?: number; aud?: string } = {},
): Uint8Array {
  const { id } = readServerKeys(scene.site.receiver)
  const { aud = scene.first.gateway, ...members } = changes
  const to = { id: aud, box: readKeys(scene.first.state).box }
  const said = { epoch, seq, head, holes: [], time: Date.now(), ...members }
  return signAndSeal('receipt', { id, key }, to, said).envelope
}

const serverKeys = (scene: Scene) => readServerKeys(scene.site.receiver)
const ourHead = piece('daemon/custody-settle.ts', 'settling.headsAt(epoch, seq).includes(head)', 'true')
const signature = piece('wire/message.ts', 'if (!isSignedBy(statement, expected.key))', 'if (false)')
const knownKey = piece('wire/message.ts', 'iss !== expected.iss || signer !== expected.key.kid', 'false')

const attacks: Attack[] = [
  {
    id: 'T41a',
    attack: 'holds the broker, signs a receipt under the server key’s name',
    expected: 'wire.bad-signature, no row touched',
    undefended: 'rows count as received',
    defence: [signature],
    programs: ['first'],
    act: scene =>
      lie(scene, newest => receipt(scene, { ...ownKey(), kid: serverKeys(scene).receipt.kid }, newest)),
  },
  {
    id: 'T41b',
    attack: 'holds the broker, signs a receipt with a key of his own',
    expected: 'wire.unknown-key, no row touched',
    undefended: 'rows count as received',
    defence: [knownKey, signature],
    programs: ['first'],
    act: scene => lie(scene, newest => receipt(scene, ownKey(), newest)),
  },
  {
    id: 'T41c',
    attack: 'holds the server’s command key, signs a receipt with it',
    expected: 'wire.unknown-key, no row touched',
    undefended: 'rows count as received',
    defence: [knownKey, signature],
    programs: ['first'],
    act: scene => lie(scene, newest => receipt(scene, serverKeys(scene).command, newest)),
  },
  {
    id: 'T42',
    attack: 'is the true server, gone wrong: a receipt for another gateway, sealed to this one',
    expected: 'wire.wrong-audience, no row touched',
    undefended: 'rows count as received',
    // looked at when it is opened, and again before the outbox is settled
    defence: [
      piece('wire/message.ts', 'aud !== expected.aud || akid', 'akid'),
      piece('daemon/custody-settle.ts', 'if (iss === server && aud === gateway) return', 'return'),
    ],
    programs: ['first'],
    act: scene =>
      lie(scene, newest =>
        receipt(scene, serverKeys(scene).receipt, newest, { aud: base32(new Uint8Array(16)) }),
      ),
  },
  {
    id: 'T43a',
    attack: 'is the true server, gone wrong: a receipt with another head',
    expected: 'receipt.refused, no row touched',
    undefended: 'rows count as received',
    defence: [ourHead],
    programs: ['first'],
    act: scene =>
      lie(scene, newest => receipt(scene, serverKeys(scene).receipt, newest, { head: newest.prev })),
  },
  {
    id: 'T43b',
    attack: 'is the true server, gone wrong: a receipt for more than was sent',
    expected: 'receipt.refused, no row touched',
    undefended: 'rows count as received',
    defence: [ourHead],
    programs: ['first'],
    act: scene =>
      lie(scene, newest => receipt(scene, serverKeys(scene).receipt, newest, { seq: newest.seq + 1 })),
  },
  {
    id: 'T41d',
    attack: 'holds the broker, replays an old welcome while the server is away',
    expected: 'wire.wrong-audience, connected',
    undefended: 'welcomed',
    defence: [
      piece(
        'uplink/session.ts',
        'if (hello === undefined || body.nonce !== hello.nonce) {',
        'if (hello === undefined) {',
      ),
    ],
    programs: ['first'],
    act: async scene => {
      const { first } = scene
      const { down } = waysOf(scene, first)
      const { box } = readKeys(first.state)
      const overheard = (): Heard[] =>
        heard.filter(({ topic, payload }) => topic === down && openEnvelope(payload, box).type === 'welcome')
      await until('a welcome overheard', patienceMs, () => overheard().length > 0)
      const welcomes = overheard()
      await scene.stop('receiver')
      try {
        lead(scene, scene.truePort)
        const state = async () => (await scene.status(first)).uplink.state
        await until('connected anew', patienceMs, async () => (await state()) === 'connected')
        const before = await disbelieved(scene)
        await say(scene, welcomes[0]!.payload)
        let codes: string[] = []
        await until('an outcome', patienceMs, async () => {
          codes = grown(before, await disbelieved(scene))
          return codes.length > 0 || (await state()) === 'welcomed'
        })
        return [...codes, await state()].join(', ')
      } finally {
        await back(scene)
      }
    },
  },
  {
    id: 'T44',
    attack: 'restores the receiver’s database from before its last receipts',
    expected: '3 of 3 are there again, nothing told',
    undefended: '0 of 3 are there again, GAP',
    // without it: what is receipted is forgotten at the next welcome
    defence: [
      piece(
        'daemon/custody-settle.ts',
        'settling.forget(epoch, answer, time - graceMs)',
        'settling.forget(epoch, answer, time)',
      ),
    ],
    programs: ['first'],
    act: async scene => {
      const { first, site } = scene
      const { database } = paths(site.receiver)
      const backup = join(site.folder, 'backup.db')
      const mark = scene.mark()
      // SQLite's own way to a copy that is whole while others use it
      await site.store.db.backup(backup)
      const weights = Array.from({ length: 3 }, () => scene.weigh(first))
      for (const weight of weights) await scene.arrived(first, weight)
      const { lastReceipt } = (await first.status()).uplink
      await until('receipted, and welcomed after it', patienceMs, async () => {
        const { outbox, uplink } = await first.status()
        return outbox.queued === 0 && (outbox.receipted === 0 || uplink.lastReceipt! > lastReceipt! + 2000)
      })
      await scene.stop('receiver')
      site.store.close()
      copyDatabase(backup, database)
      site.store = openStore(database)
      await back(scene)
      await scene.arrived(first, scene.weigh(first))
      let there = new Set<number | undefined>()
      await until('all sent anew, or told to be lost', patienceMs, async () => {
        there = new Set((await scene.readings()).map(weightOf))
        return weights.every(weight => there.has(weight)) || scene.mark() > mark
      })
      const told = namesOf(await scene.flagsSince(mark)) || 'nothing told'
      return `${weights.filter(weight => there.has(weight)).length} of 3 are there again, ${told}`
    },
  },
]

export const receiptHop: Hop = { hop: 'receipt', attacks, prepare }
