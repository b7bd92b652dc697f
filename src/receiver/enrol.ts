import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type SigningKey, verifyKey } from '../wire/keys.ts'
import { type Bundle, publicForm, type Request, signRegistry, verifyRegistry } from '../wire/registry.ts'
import { decodeBody, type PublicStatement, publish, type Statement, unpublish } from '../wire/statement.ts'
import { requestWords, sameWords } from '../wire/words.ts'
import { type Certified, type CheckedRequest, checkSigningRequest, issueGateway } from './authority.ts'
import type { Registry } from './registry.ts'
import { insertStatement } from './registry-rows.ts'
import type { Store } from './store.ts'

/** Largest request file (WIRE 1.5). */
const requestLimit = 32 * 1024

/** A request that is in order but not yet confirmed by a person. */
export interface CheckedEnrolment {
  statement: Statement
  body: Request
  csr: CheckedRequest
  /** The six words that the box shows. */
  words: string[]
}

/**
 * Reads and checks a request file (WIRE 10.1): its form, the keys in it, its signature with the signing
 * key in it, and its certificate request. Fault `input.invalid` says what is wrong with it.
 */
export async function checkRequest(text: string, name: string): Promise<CheckedEnrolment> {
  try {
    if (Buffer.byteLength(text) > requestLimit) throw new Fault('input.invalid', 'it is too large')
    const statement = unpublish(publicForm.parse(JSON.parse(text)) satisfies PublicStatement)
    const claimed = (decodeBody(statement.body).keys as { sign?: unknown } | undefined)?.sign
    if (typeof claimed !== 'string') throw new Fault('input.invalid', 'it names no signing key')
    const body = verifyRegistry('request', statement, verifyKey(unbase64url(claimed)))
    const csr = await checkSigningRequest(body.csr, body.gateway)
    return { statement, body, csr, words: requestWords(statement, body.gateway) }
  } catch (cause) {
    const why = isFault(cause) ? cause.message : 'it is not a request of VG1'
    throw new Fault('input.invalid', `${name} is refused: ${why}`, {
      hint: 'let the box write it again: vitalgate provision request',
      cause,
    })
  }
}

/** What signs an enrolment: unlocked once for a whole batch. */
export interface Signers {
  root: SigningKey
  authority: Certified
}

interface EnrolmentRow {
  gateway: string
  request: string
}

/**
 * Whether this very request is enrolled already. Fault `registry.known` where its gateway id, or one of
 * its keys, is that of another: keys are never exchanged under a known name.
 */
export function isEnrolled(store: Store, { statement, body, csr }: CheckedEnrolment): boolean {
  const row = store.get<EnrolmentRow>(
    'SELECT gateway, request FROM enrolments WHERE gateway = ? OR sign_key = ? OR box_key = ? OR tls_key = ? ' +
      'ORDER BY gateway = ? DESC',
    body.gateway,
    body.keys.sign,
    body.keys.box,
    csr.pin,
    body.gateway,
  )
  if (row === undefined) return false
  if (row.request === JSON.stringify(publish(statement))) return true
  if (row.gateway === body.gateway) {
    throw new Fault('registry.known', `gateway ${body.gateway} is enrolled with other keys`, {
      hint: 'a box that was wiped makes a new id; if this one was not, ask who wrote this request',
    })
  }
  throw new Fault('registry.known', `a key of ${body.gateway} belongs to gateway ${row.gateway}`, {
    hint: 'was a state folder copied from box to box? each box must make its own keys',
  })
}

/** Fault `words.mismatch` unless these are the words of the request. */
export function confirmWords({ body, words }: CheckedEnrolment, typed: string): void {
  if (sameWords(typed, words)) return
  throw new Fault('words.mismatch', `the six words are not those of the request of ${body.gateway}`, {
    hint: 'read them again from the box; if they differ, this request is not from that box',
  })
}

/** Enrols a confirmed request at a site: binding, certificate and row in one transaction. */
export async function enrol(
  store: Store,
  registry: Registry,
  request: CheckedEnrolment,
  signers: Signers,
  decided: { site: string; actor: string; now: number },
): Promise<void> {
  const { statement, body, csr } = request
  const { gateway } = body
  const certificate = await issueGateway(signers.authority, gateway, csr, decided.now)
  const binding = signRegistry(
    'binding',
    {
      gateway,
      server: registry.server.id,
      version: 1,
      site: decided.site,
      keys: { sign: body.keys.sign, box: body.keys.box, tls: csr.pin },
      since: decided.now,
    },
    signers.root,
  )
  store.write(() => {
    // somebody else may have enrolled it meanwhile
    if (isEnrolled(store, request)) return
    const { now: at, actor } = decided
    store.run(
      'INSERT INTO enrolments (gateway, request, sign_key, box_key, tls_key, certificate, at, actor) ' +
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      gateway,
      JSON.stringify(publish(statement)),
      body.keys.sign,
      body.keys.box,
      csr.pin,
      certificate,
      at,
      actor,
    )
    insertStatement(store.db, { subject: gateway, version: 1, statement: binding, at, actor })
  })
}

/** The bundle of an enrolled gateway, as JSON text (WIRE 10.2). It holds no secret. */
export function makeBundle(store: Store, registry: Registry, gateway: string): string {
  const { facts, server } = registry
  const enrolled = registry.gateway(gateway)
  for (const damage of registry.damage()) throw damage
  const binding = registry.statement('binding', gateway)
  const entry = registry.statement('server-entry', server.id)
  const operator = registry.statement('operator', facts.operator)
  const row = store.get<{ certificate: string }>(
    'SELECT certificate FROM enrolments WHERE gateway = ?',
    gateway,
  )
  if (enrolled === undefined || binding === undefined || entry === undefined || row === undefined) {
    throw new Fault('registry.unknown', `gateway ${gateway} is not enrolled`)
  }
  const bundle: Bundle = {
    bundle: 1,
    gateway,
    root: facts.root,
    successor: facts.successor,
    operators: operator === undefined ? [] : [publish(operator)],
    binding: publish(binding),
    serverEntry: publish(entry),
    certificate: row.certificate,
  }
  return `${JSON.stringify(bundle)}\n`
}
