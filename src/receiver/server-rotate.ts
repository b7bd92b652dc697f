import { Fault } from '../base/fault.ts'
import type { SigningKey } from '../wire/keys.ts'
import type { ServerEntry } from '../wire/registry.ts'
import type { Registry } from './registry.ts'
import { enterEntry, nextEntry, signEntry, unsignedKeys } from './server-entry.ts'
import { dropNextKeys, makeNextKeys } from './server-keys.ts'
import { type KeySet, readKeySets } from './state.ts'
import type { Store } from './store.ts'
import { keepWaitingEntry, listWaitingEntries } from './waiting-entry.ts'

/** Who decides, and when; milliseconds since 1970. */
export interface Decided {
  actor: string
  now: number
}

/** What becomes of the next entry: signed at once, or kept for a root on another machine. */
export type Signing = { root: () => Promise<SigningKey> } | { unsigned: true }

/** An entry that was entered, or that waits. */
export interface NextEntry {
  entry: Omit<ServerEntry, 'kid'>
  outcome: 'entered' | 'waiting'
  /** The key id of the box key that it names. */
  box: string
}

/** Fault `registry.known` while an entry waits: two cannot follow the same one. */
export function refuseWhileWaiting(store: Store, registry: Registry): void {
  const [row] = listWaitingEntries(store, registry)
  if (row === undefined) return
  throw new Fault('registry.known', `server entry ${row.version} waits for the root already`, {
    hint: 'let it be signed first: vitalgate-receiver registry waiting --out FILE, sign, import',
  })
}

/** Signs an entry and enters it, or keeps it for the root. */
export async function settleEntry(
  state: string,
  store: Store,
  registry: Registry,
  entry: Omit<ServerEntry, 'kid'>,
  signing: Signing,
  decided: Decided,
): Promise<NextEntry> {
  const box = readKeySets(state).at(-1)!.keys.box.kid
  if ('unsigned' in signing) {
    keepWaitingEntry(store, registry, entry, decided)
    return { entry, outcome: 'waiting', box }
  }
  const statement = signEntry(entry, await signing.root())
  enterEntry(state, store, registry, statement, decided)
  return { entry, outcome: 'entered', box }
}

/** New keys that an interrupted call left, if they are what is wanted now; others are dropped. */
function leftOver(state: string, registry: Registry, authority: boolean): KeySet | undefined {
  const left = unsignedKeys(state, registry)
  if (left === undefined) return undefined
  const before = readKeySets(state).at(-2)
  if (!authority || before?.authority !== left.authority) return left
  dropNextKeys(state)
  return undefined
}

/**
 * Gives the server new keys (WIRE 9.10): on disk first, then the entry that names them. Cut short, the same call
 * goes on with those that were made. Faults `registry.known`, `key.…`, `disk.full`.
 */
export async function rotateServerKeys(
  state: string,
  store: Store,
  registry: Registry,
  signing: Signing,
  { authority, ...decided }: Decided & { authority: boolean },
): Promise<NextEntry> {
  refuseWhileWaiting(store, registry)
  if (leftOver(state, registry, authority) === undefined) {
    await makeNextKeys(state, { facts: registry.facts, authority, now: decided.now })
  }
  const entry = nextEntry(state, registry, { now: decided.now })
  return settleEntry(state, store, registry, entry, signing, decided)
}
