import { hex } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import { envelopeHash, headZero } from '../wire/chain.ts'
import type { ChainedHead, EpochOpenBody, EventBody, ReadingBody, ResultBody } from '../wire/chained.ts'
import { open, type Parcel, readHeader, unpack } from '../wire/envelope.ts'
import type { Flag } from '../wire/flags.ts'
import type { BoxKey, VerifyKey } from '../wire/keys.ts'
import { bodyOf, isSealedType, type Parties, partiesOf } from '../wire/message.ts'
import type { HelloBody, ReadyBody } from '../wire/session.ts'
import { decodeBody, isSignedBy, type Statement } from '../wire/statement.ts'
import { readTopic } from '../wire/topics.ts'
import type { Enrolled, Registry } from './registry.ts'
import type { Speaker } from './registry-former.ts'
import { printable, readable } from './verify-readable.ts'

/** A message as the broker handed it on. */
export interface Message {
  topic: string
  payload: Uint8Array
}

/** The part of the registry that verifying and answering need. */
export type Trust = Pick<
  Registry,
  'gateway' | 'former' | 'bindings' | 'bound' | 'revoked' | 'device' | 'versions' | 'reviews'
> & {
  server: Pick<Registry['server'], 'id' | 'box' | 'receipt'>
  keys: {
    opener: Registry['keys']['opener']
    answering(
      ...heard: Parameters<Registry['keys']['answering']>
    ): Pick<Registry['server'], 'id' | 'box' | 'receipt'>
  }
}

/** What a gateway may say. */
export type Said =
  | { type: 'epoch-open'; body: EpochOpenBody }
  | { type: 'reading'; body: ReadingBody }
  | { type: 'event'; body: EventBody }
  | { type: 'result'; body: ResultBody }
  | { type: 'hello'; body: HelloBody }
  | { type: 'ready'; body: ReadyBody }

/** A statement that passed every step: it was said by this gateway, to this server, in exactly these words. */
export type Proven = Said & {
  gateway: string
  statement: Statement
  envelope: Uint8Array
  /** H(envelope), hex. */
  hash: string
  speaker: Speaker
}

/** A message that failed a step: kept apart as a sample, without a receipt. */
export interface Doubted {
  flag: Flag
  /** The topic's gateway, if it is enrolled. */
  gateway: string | null
  /** Why, without a value of the body. */
  why: string
  message: Message
  /** Who signed it, where that was proven: whether his key still counts is asked first (WIRE 12). */
  speaker?: Speaker
  /** That its gateway says to know a later binding than there is here. */
  rollback?: string
  /** What was thrown, where that is a bug of this program. */
  bug?: unknown
}

/** What the steps find out, from the top: each relies only on what those above it have proven. */
interface Known {
  message: Message
  parcel: Parcel
  gateway: string
  enrolled: Enrolled
  key: VerifyKey
  box: BoxKey
  statement: Statement
  members: Record<string, unknown>
  parties: Parties
  /** Whoever speaks, once his signature verified under a key that is not revoked. */
  speaker: Speaker
  said: Said
}

/** What a step found out; a text says why it failed. Faults of the wire count as failed, too. */
type Found = Partial<Known> | string

interface Step {
  proves: string
  otherwise: Flag
  step: (known: Known, trust: Trust) => Found
}

function fitsTheWire({ message }: Known): Found {
  const parcel = unpack(message.payload)
  readHeader(parcel.envelope)
  return { parcel }
}

function comesFromEnrolled({ message }: Known, trust: Trust): Found {
  const gateway = gatewayOf(message, trust)
  if (gateway === undefined) return 'topic is none of this server'
  const enrolled = trust.gateway(gateway)
  return enrolled === undefined ? `gateway ${gateway} is not enrolled` : { gateway, enrolled }
}

/** The gateway that a topic of this server names, enrolled or not. */
function gatewayOf({ topic }: Message, { server }: Trust): string | undefined {
  const read = readTopic(topic)
  return read?.way === 'up' && read.server === server.id ? read.gateway : undefined
}

/** The topic's gateway, if it is enrolled: whoever's message fails first of all is named too. */
function enrolledOf(message: Message, trust: Trust): string | null {
  const gateway = gatewayOf(message, trust)
  return gateway === undefined || trust.gateway(gateway) === undefined ? null : gateway
}

function isSealedToUs({ parcel }: Known, trust: Trust): Found {
  const { akid } = readHeader(parcel.envelope)
  // any that was not given up: what lay on a gateway was sealed to the keys of its day (WIRE 9.10)
  const box = trust.keys.opener(akid)
  return box === undefined ? `sealed to key ${akid}` : { box }
}

const opens = ({ parcel, box }: Known): Found => ({ statement: open(parcel.envelope, box) })

const upTypes: readonly string[] = ['epoch-open', 'reading', 'event', 'result', 'hello', 'ready']

const belongsOnUp = ({ statement }: Known): Found =>
  upTypes.includes(statement.type) ? {} : `a ${statement.type} has no place on up`

function namesItsParties({ statement }: Known): Found {
  const members = decodeBody(statement.body)
  return { members, parties: partiesOf(members) }
}

const isFromTopicsGateway = ({ parties, gateway }: Known): Found =>
  parties.iss === gateway ? {} : `said by ${parties.iss} on the topic of ${gateway}`

const isMeantForUs = ({ parties, box }: Known, { server }: Trust): Found =>
  parties.aud === server.id && parties.akid === box.kid
    ? {}
    : `meant for ${parties.aud} under key ${parties.akid}`

