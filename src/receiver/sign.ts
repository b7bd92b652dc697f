import { z } from 'zod'
import { base64url, unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { readTextFile } from '../base/files.ts'
import { type SigningKey, verifyKey } from '../wire/keys.ts'
import { id, publicKey } from '../wire/members.ts'
import { type Binding, publicForm, registryBodies, verifyRegistry } from '../wire/registry.ts'
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
import { proposalSays } from './rotations.ts'
import { type EntryToSign, entriesLimit, readEntry, signedEntry } from './sign-entry.ts'

/** Most bindings in one file: they must fit into what is read whole, and a person looks at each. */
export const bindingsLimit = 100

/** What shows that a gateway goes on under new keys: the binding of those before, and what they signed. */
export interface Succession {
  before: PublicStatement
  proposal: PublicStatement
}

const unsignedForm = z.strictObject({
  unsigned: z.literal(1),
  server: id,
  root: publicKey,
  bindings: z
    .array(
      z.strictObject({
        request: publicForm,
        body: z.string().max(8192),
        rotation: z.strictObject({ before: publicForm, proposal: publicForm }).optional(),
      }),
    )
    .max(bindingsLimit),
  entries: z.array(z.string().max(65_536)).max(entriesLimit).optional(),
})
type Unsigned = z.infer<typeof unsignedForm>['bindings'][number]

const signedForm = z.strictObject({
  signed: z.literal(1),
  statements: z
    .array(publicForm)
    .min(1)
    .max(bindingsLimit + entriesLimit),
  requests: z.array(publicForm).max(bindingsLimit).optional(),
  proposals: z.array(publicForm.nullable()).max(bindingsLimit).optional(),
})

/** A signed binding with the request that it is for, and with the event that proposed it where it is a rotation. */
export interface Signed {
  statement: PublicStatement
  request: PublicStatement
  proposal: PublicStatement | null
}

function parsed<T>(path: string, form: z.ZodType<T>, hint: string): T {
  const text = readTextFile(path)
  try {
    return form.parse(JSON.parse(text))
  } catch (cause) {
    throw new Fault('input.invalid', `${path} is not such a file, or was changed`, { hint, cause })
  }
}

/** The text of a file with bindings for the root to sign, each with the request that it is for. */
export function unsignedText(
  server: string,
  root: string,
  rows: readonly WaitingRow[],
  rotationOf: (row: WaitingRow) => Succession | undefined = () => undefined,
  waitingEntries: readonly WaitingRow[] = [],
): string {
  const bindings = rows.map(row => {
    const rotation = rotationOf(row)
    return {
      request: JSON.parse(row.request) as PublicStatement,
      body: base64url(Uint8Array.from(row.body)),
      ...(rotation === undefined ? {} : { rotation }),
    }
  })
  const entries = waitingEntries.slice(-entriesLimit).map(({ body }) => base64url(Uint8Array.from(body)))
  return `${JSON.stringify({ unsigned: 1, server, root, bindings, entries })}\n`
}

/** A binding that was found to be what its request asks for. */
export interface ToSign {
  body: Uint8Array<ArrayBuffer>
  binding: Binding
  request: PublicStatement
  /** The six words that the box shows. */
  words: string[]
  /** Where the box itself asks for it, under a key that this root has bound: which, and when by the box's clock. */
  rotation?: { from: Binding; fromKid: string; toKid: string; proposed: number; proposal: PublicStatement }
}

/** What a rotation shows, under this root alone. Fault `input.invalid` where it does not show it. */
function readRotation(
  { rotation, request }: Unsigned,
  binding: Binding,
  root: SigningKey,
): Pick<ToSign, 'rotation'> {
  if (rotation === undefined) return {}
  const { gateway, server } = binding
  const from = verifyRegistry('binding', unpublish(rotation.before), verifyKey(root.publicKey))
  const key = verifyKey(unbase64url(from.keys.sign))
  const said = proposalSays(unpublish(rotation.proposal), {
    ...{ gateway, server, key },
    request: JSON.stringify(request),
  })
  if (
    said === undefined ||
    from.gateway !== gateway ||
    from.server !== server ||
    from.version >= binding.version
  ) {
    throw new Fault('input.invalid', `the rotation of ${gateway} is not what its former key asked for`)
  }
  const toKid = verifyKey(unbase64url(binding.keys.sign)).kid
  const { proposal } = rotation
  return { rotation: { from, fromKid: key.kid, toKid, proposed: said.wall, proposal } }
}

async function readOne(one: Unsigned, server: string, root: SigningKey): Promise<ToSign> {
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
  return { body, binding, request: one.request, words, ...readRotation(one, binding, root) }
}

/**
 * What a file asks the root to sign. Needs nothing but the file and the root: each binding is checked against the
 * request beside it, whose six words a person compares. Faults `input.invalid`, `key.invalid`.
 */
export async function readUnsigned(
  path: string,
  root: SigningKey,
): Promise<{ bindings: ToSign[]; entries: EntryToSign[] }> {
  const {
    server,
    bindings,
    entries = [],
  } = parsed(path, unsignedForm, 'it is written by: vitalgate-receiver registry waiting --out FILE')
  const all: ToSign[] = []
  for (const one of bindings) {
    try {
      all.push(await readOne(one, server, root))
    } catch (cause) {
      if (!isFault(cause) || cause.code === 'key.invalid') throw cause
      throw new Fault('input.invalid', `${path} is refused: ${cause.message}`, { cause })
    }
  }
  return { bindings: all, entries: entries.map(one => readEntry(one, server, root)) }
}

/** The text of a file for `registry import`. It holds no secret. */
export const signedFile = (all: readonly Signed[], entries: readonly PublicStatement[] = []): string =>
  `${JSON.stringify({
    signed: 1,
    // entries behind: what stands beside a binding is found by its place
    statements: [...all.map(one => one.statement), ...entries],
    requests: all.map(one => one.request),
    proposals: all.map(one => one.proposal),
  })}\n`

/** The text of a file with signed bindings: exactly the bytes that were asked for. */
export const signedText = (
  all: readonly ToSign[],
  root: SigningKey,
  entries: readonly EntryToSign[] = [],
): string =>
  signedFile(
    all.map(({ body, request, rotation }) => ({
      statement: publish({ type: 'binding', body, signature: root.sign(pae('binding', body)) }),
      request,
      proposal: rotation?.proposal ?? null,
    })),
    entries.map(one => signedEntry(one, root)),
  )

/** A statement of a signed file, with what the file holds beside it. */
export interface Brought {
  statement: Statement
  /** The request's text. */
  request?: string
  proposal?: Statement
}

/** The statements of a signed file. Fault `input.invalid`. */
export function readSigned(path: string): Brought[] {
  const hint = 'it is written by: vitalgate-receiver registry sign'
  const { statements, requests, proposals } = parsed(path, signedForm, hint)
  return statements.map((one, at) => {
    const [request, proposal] = [requests?.[at], proposals?.[at] ?? undefined]
    return {
      statement: unpublish(one),
      ...(request === undefined ? {} : { request: JSON.stringify(request) }),
      ...(proposal === undefined ? {} : { proposal: unpublish(proposal) }),
    }
  })
}
