import { unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { verifyKey } from '../wire/keys.ts'
import { type Binding, verifyRegistry } from '../wire/registry.ts'
import { decodeBody, encodeBody, publish, type Statement } from '../wire/statement.ts'
import { type Certified, issueGateway } from './authority.ts'
import {
  bindingFor,
  type CheckedEnrolment,
  checkRequest,
  type EnrolmentDecided,
  enterBinding,
  isEnrolled,
} from './enrol.ts'
import type { Registry } from './registry.ts'
import { type WaitingRow, waitingHash, waitingPlace } from './registry-acts.ts'
import { appendLog } from './registry-log.ts'
import type { Store } from './store.ts'

/** What still waits for the root's signature, oldest first. */
export const listWaiting = (store: Store): WaitingRow[] =>
  store.all<WaitingRow>(
    'SELECT * FROM waiting WHERE request NOT IN (SELECT request FROM enrolments) ORDER BY id',
  )

/**
 * Keeps the binding of a confirmed request for the root to sign on another machine: exactly the bytes that are to
 * be signed. True where this request waits already. Faults as `isEnrolled`.
 */
export function keepWaiting(
  store: Store,
  registry: Registry,
  request: CheckedEnrolment,
  decided: EnrolmentDecided,
): boolean {
  const text = JSON.stringify(publish(request.statement))
  const { kid } = verifyKey(unbase64url(registry.facts.root))
  return store.write(() => {
    if (isEnrolled(store, registry, request)) return true
    if (listWaiting(store).some(row => row.request === text)) return true
    const binding = bindingFor(registry, request, decided)
    const { gateway, version } = binding
    const row = { gateway, version, request: text, body: encodeBody({ kid, ...binding }) }
    const { now: at, actor } = decided
    const { lastInsertRowid } = store.run(
      'INSERT INTO waiting (gateway, version, request, body, at, actor) VALUES (?, ?, ?, ?, ?, ?)',
      gateway,
      version,
      text,
      row.body,
      at,
      actor,
    )
    const kept = { ...row, id: Number(lastInsertRowid), at, actor }
    appendLog(store.db, { at, actor, act: 'waiting', subject: waitingPlace(kept), hash: waitingHash(kept) })
    return false
  })
}

/** The body of a binding that one of the pinned roots signed. Faults `wire.*`. */
function bodyUnderRoot(registry: Registry, statement: Statement): Binding {
  const { kid } = decodeBody(statement.body)
  const root = registry.roots.find(key => key.kid === kid)
  if (root !== undefined) return verifyRegistry('binding', statement, root)
  throw new Fault('wire.unknown-key', 'it is not for a root of this registry')
}

/** What entering a signed binding answers. */
export interface EnteredBinding {
  gateway: string
  site: string
  already: boolean
}

/**
 * Enters a binding that the root signed elsewhere: only one that waits here, byte for byte, and still follows.
 * Faults `input.invalid` where the root did not sign it, `registry.unknown` where it does not wait here, and as
 * `isEnrolled`.
 */
export async function enterSigned(
  store: Store,
  registry: Registry,
  statement: Statement,
  authority: Certified,
  decided: { actor: string; now: number },
): Promise<EnteredBinding> {
  let body: Binding
  try {
    body = bodyUnderRoot(registry, statement)
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause
    throw new Fault('input.invalid', `a statement is refused: ${cause.message}`, {
      hint: 'take the file that registry sign wrote with the root of this registry',
      cause,
    })
  }
  const { gateway, site, version } = body
  const row = store.get<WaitingRow>('SELECT * FROM waiting WHERE body = ?', statement.body)
  if (row === undefined) {
    throw new Fault('registry.unknown', `binding ${version} of ${gateway} does not wait here`, {
      hint: 'it was not asked for by this registry: type vitalgate-receiver registry waiting',
    })
  }
  const request = await checkRequest(row.request, `the request of ${gateway}`)
  const certificate = await issueGateway(authority, gateway, request.csr, decided.now)
  return store.write(() => {
    if (isEnrolled(store, registry, request)) return { gateway, site, already: true }
    const next = bindingFor(registry, request, { site, actor: decided.actor, now: body.since })
    if (next.version !== version || next.keys.tls !== body.keys.tls) {
      throw new Fault(
        'registry.known',
        `binding ${version} of ${gateway} no longer follows what is enrolled`,
        {
          hint: 'enrol its request again, and sign what waits then',
        },
      )
    }
    enterBinding(store, request, { ...statement, version }, certificate, decided)
    return { gateway, site, already: false }
  })
}
