import { Fault } from '../base/fault.ts'
import { signRegistry } from '../wire/registry.ts'
import { publish } from '../wire/statement.ts'
import { issueGateway } from './authority.ts'
import {
  bindingFor,
  type CheckedEnrolment,
  checkRequest,
  enterBinding,
  refuseUsedKeys,
  requestOf,
  type Signers,
} from './enrol.ts'
import type { Enrolled, Registry } from './registry.ts'
import { proposalOf, proposalSays, type RotationRow, rotationOf, waitingRotation } from './rotations.ts'
import type { Signed } from './sign.ts'
import type { Store } from './store.ts'

/** Proposed keys that were found in order, with what a person must know to decide. */
export interface CheckedRotation {
  row: RotationRow
  request: CheckedEnrolment
  /** The binding whose key proposed them. */
  from: Enrolled
  /** When, by the gateway's clock. */
  proposed: number
}

const nothingProposed = (gateway: string): Fault =>
  new Fault('registry.unknown', `gateway ${gateway} has proposed no new keys`, {
    hint: 'on the box: vitalgate provision rotate; if its keys were lost or stolen: registry revoke, then enrol',
  })

/**
 * The keys that a gateway proposed and that wait to be bound. Faults `registry.unknown` where none wait,
 * `store.damaged` where the gateway did not sign what the database tells, `input.invalid`.
 */
export async function checkRotation(
  store: Store,
  registry: Registry,
  gateway: string,
): Promise<CheckedRotation> {
  const row = waitingRotation(store, registry, gateway)
  const from = row === undefined ? undefined : registry.bound(gateway, row.by_kid)
  if (row === undefined || from === undefined) throw nothingProposed(gateway)
  const said = proposalSays(proposalOf(row), {
    gateway,
    server: registry.server.id,
    request: row.request,
    key: from.verifyKey,
  })
  if (said === undefined) {
    throw new Fault('store.damaged', `the proposal ${row.id} of ${gateway} is not what its gateway signed`, {
      hint: 'somebody changed the database by hand or it is damaged; restore it from a backup',
    })
  }
  const request = await checkRequest(row.request, `the proposal of ${gateway}`)
  return { row, request, from, proposed: said.wall }
}

/**
 * Whether proposed keys are bound already. Fault `registry.unknown` where this very request does not wait (any
 * more), `registry.known` where one of its keys was used before. Inside `write`.
 */
export function isRotated(store: Store, registry: Registry, request: CheckedEnrolment): boolean {
  const { gateway } = request.body
  const text = requestOf(request)
  const row = rotationOf(store, gateway, text)
  if (row === undefined) throw nothingProposed(gateway)
  if (registry.bound(gateway, row.kid) !== undefined) return true
  if (waitingRotation(store, registry, gateway)?.id !== row.id) {
    throw new Fault('registry.unknown', `the keys ${row.kid} of ${gateway} are proposed no more`, {
      hint: 'see what is: vitalgate-receiver registry waiting',
    })
  }
  refuseUsedKeys(store, request)
  return false
}

/** The site of a gateway, which new keys do not change. */
export function siteOf(registry: Registry, gateway: string): string {
  const moved = registry.moved(gateway)
  if (moved !== undefined) {
    throw new Fault('registry.moved', `gateway ${gateway} belongs to server ${moved.server} by now`, {
      hint: 'its keys are rotated there',
    })
  }
  const held = registry.gateway(gateway)
  if (held !== undefined) return held.site
  for (const damage of registry.damage()) throw damage
  throw new Fault('registry.unknown', `gateway ${gateway} is not bound to this server`)
}

/**
 * Binds proposed keys: binding, certificate and row in one transaction. Gives the signed binding, to be kept
 * outside of the database; undefined where it was so already. Faults as `isRotated`.
 */
export async function rotate(
  store: Store,
  registry: Registry,
  { request, row }: CheckedRotation,
  signers: Signers,
  decided: { actor: string; now: number },
): Promise<Signed | undefined> {
  const { gateway } = request.body
  const certificate = await issueGateway(signers.authority, gateway, request.csr, decided.now)
  return store.write(() => {
    if (isRotated(store, registry, request)) return undefined
    const body = bindingFor(registry, request, { site: siteOf(registry, gateway), ...decided })
    const binding = signRegistry('binding', body, signers.root)
    enterBinding(store, request, { ...binding, version: body.version }, certificate, decided)
    const [statement, proposal] = [publish(binding), publish(proposalOf(row))]
    return { statement, request: publish(request.statement), proposal }
  })
}
