import type { z } from 'zod'
import type { Bytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type ChainedType, chainedBodies } from './chained.ts'
import { open, seal } from './envelope.ts'
import type { BoxKey, BoxPublic, SigningKey, VerifyKey } from './keys.ts'
import { id, kid } from './members.ts'
import { type SessionType, sessionBodies } from './session.ts'
import { decodeBody, isSignedBy, type Statement, signStatement } from './statement.ts'

/** Who says it to whom: what every sealed body begins with (WIRE 3.6). */
export interface Parties {
  iss: string
  kid: string
  aud: string
  akid: string
}

const sealedBodies = { ...chainedBodies, ...sessionBodies }
export type SealedType = ChainedType | SessionType

/** Whether the word names a statement that travels sealed. */
export const isSealedType = (type: string): type is SealedType => Object.hasOwn(sealedBodies, type)

/** A statement that was signed and sealed: the bytes to send, and the statement itself for hashes of it. */
export interface Sealed {
  statement: Statement
  envelope: Bytes
}

/**
 * Signs a body of this type and seals it. `members` are those after the parties; what does not fit the
 * type's schema is a bug of the caller and throws zod's own error.
 */
export function signAndSeal(
  type: SealedType,
  from: { id: string; key: SigningKey },
  to: { id: string; box: BoxPublic },
  members: object,
): Sealed {
  const body = { iss: from.id, kid: from.key.kid, aud: to.id, akid: to.box.kid, ...members }
  sealedBodies[type].parse(body)
  const statement = signStatement(type, body, from.key)
  return { statement, envelope: seal(statement, to.box) }
}

/** The parties of a body, before anything else in it is believed. */
export function partiesOf(body: Record<string, unknown>): Parties {
  const found = { iss: body.iss, kid: body.kid, aud: body.aud, akid: body.akid }
  const fits =
    id.safeParse(found.iss).success &&
    id.safeParse(found.aud).success &&
    kid.safeParse(found.kid).success &&
    kid.safeParse(found.akid).success
  if (!fits) throw new Fault('wire.malformed', 'body does not name its parties')
  return found as Parties
}

/** The body as its type's schema has it; a fault `wire.malformed` naming the first member that is off. */
export function bodyOf(type: SealedType, body: Record<string, unknown>): unknown {
  const result = sealedBodies[type].safeParse(body)
  if (result.success) return result.data
  throw new Fault('wire.malformed', `${type}: ${result.error.issues[0]?.path.join('.')} does not fit`)
}

/** What a gateway expects of whatever comes down: who it must be from, and who the gateway is. */
export interface Expected {
  iss: string
  key: VerifyKey
  aud: string
  box: BoxKey
}

/** What a known peer said: the body of its type, and the statement itself. */
export type SaidOf<T extends SessionType> = {
  [K in T]: { type: K; body: z.infer<(typeof sessionBodies)[K]>; statement: Statement }
}[T]

/**
 * Opens and verifies an envelope of one of these types from one known peer. Faults `wire.*`: the first
 * check that failed. What it returns is proven to come from `expected.iss` to us.
 */
export const openFrom = <T extends SessionType>(
  envelope: Uint8Array,
  types: readonly T[],
  expected: Expected,
): SaidOf<T> => saidFrom(open(envelope, expected.box), types, expected)

/** The same for a statement that was opened already: where its type decides under which key it must verify. */
export function saidFrom<T extends SessionType>(
  statement: Statement,
  types: readonly T[],
  expected: Expected,
): SaidOf<T> {
  const type = types.find(one => one === statement.type)
  if (type === undefined) throw new Fault('wire.wrong-type', `a ${statement.type} has no place here`)
  const body = decodeBody(statement.body)
  const { iss, kid: signer, aud, akid } = partiesOf(body)
  if (aud !== expected.aud || akid !== expected.box.kid) {
    throw new Fault('wire.wrong-audience', `${type} is meant for another gateway`)
  }
  if (iss !== expected.iss || signer !== expected.key.kid) {
    throw new Fault('wire.unknown-key', `${type} names key ${signer}, pinned is ${expected.key.kid}`)
  }
  if (!isSignedBy(statement, expected.key)) {
    throw new Fault('wire.bad-signature', `${type} does not verify under key ${signer}`)
  }
  return { type, body: bodyOf(type, body), statement } as never
}
