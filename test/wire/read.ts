import { hex, same, textOf, unbase64url } from '../../src/base/bytes.ts'
import { Fault, isFault } from '../../src/base/fault.ts'
import { unlockKeyfile } from '../../src/base/keyfile.ts'
import { envelopeHash, nextHead } from '../../src/wire/chain.ts'
import { chainedBodies } from '../../src/wire/chained.ts'
import { open } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, verifyKey } from '../../src/wire/keys.ts'
import { bodyOf, isSealedType, openFrom, partiesOf } from '../../src/wire/message.ts'
import {
  bundleForm,
  publicForm,
  type RegistryType,
  registryBodies,
  verifyRegistry,
} from '../../src/wire/registry.ts'
import {
  decodeBody,
  encodeBody,
  isSignedBy,
  type Statement,
  statementHash,
  unpublish,
} from '../../src/wire/statement.ts'
import { requestWords, rootWords } from '../../src/wire/words.ts'
import type { Vector } from './vector.ts'

/** What src/wire makes of a vector, in the words of WIRE 13.3. */
export type Found = Record<string, string>

const bytes = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'))

function malformed(why: string): never {
  throw new Fault('wire.malformed', why)
}

/** A chained statement in the order of WIRE 12, which the receiver's list follows. */
function openChained(envelope: Uint8Array, head: Record<string, string>): Statement {
  const box = boxKey(bytes(head['box-secret']!))
  const statement = open(envelope, box)
  const body = decodeBody(statement.body)
  const { iss, kid, aud, akid } = partiesOf(body)
  if (aud !== head.receiver || akid !== box.kid) throw new Fault('wire.wrong-audience', aud)
  const key = verifyKey(bytes(head['signer-key']!))
  if (iss !== head.signer || kid !== key.kid) throw new Fault('wire.unknown-key', kid)
  if (!isSignedBy(statement, key)) throw new Fault('wire.bad-signature', statement.type)
  if (!isSealedType(statement.type)) throw new Fault('wire.wrong-type', statement.type)
  bodyOf(statement.type, body)
  return statement
}

function readSealed({ head, bytes: envelope }: Vector): Found {
  const box = boxKey(bytes(head['box-secret']!))
  const { type } = open(envelope, box)
  const key = verifyKey(bytes(head['signer-key']!))
  const chained = head.way === 'up' && Object.hasOwn(chainedBodies, type)
  const types =
    head.way === 'up' ? (['hello', 'ready'] as const) : (['welcome', 'receipt', 'update', 'command'] as const)
  const statement = chained
    ? openChained(envelope, head)
    : openFrom(envelope, types, { iss: head.signer!, key, aud: head.receiver!, box }).statement
  const body = decodeBody(statement.body)
  if (!same(encodeBody(body), statement.body)) throw new Error('body does not encode to itself')
  const found: Found = { type, body: textOf(statement.body), 'envelope-hash': hex(envelopeHash(envelope)) }
  if (chained) {
    found.prev = String(body.prev)
    found.head = nextHead(String(body.prev), envelope)
  }
  if (type === 'ready') found.seen = String(body.seen)
  return found
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(data))
  } catch {
    return malformed('no JSON')
  }
}

const statementOf = (value: unknown): Statement => {
  const form = publicForm.safeParse(value)
  return form.success ? unpublish(form.data) : malformed('no public statement')
}

function readPublic({ head, bytes: data }: Vector): Found {
  const type = head.type as RegistryType
  const statement = statementOf(parse(data))
  let signer = head['signer-key']
  if (type === 'request') {
    const body = registryBodies.request.safeParse(decodeBody(statement.body))
    signer = body.success ? hex(unbase64url(body.data.keys.sign)) : malformed('no request')
  }
  const body = verifyRegistry(type, statement, verifyKey(bytes(signer!)))
  if (!same(encodeBody(decodeBody(statement.body)), statement.body))
    throw new Error('body does not encode to itself')
  const found: Found = { type, body: textOf(statement.body), 'pae-hash': hex(statementHash(statement)) }
  if (type === 'request')
    found.words = requestWords(statement, (body as { gateway: string }).gateway).join(' ')
  return found
}

function readBundle({ bytes: data }: Vector): Found {
  const form = bundleForm.safeParse(parse(data))
  if (!form.success) return malformed('no bundle')
  const root = verifyKey(unbase64url(form.data.root))
  verifyRegistry('binding', unpublish(form.data.binding), root)
  verifyRegistry('server-entry', unpublish(form.data.serverEntry), root)
  for (const operator of form.data.operators) verifyRegistry('operator', unpublish(operator), root)
  return { words: rootWords(root.publicKey).join(' ') }
}

function readKeyfile({ head, bytes: data }: Vector): Found {
  const lock = head.secret === undefined ? { passphrase: head.passphrase! } : { secret: bytes(head.secret) }
  return { plain: JSON.stringify(unlockKeyfile(textOf(data), lock)) }
}

const readKey = ({ head, bytes: key }: Vector): Found => ({
  kid: head.use === 'ed25519' ? verifyKey(key).kid : boxPublic(key).kid,
})

const readers: Record<string, (vector: Vector) => Found> = {
  sealed: readSealed,
  public: readPublic,
  bundle: readBundle,
  keyfile: readKeyfile,
  key: readKey,
}

/** Reads a vector with src/wire: `expect`, and what follows from it when it opens. */
export function readVector(vector: Vector): Found {
  try {
    return { ...readers[vector.head.kind!]!(vector), expect: 'opened' }
  } catch (error) {
    if (!isFault(error)) throw error
    if (vector.head.kind === 'keyfile')
      return { expect: error.code === 'key.locked' ? 'unopened' : 'malformed' }
    return { expect: error.code.replace(/^wire\./, '').replace('.', '-') }
  }
}
