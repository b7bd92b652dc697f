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
  requestOf,
} from './enrol.ts'
import type { Registry } from './registry.ts'
import { type WaitingRow, waitingHash, waitingPlace } from './registry-acts.ts'
import { appendLog } from './registry-log.ts'
import { statementAt } from './registry-rows.ts'
import { isRotated } from './rotate.ts'
import { insertRotation, proposalOf, proposalSays, rotationOf } from './rotations.ts'
import type { Brought, Succession } from './sign.ts'
import type { Store } from './store.ts'

/** What still waits for the root's signature, oldest first. */
export const listWaiting = (store: Store): WaitingRow[] =>
  store.all<WaitingRow>(
    "SELECT * FROM waiting WHERE request <> '' AND request NOT IN (SELECT request FROM enrolments) ORDER BY id",
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
  isDone: IsDone = isEnrolled,
): boolean {
  const text = requestOf(request)
  const { kid } = verifyKey(unbase64url(registry.facts.root))
  return store.write(() => {
    if (isDone(store, registry, request)) return true
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

/** Whether a request needs no binding any more. Faults where it may have none. */
export type IsDone = (store: Store, registry: Registry, request: CheckedEnrolment) => boolean

/** What shows the root on another machine that a row is a rotation; undefined where it is none. */
export function successionOf(store: Store, registry: Registry, row: WaitingRow): Succession | undefined {
  const rotation = rotationOf(store, row.gateway, row.request)
  const from = rotation === undefined ? undefined : registry.bound(row.gateway, rotation.by_kid)
  if (rotation === undefined || from === undefined) return undefined
  const before = statementAt(store.db, 'binding', row.gateway, from.version)
  return before === undefined
    ? undefined
    : { before: publish(before), proposal: publish(proposalOf(rotation)) }
}

/** The body of a binding that one of the pinned roots signed. Faults `wire.*`. */
function bodyUnderRoot(registry: Registry, statement: Statement): Binding {
  const { kid } = decodeBody(statement.body)
  const root = registry.roots.find(key => key.kid === kid)
  if (root !== undefined) return verifyRegistry('binding', statement, root)
  throw new Fault('wire.unknown-key', 'it is not for a root of this registry')
}

/** What entering a signed binding answers; `rotated`: new keys of a gateway that had others. */
export interface EnteredBinding {
  gateway: string
  site: string
  already: boolean
  rotated: boolean
}

/** Who signed a proposal, and what it is of; undefined where no key that is bound here signed it. */
function proposerOf(registry: Registry, gateway: string, { request, proposal }: Brought): string | undefined {
  if (request === undefined || proposal === undefined) return undefined
  const server = registry.server.id
  return registry
    .bindings(gateway)
    .find(({ verifyKey: key }) => proposalSays(proposal, { gateway, server, request, key }) !== undefined)
    ?.verifyKey.kid
}

const isSameBinding = (a: Omit<Binding, 'kid'>, b: Binding): boolean =>
  a.gateway === b.gateway &&
  a.server === b.server &&
  a.version === b.version &&
  a.keys.sign === b.keys.sign &&
  a.keys.box === b.keys.box &&
  a.keys.tls === b.keys.tls

/**
 * Enters a binding that the root signed elsewhere: only one that waits here, byte for byte, and still follows; or
 * the rotation of a gateway that is bound here, with its request and proposal.
 * Faults `input.invalid` where the root did not sign it, `registry.unknown` where it does not wait here, and as
 * `isEnrolled`.
 */
export async function enterSigned(
  store: Store,
  registry: Registry,
  brought: Brought,
  authority: Certified,
  decided: { actor: string; now: number },
): Promise<EnteredBinding> {
  const { statement } = brought
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
  // a registry that was set back to a backup knows nothing of a rotation; its own box shows that it asked for it
  const by = row === undefined ? proposerOf(registry, gateway, brought) : undefined
  const text = row?.request ?? (by === undefined ? undefined : brought.request)
  if (text === undefined) {
    throw new Fault('registry.unknown', `binding ${version} of ${gateway} does not wait here`, {
      hint: 'it was not asked for by this registry: type vitalgate-receiver registry waiting',
    })
  }
  const request = await checkRequest(text, `the request of ${gateway}`)
  const rotated = by !== undefined || rotationOf(store, gateway, text) !== undefined
  const isDone = rotated ? isRotated : isEnrolled
  const certificate = await issueGateway(authority, gateway, request.csr, decided.now)
  return store.write(() => {
    if (by !== undefined && brought.proposal !== undefined) {
      const { proposal } = brought
      const { kid } = request.body
      insertRotation(store, { gateway, kid, by, request: text, statement: proposal, at: decided.now })
    }
    if (isDone(store, registry, request)) return { gateway, site, already: true, rotated }
    const next = bindingFor(registry, request, { site, actor: decided.actor, now: body.since })
    if (!isSameBinding(next, body)) {
      throw new Fault(
        'registry.known',
        `binding ${version} of ${gateway} no longer follows what is enrolled`,
        {
          hint: 'enrol its request again, and sign what waits then',
        },
      )
    }
    enterBinding(store, request, { ...statement, version }, certificate, decided)
    return { gateway, site, already: false, rotated }
  })
}
