import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { base64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { fileFault, isThere, readSecretFile, writeSecretFile } from '../base/files.ts'
import { lockKeyfile } from '../base/keyfile.ts'
import { makePair, type SigningKey } from '../wire/keys.ts'
import { type Binding, signRegistry } from '../wire/registry.ts'
import { decodeBody, type Statement } from '../wire/statement.ts'
import type { Registry } from './registry.ts'
import { insertStatement, newestRows } from './registry-rows.ts'
import { readRoot } from './root.ts'
import { paths, readFacts, writeFacts } from './state.ts'
import type { Store } from './store.ts'

/** What the successor is about to sign, for a person to look at. */
export interface SuccessionPlan {
  operators: { name: string; kid: string }[]
  gateways: number
  entry: number
}

/** Gateways whose newest binding is to this server: those that were moved are bound by the other one. */
const ownGateways = (registry: Registry): string[] =>
  registry.gateways().filter(id => registry.gateway(id) !== undefined && registry.moved(id) === undefined)

/** Whom the root certified and nobody revoked. */
const operatorsInForce = (registry: Registry) =>
  registry.operators().filter(one => registry.revoked(one.key.kid) === undefined)

export const planOf = (registry: Registry): SuccessionPlan => ({
  operators: operatorsInForce(registry).map(({ name, key }) => ({ name, kid: key.kid })),
  gateways: ownGateways(registry).length,
  entry: registry.entry().version + 1,
})

/** The successor of a sealed file, if it is the one that this registry and its gateways pin. Fault `key.invalid`. */
export function readSuccessor(registry: Registry, path: string, passphrase: string): SigningKey {
  const key = readRoot(path, passphrase)
  const { root, successor } = registry.facts
  const held = base64url(key.publicKey)
  // the second: cut short after the facts were written
  if (held === successor || (held === root && registry.facts.former !== undefined)) return key
  throw new Fault('key.invalid', `${path} does not hold the successor that this registry has`, {
    hint: 'it is the file that was successor.sealed when the gateways were enrolled',
  })
}

/** Where the next successor waits until the old one has become the root. */
const nextPath = (state: string): string => join(state, 'successor.next.sealed')

/** The next successor: one that another server of this root has made, or made here, under the same passphrase. */
function nextSuccessor(state: string, passphrase: string, made: string | undefined): string {
  const path = nextPath(state)
  if (made !== undefined) {
    const brought = base64url(readRoot(made, passphrase).publicKey)
    const { root, successor, former = [] } = readFacts(state)
    if ([root, successor, ...former].includes(brought)) {
      throw new Fault('key.invalid', `${made} holds a root that this registry knows already`, {
        hint: 'take successor.sealed of the other server after its succession',
      })
    }
    writeSecretFile(path, readSecretFile(made))
  } else if (!isThere(path)) {
    const { secret } = makePair('ed25519')
    writeSecretFile(path, lockKeyfile({ seed: base64url(secret) }, { passphrase }))
    secret.fill(0)
  }
  return base64url(readRoot(path, passphrase).publicKey)
}

/** Signs anew all that is in force, each in its next version. Inside `write`. */
function signAll(
  store: Store,
  registry: Registry,
  root: SigningKey,
  { actor, now: at }: { actor: string; now: number },
): void {
  const { db } = store
  const enter = (subject: string, version: number, statement: Statement): void =>
    insertStatement(db, { subject, version, statement, at, actor })
  // read before anything is written: with the entry the root of before counts for history only
  const operators = operatorsInForce(registry)
  const bindings = ownGateways(registry).map(gateway => registry.statement('binding', gateway)!)
  // the entry first: with it the successor takes over, and what comes after it is under the root of then
  const entry = registry.entry()
  const until = Math.max(entry.until, at + entryYears * year)
  const next = { ...entry, kid: root.kid, version: entry.version + 1, from: at, until }
  enter(entry.server, next.version, signRegistry('server-entry', next, root))
  for (const { name, since, key } of operators) {
    const [row] = newestRows(db)('operator', name)
    const body = { operator: name, key: base64url(key.publicKey), since }
    enter(name, (row?.version ?? 0) + 1, signRegistry('operator', body, root))
  }
  for (const statement of bindings) {
    const body = decodeBody(statement.body) as Binding
    const next = { ...body, kid: root.kid, version: body.version + 1 }
    enter(next.gateway, next.version, signRegistry('binding', next, root))
  }
}

const year = 365.25 * 86_400_000
const entryYears = 5

/** What a succession came to. */
export interface Succeeded {
  root: string
  successor: string
  already: boolean
}

/**
 * Lets the successor become the root (WIRE 9.12): it signs anew all that is in force, and a new successor is made.
 * Order: the new successor's file, all statements at once, `root.sealed`, the facts, `successor.sealed`. Cut short
 * anywhere, the same call goes on. Faults `key.…`, `disk.full`, `store.damaged` where a row is not believed.
 */
export function succeed(
  state: string,
  store: Store,
  registry: Registry,
  { path, passphrase, made }: { path: string; passphrase: string; made?: string | undefined },
  decided: { actor: string; now: number },
): Succeeded {
  const key = readSuccessor(registry, path, passphrase)
  const root = base64url(key.publicKey)
  const at = paths(state)
  const facts = readFacts(state)
  if (facts.root === root) {
    settleFiles(state, passphrase, facts.successor)
    return { root, successor: facts.successor, already: true }
  }
  // what is not believed must not be signed anew, nor silently left out
  for (const id of registry.gateways()) registry.gateway(id)
  registry.versions('')
  for (const damage of registry.damage()) throw damage
  const successor = nextSuccessor(state, passphrase, made)
  const under = (): string => String(decodeBody(registry.statement('server-entry', facts.server)!.body).kid)
  if (under() !== key.kid) store.write(() => signAll(store, registry, key, decided))
  if (isThere(at.root)) writeSecretFile(at.root, readSecretFile(path))
  writeFacts(state, { ...facts, former: [...(facts.former ?? []), facts.root], root, successor })
  settleFiles(state, passphrase, successor)
  return { root, successor, already: false }
}

/** Brings the new successor's file to its place, if it is not there yet. */
function settleFiles(state: string, passphrase: string, successor: string): void {
  const next = nextPath(state)
  if (!isThere(next) || base64url(readRoot(next, passphrase).publicKey) !== successor) return
  try {
    renameSync(next, paths(state).successor)
  } catch (error) {
    throw fileFault(next, error)
  }
}
