import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type SigningKey, verifyKey } from '../wire/keys.ts'
import {
  type Binding,
  type Bundle,
  publicForm,
  type Request,
  signRegistry,
  verifyRegistry,
} from '../wire/registry.ts'
import { decodeBody, type PublicStatement, publish, type Statement, unpublish } from '../wire/statement.ts'
import { requestWords, sameWords } from '../wire/words.ts'
import { type Certified, type CheckedRequest, checkSigningRequest, issueGateway } from './authority.ts'
import { isRevoked, type Registry } from './registry.ts'
import { enrolmentsLike, insertEnrolment, newestEnrolment } from './registry-enrolments.ts'
import { insertStatement, newestRows } from './registry-rows.ts'
import { insertRenewal, newestCertificate } from './renewals.ts'
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

/** A request as its row has it. */
export const requestOf = ({ statement }: CheckedEnrolment): string => JSON.stringify(publish(statement))

/**
 * Whether this very request is enrolled already. Fault `registry.known` where its gateway id, or one of its keys,
 * is known: keys are exchanged under a known id only after those before were revoked, and never taken again.
 */
export function isEnrolled(store: Store, registry: Registry, request: CheckedEnrolment): boolean {
  const { gateway, keys } = request.body
  const rows = enrolmentsLike(store.db, {
    gateway,
    sign_key: keys.sign,
    box_key: keys.box,
    tls_key: request.csr.pin,
  })
  const held = registry.gateway(gateway)
  // a binding that is there and not believed is damage, and frees no id
  for (const damage of held === undefined && hasBinding(store, gateway) ? registry.damage() : []) throw damage
  const moved = registry.moved(gateway)
  // it belongs to another server, which gave it away with exactly these keys (WIRE 9.11)
  const comesBack = moved?.kid === request.body.kid && !isRevoked(registry, gateway)
  const isFree =
    comesBack || (held === undefined ? !hasBinding(store, gateway) : isRevoked(registry, gateway))
  const same = rows.find(row => row.request === requestOf(request))
  if (same !== undefined && held?.verifyKey.kid === request.body.kid && !isFree) return true
  const [clash] = rows.filter(row => row.gateway !== gateway)
  if (clash !== undefined) {
    throw new Fault('registry.known', `a key of ${gateway} belongs to gateway ${clash.gateway}`, {
      hint: 'was a state folder copied from box to box? each box must make its own keys',
    })
  }
  if (!isFree) {
    throw new Fault('registry.known', `gateway ${gateway} is enrolled with other keys`, {
      hint: 'a box that was wiped makes a new id; if this one lost its keys, revoke them first: registry revoke',
    })
  }
  const { sign, box } = keys
  if (comesBack) return false
  if (rows.some(row => row.sign_key === sign || row.box_key === box || row.tls_key === request.csr.pin)) {
    throw new Fault(
      'registry.known',
      `gateway ${gateway} was revoked, and this request has a key from before`,
      {
        hint: 'a key is revoked for ever; let the box make new ones and a new request',
      },
    )
  }
  return false
}

/** Fault `registry.known` where one of these keys was ever enrolled: none is taken twice. */
export function refuseUsedKeys(store: Store, { body, csr }: CheckedEnrolment): void {
  const { gateway, keys } = body
  const wanted = { gateway, sign_key: keys.sign, box_key: keys.box, tls_key: csr.pin }
  const used = enrolmentsLike(store.db, wanted).find(
    row => row.sign_key === keys.sign || row.box_key === keys.box || row.tls_key === csr.pin,
  )
  if (used === undefined) return
  throw new Fault('registry.known', `a proposed key of ${gateway} was used before, by ${used.gateway}`, {
    hint: 'each rotation takes three new keys: on the box: vitalgate provision rotate',
  })
}

/** Whether there is a binding of this gateway, believed or not. */
const hasBinding = (store: Store, gateway: string): boolean =>
  newestRows(store.db)('binding', gateway).length > 0

/** Fault `words.mismatch` unless these are the words of the request. */
export function confirmWords({ body, words }: CheckedEnrolment, typed: string): void {
  if (sameWords(typed, words)) return
  throw new Fault('words.mismatch', `the six words are not those of the request of ${body.gateway}`, {
    hint: 'read them again from the box; if they differ, this request is not from that box',
  })
}

/** Where and by whom a box is enrolled; `now` is milliseconds since 1970. */
export interface EnrolmentDecided {
  site: string
  actor: string
  now: number
}

