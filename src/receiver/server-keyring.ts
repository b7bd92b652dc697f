import type Database from 'better-sqlite3'
import { base64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { BoxKey } from '../wire/keys.ts'
import type { ServerEntry } from '../wire/registry.ts'
import { counter } from './registry-remember.ts'
import { type KeySet, readKeySets, type ServerKeys } from './state.ts'

/** The keys of this receiver's server: those in force, and the former ones until they are given up (WIRE 9.10). */
export interface ServerKeyring {
  /** Those that the newest entry names. */
  now(): ServerKeys
  /**
   * Those that a gateway knows: of the entry version that its hello names; else those that it sealed to, else the
   * newest.
   */
  answering(version: number, akid: string | null): ServerKeys
  /** The key that opens what is sealed to this key id. */
  opener(akid: string): BoxKey | undefined
  /** All that are kept, oldest first. */
  sets(): readonly KeySet[]
}

/** Whether an entry names these keys. */
export const names = (entry: Pick<ServerEntry, 'keys'>, { keys }: Pick<KeySet, 'keys'>): boolean =>
  entry.keys.box === base64url(keys.box.publicKey) &&
  entry.keys.receipt === base64url(keys.receipt.publicKey) &&
  entry.keys.command === base64url(keys.command.publicKey)

/** What the ring asks of the registry: its entries, as far as they are believed. */
export interface Entries {
  newest(): ServerEntry | undefined
  at(version: number): ServerEntry | undefined
  /** Told what is wrong, where there was something to read before. */
  damaged(fault: Fault): void
}

/**
 * Opens the keys. They are read again when something was done with the registry, so that a running receiver has
 * new keys before the first gateway names them. Where that fails those that were read before go on to serve.
 */
export function openKeyring(state: string, db: Database.Database, entries: Entries): ServerKeyring {
  const acts = counter(db, 'SELECT coalesce(max(number), 0) FROM registry_log')
  let at = acts()
  let held = readKeySets(state)

  const sets = (): readonly KeySet[] => {
    const now = acts()
    if (now === at) return held
    at = now
    try {
      held = readKeySets(state)
    } catch (error) {
      if (!isFault(error)) throw error
      // what was read before still serves every gateway that it served
      entries.damaged(
        new Fault('store.damaged', `server.sealed is not believed: ${error.message}`, { cause: error }),
      )
    }
    return held
  }

  const setOf = (entry: ServerEntry | undefined): KeySet | undefined =>
    entry === undefined ? undefined : sets().find(one => names(entry, one))

  const now = (): ServerKeys => {
    const entry = entries.newest()
    const found = setOf(entry)
    if (found !== undefined) return found.keys
    if (entry !== undefined) {
      const message = `server-entry ${entry.version} of ${entry.server} is not believed: its keys are not in server.sealed`
      const hint = 'restore the key files from the backup that is newest'
      entries.damaged(new Fault('store.damaged', message, { hint }))
    }
    return sets()[0]!.keys
  }

  return {
    now,
    answering: (version, akid) =>
      setOf(entries.at(version))?.keys ?? sets().find(one => one.keys.box.kid === akid)?.keys ?? now(),
    opener: akid => sets().find(one => one.keys.box.kid === akid)?.keys.box,
    sets,
  }
}
