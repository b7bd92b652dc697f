import { randomBytes } from 'node:crypto'
import { hex } from '../../src/base/bytes.ts'
import { bootId } from '../../src/base/clock.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { readServerKeys } from '../../src/receiver/state.ts'
import { makeEpoch } from '../../src/wire/chain.ts'
import { pack, seal } from '../../src/wire/envelope.ts'
import { type BoxPublic, makePair, type SigningKey, signingKey } from '../../src/wire/keys.ts'
import { pae, signStatement } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import type { WayBox } from '../way/site.ts'
import { connectAs } from '../way/stranger.ts'
import { type At, outcomeOf } from './outcome.ts'
import type { Scene } from './scene.ts'

/** A statement as an attacker words it: every part may be false. */
export interface Words {
  type: string
  body: Record<string, unknown>
  key: SigningKey
  /** Whom it is sealed to. */
  box: BoxPublic
}

/** Whoever has a gateway's name. */
type Named = Pick<WayBox, 'gateway'>

/** The weight that every forged reading claims, kg: honest scales never show it. */
export const forgedWeight = 99.9

const moment = () => ({
  wall: Date.now(),
  source: 'ntp',
  uncertainty: 1000,
  boot: bootId(),
  mono: Math.floor(Number(process.hrtime.bigint() / 1_000_000n)),
})

/** A key of the attacker's own. */
export const ownKey = (): SigningKey => signingKey(makePair('ed25519').secret)

/**
 * What the thief of a box's card can say in its name: a reading of its accepted scale, signed and sealed as the
 * box would, some of it changed. Any later place of an epoch may be claimed: a verdict waits for no other row.
 */
export function reading(scene: Scene, box: WayBox, changes: Record<string, unknown> = {}): Words {
  const { sign } = readKeys(box.state)
  const server = readServerKeys(scene.site.receiver)
  return {
    type: 'reading',
    key: sign,
    box: server.box,
    body: {
      iss: box.gateway,
      kid: sign.kid,
      aud: server.id,
      akid: server.box.kid,
      epoch: makeEpoch(),
      seq: 2,
      prev: hex(randomBytes(32)),
      time: moment(),
      station: 'bench',
      device: 'scale',
      driver: { id: 'and-line', revision: 1, hash: '0'.repeat(64) },
      link: { kind: 'serial', check: 'none' },
      raw: hex(Buffer.from('ST,GS,+00099.90kg\r\n')),
      values: { 'body-weight': { n: 9990, s: 2, u: 'kg' } },
      notes: [],
      ...changes,
    },
  }
}

/** An event that the thief of a box's card can tell. */
export function event(scene: Scene, box: WayBox, members: { event: string; detail: object }): Words {
  const { type: _, body, ...rest } = reading(scene, box)
  const { iss, kid, aud, akid, epoch, seq, prev, time } = body
  return { ...rest, type: 'event', body: { iss, kid, aud, akid, epoch, seq, prev, time, ...members } }
}

/** The MQTT payload of what was worded. */
export const payloadOf = ({ type, body, key, box }: Words): Uint8Array => {
  const envelope = seal(signStatement(type, body, key), box)
  return pack({ epoch: String(body.epoch ?? '0'.repeat(16)), seq: Number(body.seq ?? 0), envelope })
}

/** The MQTT payload of a reading whose body is these very bytes, signed as they are. */
export function payloadOfText({ type, key, box, body: { epoch, seq } }: Words, text: string): Uint8Array {
  const body = Uint8Array.from(Buffer.from(text))
  const envelope = seal({ type, body, signature: key.sign(pae(type, body)) }, box)
  return pack({ epoch: String(epoch), seq: Number(seq), envelope })
}

/** The topics of a gateway. */
export const waysOf = (scene: Scene, { gateway }: Named) =>
  topics(readServerKeys(scene.site.receiver).id, gateway)

/** How often somebody tries whom the true gateway of his name pushes out in the same moment. */
const tries = 10

/** Publishes on a gateway's `up`, with its certificate, as the thief of its card or of the CA's key can. */
export async function publish(scene: Scene, box: Named, ...payloads: Uint8Array[]): Promise<void> {
  const { up } = waysOf(scene, box)
  const left = [...payloads]
  for (let count = 0; count < tries && left.length > 0; count++) {
    const client = await connectAs(scene.site, box.gateway)
    const closed = new Promise<false>(resolve => client.once('close', () => resolve(false)))
    // an end of the connection may show as a failure of the message first
    const sent = (payload: Uint8Array): Promise<boolean> =>
      client.publishAsync(up, Buffer.from(payload), { qos: 1 }).then(
        () => true,
        () => false,
      )
    while (left.length > 0 && (await Promise.race([sent(left[0]!), closed]))) left.shift()
    await client.endAsync(true)
  }
  if (left.length > 0) throw new Error(`the broker took only ${payloads.length - left.length} messages`)
}

/** Where a forged statement claims to stand. */
export const placeOf = ({ body }: Words, gateway: string): At => ({
  gateway,
  epoch: String(body.epoch),
  seq: Number(body.seq),
})

/** Publishes a forged reading in a gateway's name, and gives what became of it. */
export async function forge(scene: Scene, box: Named, words: Words): Promise<string> {
  const mark = scene.mark()
  await publish(scene, box, payloadOf(words))
  return outcomeOf(scene, mark, placeOf(words, box.gateway))
}
