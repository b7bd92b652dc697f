import { base64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { isThere } from '../base/files.ts'
import { makePair, type SigningKey, signingKey } from '../wire/keys.ts'
import { signRegistry } from '../wire/registry.ts'
import type { Registry } from './registry.ts'
import { insertStatement } from './registry-rows.ts'
import { ownLock, paths, readSigner, writeFacts, writeSecrets } from './state.ts'
import type { Store } from './store.ts'

/** The key that the next operator gets: the one of this folder where it was never certified, else a new one. */
function nextKey(state: string, registry: Registry): SigningKey {
  const held = isThere(paths(state).operator) ? readSigner(state, 'operator', ownLock(state)) : undefined
  // what an interrupted call made, before the root had signed it
  if (held !== undefined && !registry.operators().some(one => one.key.kid === held.kid)) return held
  if (held !== undefined && registry.revoked(held.kid) === undefined) {
    throw new Fault('registry.known', `operator ${registry.facts.operator} signs here`, {
      hint: 'revoke that one first: vitalgate-receiver registry revoke-operator NAME',
    })
  }
  const { secret } = makePair('ed25519')
  writeSecrets(state, 'operator', { seed: base64url(secret) }, ownLock(state))
  const key = signingKey(secret)
  secret.fill(0)
  return key
}

/**
 * Makes a new operator in the place of one who was revoked: a new key, certified by the root under a name that
 * was never used. The key of the revoked one is overwritten: nobody believes it. Cut short, the same call goes on.
 * True where it was so already. Faults `registry.known`, `key.locked`.
 */
export async function certifyOperator(
  state: string,
  store: Store,
  registry: Registry,
  root: () => Promise<SigningKey>,
  { name, actor, now }: { name: string; actor: string; now: number },
): Promise<boolean> {
  const known = registry.operators().find(one => one.name === name)
  if (known !== undefined) {
    const held = readSigner(state, 'operator', ownLock(state))
    if (held.kid !== known.key.kid || registry.revoked(held.kid) !== undefined) {
      throw new Fault('registry.known', `the name ${name} was used for another operator key`, {
        hint: 'take another name: none is ever used again',
      })
    }
    const already = registry.facts.operator === name
    // cut short before the facts were written
    if (!already) writeFacts(state, { ...registry.facts, operator: name })
    return already
  }
  const signer = await root()
  const key = nextKey(state, registry)
  const body = { operator: name, key: base64url(key.publicKey), since: now }
  const statement = signRegistry('operator', body, signer)
  store.write(() => insertStatement(store.db, { subject: name, version: 1, statement, at: now, actor }))
  writeFacts(state, { ...registry.facts, operator: name })
  return false
}