function namesBoundKey({ parties, gateway, enrolled }: Known, trust: Trust): Found {
  const { kid } = parties
  if (kid === enrolled.verifyKey.kid) return { key: enrolled.verifyKey }
  // a former key of this gateway is looked at further: revoked, or replaced, or not yet (WIRE 9.9)
  const key = trust.former(gateway, kid)
  return key === undefined ? `key ${kid} is not bound to the gateway` : { key }
}

const isSigned = ({ statement, key }: Known): Found =>
  isSignedBy(statement, key) ? {} : `does not verify under key ${key.kid}`

/** WIRE 9.7: what a revoked key signed is believed where it came before; this comes now. */
function isNotRevoked({ key, gateway, statement, members, parcel }: Known, trust: Trust): Found {
  const revocation = trust.revoked(key.kid)
  if (revocation !== undefined) return `key ${key.kid} is revoked by number ${revocation.number}`
  return { speaker: speakerOf(gateway, key.kid, statement, members, parcel.envelope) }
}

const speakerOf = (
  gateway: string,
  kid: string,
  statement: Statement,
  members: Record<string, unknown>,
  envelope: Uint8Array,
): Speaker => ({ gateway, kid, statement, members, hash: hex(envelopeHash(envelope)) })

/** A gateway whose key nobody knows may come from after the backup that this registry was restored from. */
function rollbackOf({ statement, members, gateway }: Known, trust: Trust): string | undefined {
  if (statement?.type !== 'hello' || gateway === undefined) return undefined
  const told = (members?.versions as { binding?: unknown } | undefined)?.binding
  const ours = trust.versions(gateway).binding
  if (typeof told !== 'number' || told <= ours) return undefined
  return `under a key that is not bound here it tells binding ${told}, here it is ${ours}`
}

function hasItsMembers({ statement, members }: Known): Found {
  const { type } = statement
  if (!isSealedType(type)) return `${type} is no type`
  return { said: { type, body: bodyOf(type, members) } as Said }
}

/** WIRE 5.1 and 5.4: an epoch begins with its epoch-open, at head(0), and has no second one. */
function hasPossiblePlace({ said, gateway, parties }: Known, { server }: Trust): Found {
  if (said.type === 'hello' || said.type === 'ready') return {}
  const { epoch, seq, prev }: ChainedHead = said.body
  if ((seq === 1) !== (said.type === 'epoch-open')) return `a ${said.type} at seq ${seq}`
  if (seq > 1) return {}
  const zero = headZero(epoch, { gateway, server: server.id, kid: parties.kid })
  return prev === zero ? {} : 'epoch does not begin at its head(0)'
}

/** The order of checks (WIRE 12): cheap first; the first that fails names the outcome. */
export const policy: readonly Step[] = [
  { proves: 'size, magic and version are right', otherwise: 'MALFORMED', step: fitsTheWire },
  { proves: 'the topic names an enrolled gateway', otherwise: 'UNKNOWN_KEY', step: comesFromEnrolled },
  { proves: 'it is sealed to a key of this server', otherwise: 'WRONG_AUDIENCE', step: isSealedToUs },
  { proves: 'the box opens', otherwise: 'MALFORMED', step: opens },
  { proves: 'its type belongs on up', otherwise: 'WRONG_TYPE', step: belongsOnUp },
  { proves: 'the body is compact JSON with parties', otherwise: 'MALFORMED', step: namesItsParties },
  { proves: "the issuer is the topic's gateway", otherwise: 'TOPIC_MISMATCH', step: isFromTopicsGateway },
  { proves: 'it is meant for this server', otherwise: 'WRONG_AUDIENCE', step: isMeantForUs },
  { proves: 'it names a key bound to the gateway', otherwise: 'UNKNOWN_KEY', step: namesBoundKey },
  { proves: 'that key signed it', otherwise: 'BAD_SIG', step: isSigned },
  { proves: 'that key is not revoked', otherwise: 'REVOKED_KEY', step: isNotRevoked },
  { proves: 'it has the members of its type', otherwise: 'MALFORMED', step: hasItsMembers },
  { proves: 'its place in the chain is possible', otherwise: 'MALFORMED', step: hasPossiblePlace },
]

function attempt(step: Step, known: Known, trust: Trust): Found {
  try {
    return step.step(known, trust)
  } catch (error) {
    // a refusal by the wire's own rules; anything else is a bug and goes on up
    if (isFault(error) && (error.code.startsWith('wire.') || error.code === 'input.invalid')) {
      return error.message
    }
    throw error
  }
}

/** Walks the policy. Pure but for what the registry says at this moment. */
export function verify(message: Message, trust: Trust): Proven | Doubted {
  const known = { message } as Known
  const provenBy = () => (known.enrolled === undefined ? null : known.gateway)
  return readable(message, provenBy, () => walk(known, trust))
}

function walk(known: Known, trust: Trust): Proven | Doubted {
  for (const step of policy) {
    const found = attempt(step, known, trust)
    if (typeof found === 'string') {
      return doubtOf(known, step.otherwise, found, trust)
    }
    Object.assign(known, found)
  }
  const { said, gateway, statement, parcel, speaker } = known
  return { ...said, gateway, statement, envelope: parcel.envelope, hash: speaker.hash, speaker }
}

function doubtOf(known: Known, flag: Flag, why: string, trust: Trust): Doubted {
  const { message, speaker } = known
  const rollback = flag === 'UNKNOWN_KEY' ? rollbackOf(known, trust) : undefined
  return {
    ...{ flag, gateway: enrolledOf(message, trust), why: printable(why), message },
    ...(speaker === undefined ? {} : { speaker }),
    ...(rollback === undefined ? {} : { rollback }),
  }
}
