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
import { type At, outcomeOf, type Scene } from './scene.ts'

/** A statement as an attacker words it: every part may be false. */
export interface Words {
  type: string
  body: Record<string, unknown>
  key: SigningKey
  /** Whom it is sealed to. */
  box: BoxPublic
}

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
export const waysOf = (scene: Scene, { gateway }: Pick<WayBox, 'gateway'>) =>
  topics(readServerKeys(scene.site.receiver).id, gateway)

/** Publishes on a gateway's `up`, with its certificate, as the thief of its card or of the CA's key can. */
export async function publish(scene: Scene, box: WayBox, ...payloads: Uint8Array[]): Promise<void> {
  const client = await connectAs(scene.site, box.gateway)
  const { up } = waysOf(scene, box)
  for (const payload of payloads) await client.publishAsync(up, Buffer.from(payload), { qos: 1 })
  await client.endAsync()
}

/** Where a forged statement claims to stand. */
export const placeOf = ({ body }: Words, gateway: string): At => ({
  gateway,
  epoch: String(body.epoch),
  seq: Number(body.seq),
})

/** Publishes a forged reading in a gateway's name, and gives what became of it. */
export async function forge(scene: Scene, box: WayBox, words: Words): Promise<string> {
  const mark = scene.mark()
  await publish(scene, box, payloadOf(words))
  return outcomeOf(scene, mark, placeOf(words, box.gateway))
}
