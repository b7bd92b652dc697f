import { X509Certificate } from 'node:crypto'
import { base64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { SigningKey } from '../wire/keys.ts'
import { type ServerEntry, signRegistry, verifyRegistry } from '../wire/registry.ts'
import { decodeBody, type Statement } from '../wire/statement.ts'
import { certificatePin } from './authority.ts'
import type { Registry } from './registry.ts'
import { insertStatement } from './registry-rows.ts'
import { names } from './server-keyring.ts'
import { type KeySet, readAuthorities, readKeySets } from './state.ts'
import type { Store } from './store.ts'

const year = 365.25 * 86_400_000
const years = 5

/** What the next entry says other than the one before; times in milliseconds since 1970. */
export interface EntryChange {
  now: number
  brokers?: readonly string[]
  until?: number
}

/** Each once, the newest first. */
const newestFirst = (all: readonly string[]): string[] => [...new Set(all.toReversed())]

/**
 * The entry that follows the newest: the newest keys, and the pins of all brokers and the CAs that are kept, so that
 * whoever takes it knows the broker of before as well as the one to come (WIRE 9.10).
 */
export function nextEntry(
  state: string,
  registry: Registry,
  { now, brokers, until = now + years * year }: EntryChange,
): Omit<ServerEntry, 'kid'> {
  const before = registry.entry()
  const sets = readKeySets(state)
  const { box, receipt, command } = sets.at(-1)!.keys
  return {
    server: before.server,
    version: before.version + 1,
    keys: {
      box: base64url(box.publicKey),
      receipt: base64url(receipt.publicKey),
      command: base64url(command.publicKey),
    },
    brokers: [...(brokers ?? before.brokers)],
    ca: newestFirst(readAuthorities(state).map(one => one.certificate)),
    pins: newestFirst(sets.map(one => certificatePin(one.broker.certificate))),
    from: now,
    until,
  }
}

/** The keys that no entry names: made, and not signed yet. */
export function unsignedKeys(state: string, registry: Registry): KeySet | undefined {
  const newest = readKeySets(state).at(-1)!
  return registry.entries().some(entry => names(entry, newest)) ? undefined : newest
}

export const signEntry = (entry: Omit<ServerEntry, 'kid'>, root: SigningKey): Statement =>
  signRegistry('server-entry', entry, root)

/**
 * Enters a signed entry of this server. True where it is there already. Faults: `wire.…` where no root in force
 * signed it, `key.missing` where this folder has not the keys that it names, `registry.known` where it does not
 * follow the newest.
 */
export function enterEntry(
  state: string,
  store: Store,
  registry: Registry,
  statement: Statement,
  { actor, now }: { actor: string; now: number },
): boolean {
  const { kid } = decodeBody(statement.body)
  const root = registry.roots.find(key => key.kid === kid)
  if (root === undefined) throw new Fault('wire.unknown-key', 'it is not for a root of this registry')
  const entry = verifyRegistry('server-entry', statement, root)
  if (entry.server !== registry.server.id) {
    throw new Fault('input.invalid', `it is an entry of another server (${entry.server})`)
  }
  if (!readKeySets(state).some(one => names(entry, one))) {
    throw new Fault('key.missing', `this folder has not the keys that server entry ${entry.version} names`)
  }
  return store.write(() => {
    const { version, server } = entry
    if (registry.entries().some(one => one.version === version && one.from === entry.from)) return true
    if (version !== registry.entry().version + 1) {
      throw new Fault(
        'registry.known',
        `server entry ${version} no longer follows ${registry.entry().version}`,
        {
          hint: 'make the next one anew',
        },
      )
    }
    insertStatement(store.db, { subject: server, version, statement, at: now, actor })
    return false
  })
}

/** What people compare of an entry. */
export function entryFacts(entry: Omit<ServerEntry, 'kid'>, boxKid: string): [string, string][] {
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10)
  return [
    ['server', entry.server],
    ['entry', String(entry.version)],
    ['brokers', entry.brokers.join(' ')],
    ['box key', boxKid],
    [
      'CAs',
      entry.ca
        .map(one => new X509Certificate(one).fingerprint256.replaceAll(':', '').slice(0, 16).toLowerCase())
        .join(' '),
    ],
    ['pins', entry.pins.map(one => one.slice(0, 16)).join(' ')],
    ['valid until', day(entry.until)],
  ]
}
