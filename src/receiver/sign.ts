import { z } from 'zod'
import { base64url, unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { readTextFile } from '../base/files.ts'
import type { SigningKey } from '../wire/keys.ts'
import { id, publicKey } from '../wire/members.ts'
import { type Binding, publicForm, registryBodies } from '../wire/registry.ts'
import {
  decodeBody,
  type PublicStatement,
  pae,
  publish,
  type Statement,
  unpublish,
} from '../wire/statement.ts'
import { checkRequest } from './enrol.ts'
import type { WaitingRow } from './registry-acts.ts'

/** Most bindings in one file: they must fit into what is read whole, and a person looks at each. */
export const bindingsLimit = 100

const unsignedForm = z.strictObject({
  unsigned: z.literal(1),
  server: id,
  root: publicKey,
  bindings: z
    .array(z.strictObject({ request: publicForm, body: z.string().max(8192) }))
    .min(1)
    .max(bindingsLimit),
})

const signedForm = z.strictObject({
  signed: z.literal(1),
  statements: z.array(publicForm).min(1).max(bindingsLimit),
})

function parsed<T>(path: string, form: z.ZodType<T>, hint: string): T {
  const text = readTextFile(path)
  try {
    return form.parse(JSON.parse(text))
  } catch (cause) {
    throw new Fault('input.invalid', `${path} is not such a file, or was changed`, { hint, cause })
  }
}

/** The text of a file with bindings for the root to sign, each with the request that it is for. */
export function unsignedText(server: string, root: string, rows: readonly WaitingRow[]): string {
  const bindings = rows.map(({ request, body }) => ({
    request: JSON.parse(request) as PublicStatement,
    body: base64url(Uint8Array.from(body)),
  }))
  return `${JSON.stringify({ unsigned: 1, server, root, bindings })}\n`
}

/** A binding that was found to be what its request asks for. */
export interface ToSign {
  body: Uint8Array<ArrayBuffer>
  binding: Binding
  /** The six words that the box shows. */
  words: string[]
}

async function readOne(
  one: { request: PublicStatement; body: string },
  server: string,
  root: SigningKey,
): Promise<ToSign> {
  const { body: asked, csr, words } = await checkRequest(JSON.stringify(one.request), 'a request')
  const body = unbase64url(one.body)
  const found = registryBodies.binding.safeParse(decodeBody(body))
  if (!found.success) throw new Fault('input.invalid', `the binding of ${asked.gateway} is not in order`)
  const binding = found.data
  const { gateway, keys } = binding
  if (binding.kid !== root.kid) {
    throw new Fault(
      'key.invalid',
      `the binding of ${gateway} is for root ${binding.kid}, this is ${root.kid}`,
    )
  }
  const same =
    gateway === asked.gateway &&
    binding.server === server &&
    keys.sign === asked.keys.sign &&
    keys.box === asked.keys.box &&
    keys.tls === csr.pin
  if (!same) throw new Fault('input.invalid', `the binding of ${gateway} is not what its request asks for`)
  return { body, binding, words }
}

/**
 * What a file asks the root to sign. Needs nothing but the file and the root: each binding is checked against the
 * request beside it, whose six words a person compares. Faults `input.invalid`, `key.invalid`.
 */
export async function readUnsigned(path: string, root: SigningKey): Promise<ToSign[]> {
  const { server, bindings } = parsed(
    path,
    unsignedForm,
    'it is written by: vitalgate-receiver registry waiting --out FILE',
  )
  const all: ToSign[] = []
  for (const one of bindings) {
    try {
      all.push(await readOne(one, server, root))
    } catch (cause) {
      if (!isFault(cause) || cause.code === 'key.invalid') throw cause
      throw new Fault('input.invalid', `${path} is refused: ${cause.message}`, { cause })
    }
  }
  return all
}

/** The text of a file with signed bindings: exactly the bytes that were asked for. */
export function signedText(all: readonly ToSign[], root: SigningKey): string {
  const statements = all.map(({ body }) =>
    publish({ type: 'binding', body, signature: root.sign(pae('binding', body)) }),
  )
  return `${JSON.stringify({ signed: 1, statements })}\n`
}

/** The statements of a signed file. Fault `input.invalid`. */
export const readSigned = (path: string): Statement[] =>
  parsed(path, signedForm, 'it is written by: vitalgate-receiver registry sign').statements.map(unpublish)
