import { hex } from '../../src/base/bytes.ts'
import type { Message } from '../../src/receiver/verify.ts'
import { headZero, makeEpoch } from '../../src/wire/chain.ts'
import { open, pack, seal } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, signingKey } from '../../src/wire/keys.ts'
import { type SealedType, signAndSeal } from '../../src/wire/message.ts'
import { decodeBody, type Statement } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { cuff, from, type Holder, morning, pressure, server, to } from '../receiver/fixture.ts'
import type { Random } from '../way/random.ts'
import type { Broker, Seen } from './broker.ts'
import { oneOf } from './chance.ts'
import { schedule } from './schedule.ts'
import type { Arrival } from './server.ts'

/** One who holds the broker, and keys of his own. */
export const stranger = signingKey(new Uint8Array(32).fill(0x77))
/** Another server, which reads what is meant for it. */
const otherServer = { id: server.id.replaceAll(/./g, 'a'), box: boxKey(new Uint8Array(32).fill(0x78)) }

const time = { wall: morning, source: 'ntp', uncertainty: 20, boot: 'e'.repeat(32), mono: 1 }

/** An epoch's first reading, as whoever holds this key would write it. */
function reading(who: Holder, at: typeof otherServer | typeof server, value: string) {
  const epoch = makeEpoch()
  const prev = headZero(epoch, { gateway: who.id, server: at.id, kid: who.key.kid })
  const { attribution: _, ...unscanned } = pressure
  const said = { ...unscanned, raw: value, device: cuff.device, station: cuff.station, notes: [] }
  const { statement } = signAndSeal('reading', from(who), to(at), { epoch, seq: 2, prev, time, ...said })
  return { epoch, statement }
}

const upwards = (gateway: string, epoch: string, statement: Statement): Message => {
  const envelope = seal(statement, boxPublic(server.box.publicKey))
  return { topic: topics(server.id, gateway).up, payload: pack({ epoch, seq: 2, envelope }) }
}

/** A reading that nobody measured, under the stranger's key and the gateway's name. */
export function forgedReading(who: Holder, value: string): Arrival {
  const { epoch, statement } = reading({ ...who, key: stranger }, server, value)
  const attack = { gateway: who.id, flag: 'UNKNOWN_KEY' }
  return { message: upwards(who.id, epoch, statement), attack }
}

/** The same with the gateway's own key named in it: the signature is the stranger's. */
export function forgedSignature(who: Holder, value: string): Arrival {
  const { kid, publicKey } = who.key
  const key = { kid, publicKey, sign: stranger.sign }
  const { epoch, statement } = reading({ ...who, key }, server, value)
  return { message: upwards(who.id, epoch, statement), attack: { gateway: who.id, flag: 'BAD_SIG' } }
}

/** What the gateway once said to another server, which seals it anew to ours. */
export function forwarded(who: Holder, value: string): Arrival {
  const { epoch, statement } = reading(who, otherServer, value)
  return { message: upwards(who.id, epoch, statement), attack: { gateway: who.id, flag: 'WRONG_AUDIENCE' } }
}

/** Something that a gateway said, on the topic of another. */
export function swapped(broker: Broker, random: Random, gateways: readonly string[]): Arrival | undefined {
  const said = broker.seen.flatMap(one => ('up' in one ? [one.up] : []))
  if (said.length === 0 || gateways.length < 2) return undefined
  const { topic, payload } = oneOf(random, said)
  const victim = gateways.find(one => topics(server.id, one).up !== topic)!
  const message = { topic: topics(server.id, victim).up, payload }
  return { message, attack: { gateway: victim, flag: 'TOPIC_MISMATCH' } }
}

/** Something that was said, with a bit of it flipped. */
export function damaged(broker: Broker, random: Random): Arrival | undefined {
  const said = broker.seen.flatMap(one => ('up' in one ? [one.up] : []))
  if (said.length === 0) return undefined
  const { topic, payload } = oneOf(random, said)
  const bytes = Uint8Array.from(payload)
  // behind the hint and the header, or it would be somebody else's flag
  bytes[random.between(80, bytes.length - 1)]! ^= 1 << random.between(0, 7)
  const gateway = topic.split('/')[3]!
  return { message: { topic, payload: bytes }, attack: { gateway, flag: 'MALFORMED' } }
}

/** Says again what was said before, to whomever it was said. */
export function replay(broker: Broker, random: Random, hear: (arrival: Arrival) => void): void {
  const seen: readonly Seen[] = broker.seen
  if (seen.length === 0) return
  const one = oneOf(random, seen)
  if ('up' in one) hear({ message: one.up })
  else broker.deliver(one.down)
}

const receiptFor = (
  who: Holder,
  place: { epoch: string; seq: number; head: string },
  key = server.receipt,
) => {
  const members = { ...place, holes: [], time: morning + Math.floor(schedule().now) }
  const { envelope } = signAndSeal(
    'receipt',
    { id: server.id, key },
    { id: who.id, box: publicOf(who) },
    members,
  )
  return { topic: topics(server.id, who.id).down, payload: envelope }
}

const publicOf = (who: Holder) => boxPublic(who.box.publicKey)

/** A receipt under the stranger's key, for what is really on the box. */
export const forgedReceipt = (who: Holder, place: { epoch: string; seq: number; head: string }) =>
  receiptFor(who, place, stranger)

/** A receipt that the true server signs for a chain that is not the box's: it has a fork of it, or its key was stolen. */
export const foreignHead = (who: Holder, place: { epoch: string; seq: number; head: string }) =>
  receiptFor(who, { ...place, head: hex(Uint8Array.from(Buffer.from(place.head, 'hex')).reverse()) })

/** A true receipt of another gateway, sealed anew to this one. */
export function readdressed(who: Holder, others: readonly Holder[], broker: Broker) {
  for (const one of broker.seen.toReversed()) {
    if (!('down' in one)) continue
    const other = others.find(each => topics(server.id, each.id).down === one.down.topic)
    if (other === undefined) continue
    try {
      const statement = open(one.down.payload, other.box)
      if (statement.type !== 'receipt') continue
      return { topic: topics(server.id, who.id).down, payload: seal(statement, publicOf(who)) }
    } catch {
      // sealed to keys that the other has replaced since
    }
  }
  return undefined
}

/**
 * The welcome to this message with a token of long ago, signed by the true server: one that forgot, or whose key was
 * stolen. Undefined where it is no welcome.
 */
export function withOldToken(down: { topic: string; payload: Uint8Array }, who: Holder) {
  const statement = open(down.payload, who.box)
  if (statement.type !== 'welcome') return undefined
  const { iss: _iss, kid: _kid, aud: _aud, akid: _akid, ...members } = decodeBody(statement.body)
  const { envelope } = signAndSeal(
    statement.type as SealedType,
    { id: server.id, key: server.receipt },
    { id: who.id, box: publicOf(who) },
    { ...members, token: 1 },
  )
  return { topic: down.topic, payload: envelope }
}
