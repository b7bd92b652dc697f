import { type Bytes, base64url, bytesOf, concat, sha256, textOf, unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { SigningKey, VerifyKey } from './keys.ts'

/** Something signed (WIRE 3.1): the body stays the bytes that were signed. */
export interface Statement {
  type: string
  body: Bytes
  signature: Bytes
}

/** Deepest nesting of a body (WIRE 1.5). */
const depthLimit = 8

/** What the signature is over (WIRE 3.2). */
export const pae = (type: string, body: Uint8Array): Bytes =>
  concat(bytesOf(`VG1 ${Buffer.byteLength(type)} ${type} ${body.length} `), body)

/** The hash by which one statement refers to another: H(PAE). */
export const statementHash = (statement: Statement): Bytes => sha256(pae(statement.type, statement.body))

/** A body's bytes: compact JSON (WIRE 3.3). */
export const encodeBody = (value: object): Bytes => bytesOf(JSON.stringify(value))

const malformed = (why: string, cause?: unknown): Fault =>
  new Fault('wire.malformed', why, cause === undefined ? {} : { cause })

const isName = (name: string): boolean =>
  name.isWellFormed() && name !== '__proto__' && !/^[0-9]+$/.test(name)

/** Refuses what JSON has and a body has not (WIRE 3.3). Stops at the depth limit, so the stack cannot run out. */
function checkPlain(value: unknown, room: number): void {
  if (typeof value === 'string' && !value.isWellFormed()) throw malformed('body has a lone surrogate')
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw malformed('body has a number that is no integer')
  if (typeof value !== 'object' || value === null) return
  if (room === 0) throw malformed('body is nested too deep')
  for (const [name, one] of Object.entries(value)) {
    if (!Array.isArray(value) && !isName(name)) throw malformed('body has a name that no body has')
    checkPlain(one, room - 1)
  }
}

/**
 * The object that a body's bytes are. Refuses, with `wire.malformed`, all that is not byte for byte its
 * own compact form (WIRE 3.3): so no name is there twice, no number has two spellings.
 */
export function decodeBody(bytes: Uint8Array): Record<string, unknown> {
  let text: string
  let value: unknown
  try {
    text = textOf(bytes)
    value = JSON.parse(text)
  } catch (cause) {
    throw malformed('body is not JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('body is not an object')
  }
  checkPlain(value, depthLimit)
  if (JSON.stringify(value) !== text) throw malformed('body is not compact JSON')
  return value as Record<string, unknown>
}

/** Signs a body as a type. */
export function signStatement(type: string, value: object, key: SigningKey): Statement {
  const body = encodeBody(value)
  return { type, body, signature: key.sign(pae(type, body)) }
}

/** Whether this key signed exactly this type and body. */
export const isSignedBy = (statement: Statement, key: VerifyKey): boolean =>
  key.verify(pae(statement.type, statement.body), statement.signature)

/** A public statement as it travels in files (WIRE 3.7). */
export interface PublicStatement {
  type: string
  body: string
  sig: string
}

/** A statement as JSON text can carry it. */
export const publish = ({ type, body, signature }: Statement): PublicStatement => ({
  type,
  body: base64url(body),
  sig: base64url(signature),
})

const unpack64 = (text: string): Bytes => {
  try {
    return unbase64url(text)
  } catch (cause) {
    throw malformed('statement is not canonical base64url', cause)
  }
}

/** The statement that a public form carries; a fault `wire.malformed` where its base64url is not canonical. */
export function unpublish({ type, body, sig }: PublicStatement): Statement {
  const signature = unpack64(sig)
  if (signature.length !== 64) throw malformed(`signature is ${signature.length} bytes long`)
  return { type, body: unpack64(body), signature }
}
