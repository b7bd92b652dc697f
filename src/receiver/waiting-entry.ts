import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { verifyKey } from '../wire/keys.ts'
import { registryBodies, type ServerEntry } from '../wire/registry.ts'
import { encodeBody, type Statement } from '../wire/statement.ts'
import type { Registry } from './registry.ts'
import { type WaitingRow, waitingHash, waitingPlace } from './registry-acts.ts'
import { appendLog } from './registry-log.ts'
import { enterEntry } from './server-entry.ts'
import type { Store } from './store.ts'

/** A server entry waits in a row of the server's id, with no request behind it. */
export const entryRequest = ''

/** The server entries that still wait for the root's signature: at most one that can follow, the newest last. */
export const listWaitingEntries = (store: Store, registry: Registry): WaitingRow[] =>
  store.all<WaitingRow>(
    'SELECT * FROM waiting WHERE request = ? AND gateway = ? AND version > ? ORDER BY id',
    entryRequest,
    registry.server.id,
    registry.entry().version,
  )

/** Keeps an entry for the root to sign on another machine: exactly the bytes that are to be signed. */
export function keepWaitingEntry(
  store: Store,
  registry: Registry,
  entry: Omit<ServerEntry, 'kid'>,
  { actor, now: at }: { actor: string; now: number },
): void {
  const { kid } = verifyKey(unbase64url(registry.facts.root))
  const { server: gateway, version } = entry
  const body = encodeBody(registryBodies['server-entry'].parse({ kid, ...entry }))
  store.write(() => {
    const { lastInsertRowid } = store.run(
      'INSERT INTO waiting (gateway, version, request, body, at, actor) VALUES (?, ?, ?, ?, ?, ?)',
      ...[gateway, version, entryRequest, body, at, actor],
    )
    const kept = { id: Number(lastInsertRowid), gateway, version, request: entryRequest, body, at, actor }
    appendLog(store.db, { at, actor, act: 'waiting', subject: waitingPlace(kept), hash: waitingHash(kept) })
  })
}

/** Enters a server entry that the root signed elsewhere. True where it is there already. Faults as `enterEntry`. */
export const enterSignedEntry = (
  state: string,
  store: Store,
  registry: Registry,
  statement: Statement,
  decided: { actor: string; now: number },
): boolean => {
  try {
    return enterEntry(state, store, registry, statement, decided)
  } catch (cause) {
    if (!isFault(cause) || !cause.code.startsWith('wire.')) throw cause
    throw new Fault('input.invalid', `a server entry is refused: ${cause.message}`, {
      hint: 'take the file that registry sign wrote with the root of this registry',
      cause,
    })
  }
}
