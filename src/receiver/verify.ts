import { hex } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import { envelopeHash, headZero } from '../wire/chain.ts'
import type { ChainedHead, EpochOpenBody, EventBody, ReadingBody, ResultBody } from '../wire/chained.ts'
import { open, type Parcel, readHeader, unpack } from '../wire/envelope.ts'
import type { Flag } from '../wire/flags.ts'
import type { VerifyKey } from '../wire/keys.ts'
import { bodyOf, isSealedType, type Parties, partiesOf } from '../wire/message.ts'
import type { HelloBody, ReadyBody } from '../wire/session.ts'
import { decodeBody, isSignedBy, type Statement } from '../wire/statement.ts'
import { readTopic } from '../wire/topics.ts'
import type { Enrolled, Registry } from './registry.ts'
import { printable, readable } from './verify-readable.ts'

/** A message as the broker handed it on. */
export interface Message {
  topic: string
  payload: Uint8Array
}

/** The part of the registry that verifying and answering need. */
export type Trust = Pick<Registry, 'gateway' | 'former' | 'revoked' | 'device' | 'versions'> & {
  server: Pick<Registry['server'], 'id' | 'box' | 'receipt'>
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
}

/** A message that failed a step: kept apart as a sample, without a receipt. */
export interface Doubted {
  flag: Flag
  /** The topic's gateway, if it is enrolled. */
  gateway: string | null
  /** Why, without a value of the body. */
  why: string
  message: Message
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
  statement: Statement
  members: Record<string, unknown>
  parties: Parties
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
  return akid === trust.server.box.kid ? {} : `sealed to key ${akid}`
}

const opens = ({ parcel }: Known, trust: Trust): Found => ({
  statement: open(parcel.envelope, trust.server.box),
})

const upTypes: readonly string[] = ['epoch-open', 'reading', 'event', 'result', 'hello', 'ready']

const belongsOnUp = ({ statement }: Known): Found =>
  upTypes.includes(statement.type) ? {} : `a ${statement.type} has no place on up`

function namesItsParties({ statement }: Known): Found {
  const members = decodeBody(statement.body)
  return { members, parties: partiesOf(members) }
}

const isFromTopicsGateway = ({ parties, gateway }: Known): Found =>
  parties.iss === gateway ? {} : `said by ${parties.iss} on the topic of ${gateway}`

const isMeantForUs = ({ parties }: Known, { server }: Trust): Found =>
  parties.aud === server.id && parties.akid === server.box.kid
    ? {}
    : `meant for ${parties.aud} under key ${parties.akid}`

function namesBoundKey({ parties, gateway, enrolled }: Known, trust: Trust): Found {
  const { kid } = parties
  if (kid === enrolled.verifyKey.kid) return { key: enrolled.verifyKey }
  // whose box was enrolled anew has former keys; a revoked one is looked at further, to be named as such
  const key = trust.revoked(kid) === undefined ? undefined : trust.former(gateway, kid)
  return key === undefined ? `key ${kid} is not bound to the gateway` : { key }
}

const isSigned = ({ statement, key }: Known): Found =>
  isSignedBy(statement, key) ? {} : `does not verify under key ${key.kid}`

/** WIRE 9.7: what a revoked key signed is believed where it came before; this comes now. */
function isNotRevoked({ key }: Known, trust: Trust): Found {
  const revocation = trust.revoked(key.kid)
  return revocation === undefined ? {} : `key ${key.kid} is revoked by number ${revocation.number}`
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
  const { message } = known
  for (const step of policy) {
    const found = attempt(step, known, trust)
    if (typeof found === 'string') {
      return { flag: step.otherwise, gateway: enrolledOf(message, trust), why: printable(found), message }
    }
    Object.assign(known, found)
  }
  const { said, gateway, statement, parcel } = known
  return { ...said, gateway, statement, envelope: parcel.envelope, hash: hex(envelopeHash(parcel.envelope)) }
}
