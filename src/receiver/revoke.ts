import { Fault } from '../base/fault.ts'
import type { SigningKey } from '../wire/keys.ts'
import { type Revocation, signRegistry } from '../wire/registry.ts'
import type { Enrolled, OperatorKey, Registry } from './registry.ts'
import { insertStatement } from './registry-rows.ts'
import { ownLock, readSigner } from './state.ts'
import type { Store } from './store.ts'

/** Who revokes, and why. */
export interface Decided {
  why: string
  actor: string
  /** Milliseconds since 1970. */
  now: number
}

/** What revoking answers: the revocation, and whether it was there before. */
export interface RevokedNow {
  revocation: Revocation
  already: boolean
}

/**
 * The operator's key of this folder. Fault `key.invalid` where it was revoked or is not the one that the root
 * certified: what it signed would not be believed.
 */
export function operatorSigner(state: string, registry: Registry): SigningKey {
  const key = readSigner(state, 'operator', ownLock(state))
  const hint = 'make another one: vitalgate-receiver registry certify-operator NAME'
  if (registry.revoked(key.kid) !== undefined) {
    throw new Fault('key.invalid', `the operator key ${key.kid} of this folder was revoked`, { hint })
  }
  if (registry.operators().some(one => one.key.kid === key.kid)) return key
  throw new Fault('key.invalid', `the operator key ${key.kid} of this folder was not certified`, { hint })
}

/** Appends the next revocation, unless this key is revoked already. */
function append(
  store: Store,
  registry: Registry,
  signer: SigningKey,
  revoked: Pick<Revocation, 'what' | 'id' | 'key' | 'tls'>,
  { why, actor, now }: Decided,
): RevokedNow {
  return store.write(() => {
    const held = registry.revoked(revoked.key)
    if (held !== undefined) return { revocation: held, already: true }
    // a number that cannot follow would not be believed
    for (const damage of registry.damage()) {
      if (damage.message.startsWith('revocation ')) throw damage
    }
    const { number, hash } = registry.revocationsEnd()
    const statement = signRegistry(
      'revocation',
      { server: registry.server.id, number: number + 1, before: hash, ...revoked, since: now, why },
      signer,
    )
    insertStatement(store.db, {
      subject: registry.server.id,
      version: number + 1,
      statement,
      at: now,
      actor,
    })
    const revocation = registry.revoked(revoked.key)
    if (revocation !== undefined) return { revocation, already: false }
    throw new Fault('store.damaged', `revocation ${number + 1} was entered and is not believed`, {
      hint: 'nothing was changed; type: vitalgate-receiver registry verify',
    })
  })
}

/** The gateway that may be revoked. Faults `store.damaged`, `registry.unknown`. */
export function boundGateway(registry: Registry, gateway: string) {
  const enrolled = registry.gateway(gateway)
  if (enrolled !== undefined) return enrolled
  for (const damage of registry.damage()) throw damage
  throw new Fault('registry.unknown', `gateway ${gateway} is not bound to this server`)
}

/**
 * Revokes the keys of a gateway, for ever (WIRE 9.7): those of its newest binding, and those before, which it may
 * still speak under (WIRE 9.9). Signed by the operator's key. Gives the revocation of the newest. Faults
 * `registry.unknown`, `store.damaged`, `key.invalid`.
 */
export function revokeGateway(
  state: string,
  store: Store,
  registry: Registry,
  gateway: string,
  decided: Decided,
): RevokedNow {
  const newest = boundGateway(registry, gateway)
  const signer = operatorSigner(state, registry)
  const revoke = ({ verifyKey, tls }: Enrolled): RevokedNow =>
    append(store, registry, signer, { what: 'gateway', id: gateway, key: verifyKey.kid, tls }, decided)
  return store.write(() => {
    const done = revoke(newest)
    for (const before of registry.bindings(gateway)) revoke(before)
    return done
  })
}

/** The operator of this name. Fault `registry.unknown`. */
export function operatorNamed(registry: Registry, name: string): OperatorKey {
  const found = registry.operators().find(one => one.name === name)
  if (found !== undefined) return found
  throw new Fault('registry.unknown', `there is no operator ${name}`, {
    hint: `one of ${registry
      .operators()
      .map(one => one.name)
      .join(', ')}`,
  })
}

/** Revokes an operator, for ever: signed by the root. Faults `registry.unknown`, `store.damaged`. */
export function revokeOperator(
  store: Store,
  registry: Registry,
  root: SigningKey,
  name: string,
  decided: Decided,
): RevokedNow {
  const { key } = operatorNamed(registry, name)
  return append(store, registry, root, { what: 'operator', id: name, key: key.kid, tls: null }, decided)
}