/** The binding that follows for a request, as it is signed. Inside `write`, after `isEnrolled` answered no. */
export const bindingFor = (
  registry: Registry,
  { body, csr }: CheckedEnrolment,
  { site, now }: EnrolmentDecided,
): Omit<Binding, 'kid'> => ({
  gateway: body.gateway,
  server: registry.server.id,
  version: registry.versions(body.gateway).binding + 1,
  site,
  keys: { sign: body.keys.sign, box: body.keys.box, tls: csr.pin },
  since: now,
})

/** Enters a signed binding with its request and certificate. Inside `write`. */
export function enterBinding(
  store: Store,
  request: CheckedEnrolment,
  binding: Statement & { version: number },
  certificate: string,
  { actor, now: at }: Pick<EnrolmentDecided, 'actor' | 'now'>,
): void {
  const { body, csr } = request
  const { version, ...statement } = binding
  const { gateway } = body
  const known = enrolmentsLike(store.db, { gateway, sign_key: body.keys.sign, box_key: '', tls_key: '' })
  // back from another server with the keys that it had here: only the certificate is new
  if (known.some(row => row.gateway === gateway && row.sign_key === body.keys.sign)) {
    insertRenewal(store, { gateway, tls_key: csr.pin, certificate, at, actor })
    insertStatement(store.db, { subject: gateway, version, statement, at, actor })
    return
  }
  insertEnrolment(store.db, {
    gateway: body.gateway,
    version,
    request: requestOf(request),
    sign_key: body.keys.sign,
    box_key: body.keys.box,
    tls_key: csr.pin,
    certificate,
    at,
    actor,
  })
  insertStatement(store.db, { subject: body.gateway, version, statement, at, actor })
}

/**
 * Enrols a confirmed request at a site: binding, certificate and row in one transaction. A gateway whose keys
 * were revoked gets its next binding, with the new keys. Faults as `isEnrolled`.
 */
export async function enrol(
  store: Store,
  registry: Registry,
  request: CheckedEnrolment,
  signers: Signers,
  decided: EnrolmentDecided,
): Promise<void> {
  const certificate = await issueGateway(signers.authority, request.body.gateway, request.csr, decided.now)
  store.write(() => {
    // somebody else may have enrolled it meanwhile
    if (isEnrolled(store, registry, request)) return
    const body = bindingFor(registry, request, decided)
    const binding = signRegistry('binding', body, signers.root)
    enterBinding(store, request, { ...binding, version: body.version }, certificate, decided)
  })
}

/** Most operators in a bundle (WIRE 1.5): the newest. */
const bundledOperators = 16

/** The statements of those who may sign orders and lists today. */
const operatorsOf = (registry: Registry): Statement[] =>
  registry
    .operators()
    .filter(one => registry.revoked(one.key.kid) === undefined)
    .slice(-bundledOperators)
    .flatMap(one => registry.statement('operator', one.name) ?? [])

/** The bundle of an enrolled gateway, as JSON text (WIRE 10.2). It holds no secret. */
export function makeBundle(store: Store, registry: Registry, gateway: string): string {
  const { facts, server } = registry
  const enrolled = registry.gateway(gateway)
  for (const damage of registry.damage()) throw damage
  if (isRevoked(registry, gateway)) {
    throw new Fault('registry.known', `gateway ${gateway} was revoked`, {
      hint: 'let the box make new keys and a new request, and enrol that',
    })
  }
  const moved = registry.moved(gateway)
  if (moved !== undefined) {
    throw new Fault('registry.moved', `gateway ${gateway} belongs to server ${moved.server} by now`, {
      hint: 'its bundle is made there',
    })
  }
  const binding = registry.statement('binding', gateway)
  const entry = registry.statement('server-entry', server.id)
  const row = newestEnrolment(store.db, gateway)
  if (
    enrolled === undefined ||
    binding === undefined ||
    entry === undefined ||
    row?.tls_key !== enrolled.tls
  ) {
    throw new Fault('registry.unknown', `gateway ${gateway} is not enrolled`)
  }
  const bundle: Bundle = {
    bundle: 1,
    gateway,
    root: facts.root,
    successor: facts.successor,
    operators: operatorsOf(registry).map(publish),
    binding: publish(binding),
    serverEntry: publish(entry),
    certificate: newestCertificate(store.db, gateway, row.tls_key) ?? row.certificate,
  }
  return `${JSON.stringify(bundle)}\n`
}
