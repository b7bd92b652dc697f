import type Database from 'better-sqlite3'
import { hex, unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type BoxPublic, type VerifyKey, verifyKey } from '../wire/keys.ts'
import type { DeviceList, RegistryType, Review, Revocation, ServerEntry } from '../wire/registry.ts'
import type { Versions } from '../wire/session.ts'
import { type Statement, statementHash } from '../wire/statement.ts'
import type { Revoked } from './authority.ts'
import { believe, disbelieved } from './registry-believe.ts'
import { openBindings } from './registry-bindings.ts'
import { isReplacedTls, revokedCertificates } from './registry-certificates.ts'
import { openEntries } from './registry-entries.ts'
import { remembering } from './registry-remember.ts'
import { flagSubject, openReviews } from './registry-reviews.ts'
import { openRevocations, type Revocations } from './registry-revocations.ts'
import { openRoots, type Roots } from './registry-roots.ts'
import { newestRows, rowsOf, statementOf } from './registry-rows.ts'
import { openKeyring, type ServerKeyring } from './server-keyring.ts'
import { type Facts, readFacts, type ServerKeys } from './state.ts'

/** A gateway that the registry binds to this server: the keys that it has, revoked or not. */
export interface Enrolled {
  gateway: string
  site: string
  version: number
  since: number
  verifyKey: VerifyKey
  boxPublic: BoxPublic
  /** H(SubjectPublicKeyInfo) of its TLS key, hex. */
  tls: string
}

export type AcceptedDevice = DeviceList['devices'][number]

/** The newest device list of a gateway; version 0 before the first. */
export interface Devices {
  version: number
  /** H(PAE) of this list, hex: what the next one names as `before`. */
  hash: string | null
  devices: AcceptedDevice[]
}

/** The server that a gateway was moved to, by the binding that the root signed for it (WIRE 9.11). */
export interface Moved {
  server: string
  version: number
  since: number
  /** The signing key that it is bound with there. */
  kid: string
}

/** Someone who may sign device lists and revocations of gateways, until revoked. */
export interface OperatorKey {
  name: string
  since: number
  key: VerifyKey
}

/** What the registry says. Every answer was verified under the root or an operator; nothing else is told. */
export interface Registry {
  /** The keys in force: those that the newest server entry names. */
  server: Readonly<ServerKeys>
  /** All that are kept, by what a gateway knows of them. */
  keys: ServerKeyring
  facts: Facts
  /** The registry roots whose signature counts now: the one in force, and its successor. */
  readonly roots: readonly VerifyKey[]
  /** The same for a row that is there: a former root's counts where it was entered before the succession. */
  rootsOf: Roots['of']
  /** Where the root in force took over from the one before; undefined while it is the first. */
  succession: Roots['succession']
  /** The version of a gateway's first binding under the root in force; undefined where that is the first root. */
  underRoot(gateway: string): number | undefined
  /** The newest binding to this server, revoked or moved since or not; undefined where none is believed. */
  gateway(id: string): Enrolled | undefined
  /** Where a gateway belongs if that is another server by now. */
  moved(gateway: string): Moved | undefined
  /** Which server the binding of this version names; undefined where there is none that is believed. */
  bindingAt(gateway: string, version: number): string | undefined
  /** A signing key that an earlier binding of the gateway named. */
  former(gateway: string, kid: string): VerifyKey | undefined
  /** All bindings of a gateway that are believed, oldest first. */
  bindings(gateway: string): readonly Enrolled[]
  /** The newest binding that names this signing key: with it, what it has for a box key. */
  bound(gateway: string, kid: string): Enrolled | undefined
  /** The revocation of a signing key, of a gateway or an operator, by its key id. */
  revoked(kid: string): Revocation | undefined
  /** The revocation of a gateway's TLS key, by H(SubjectPublicKeyInfo) in hex. */
  revokedTls(tls: string): Revocation | undefined
  /** All revocations that are believed, by number. */
  revocations(): Revocation[]
  /** Where the chain of revocations ends: what the next one follows. */
  revocationsEnd(): ReturnType<Revocations['end']>
  /** The revocations above a number as they were signed, for peers that know fewer (WIRE 7.11). */
  revocationStatements(above: number): Statement[]
  /** Whether the TLS key of a gateway was replaced, and the gateway speaks under the new one (WIRE 9.9). */
  isReplacedTls(gateway: string, tls: string): boolean
  /** The certificates of revoked gateways, and of keys that were replaced, for the list of a broker. */
  revokedCertificates(): Revoked[]
  /** Everybody whom the root certified as an operator, revoked ones too. */
  operators(): readonly OperatorKey[]
  /** What operators signed about a flag, by its number, the oldest first (WIRE 9.13). */
  reviews(flag: number): readonly Review[]
  device(gateway: string, device: string): AcceptedDevice | undefined
  /** The newest list; none where it is not believed. */
  devices(gateway: string): Devices
  versions(gateway: string): Versions
  /** The ids of all gateways that have a row, verified or not. */
  gateways(): string[]
  /** The newest server entry, or the last one that was believed. Fault `store.damaged` where there is none. */
  entry(): ServerEntry
  /** All entries of this server that are believed, oldest first. */
  entries(): ServerEntry[]
  /** The newest statement of a kind as it was signed, for bundles and peers. */
  statement(type: RegistryType, subject: string): Statement | undefined
  /** The rows that were met and not believed: faults `store.damaged`, each once. */
  damage(): Fault[]
}

/** Opens the registry of an initialised state folder on an open receiver.db. */
export function openRegistry(state: string, db: Database.Database): Registry {
  const facts = readFacts(state)
  const { server } = facts
  const newest = newestRows(db)
  const all = rowsOf(db)

  const damage = new Map<string, Fault>()
  /** A row that is not believed counts as none, and is told: one bad row must not stop the others. */
  function orNone<T, N>(read: () => T, none: N): T | N {
    try {
      return read()
    } catch (error) {
      if (!isFault(error, 'store.damaged')) throw error
      damage.set(error.message, error)
      return none
    }
  }

  const readOperators = (): OperatorKey[] =>
    all('operator').flatMap(row =>
      orNone(() => {
        const { operator, since, key } = believe('operator', row, roots.of(row))
        return [{ name: operator, since, key: verifyKey(unbase64url(key)) }]
      }, []),
    )

  /** Each once: a succession certifies anew whom the root before had certified. */
  const distinct = (all: OperatorKey[]): OperatorKey[] => [
    ...new Map(all.map(one => [one.key.kid, one])).values(),
  ]

  function readDevices(gateway: string): Devices {
    const [row, before] = newest('device-list', gateway)
    if (row === undefined) return { version: 0, hash: null, devices: [] }
    const list = believe('device-list', row, operatorKeys())
    if (revocations.isRevokedAt(list.kid, row.id)) throw disbelieved(row, 'its operator was revoked before')
    // WIRE 9.4: a list names the one before it, so none can be taken out of the row
    const named = before === undefined ? null : hex(statementHash(statementOf(before)))
    if (list.before !== named || list.version !== (before?.version ?? 0) + 1) {
      throw disbelieved(row, 'it does not follow the list before')
    }
    return { version: list.version, hash: hex(statementHash(statementOf(row))), devices: list.devices }
  }

  const known = remembering(db)
  const roots = openRoots(db, facts, known.one)
  const operators = known.one(() => distinct(readOperators()))
  const operatorKeys = (): VerifyKey[] => operators().map(one => one.key)
  const revocations = openRevocations(db, server, { roots: roots.of, operators: operatorKeys })
  const readRevocations = known.one(() => {
    for (const fault of revocations.read()) damage.set(fault.message, fault)
    return revocations
  })

  const reviews = known.each(
    openReviews(
      db,
      {
        server,
        operators: () => operators(),
        isRevokedAt: (kid, id) => readRevocations().isRevokedAt(kid, id),
      },
      fault => damage.set(fault.message, fault),
    ),
  )
  const bindings = openBindings(db, server, roots, known, orNone)
  const noDevices: Devices = { version: 0, hash: null, devices: [] }
  const lists = known.each(id => {
    readRevocations()
    return orNone(() => readDevices(id), noDevices)
  })
  const entries = openEntries(db, server, roots, known, orNone)
  const keys = openKeyring(state, db, {
    // where the newest row is not believed nobody is enrolled, and who is there is answered all the same
    newest: () => entries.newest() ?? entries.all().at(-1),
    at: entries.at,
    damaged: fault => damage.set(fault.message, fault),
  })

  return {
    // read at each use, but for the id: a running receiver goes over to new keys
    server: {
      id: server,
      get box() {
        return keys.now().box
      },
      get receipt() {
        return keys.now().receipt
      },
      get command() {
        return keys.now().command
      },
    },
    keys,
    facts,
    get roots() {
      return roots.now()
    },
    rootsOf: roots.of,
    succession: roots.succession,
    ...bindings,
    revoked: kid => readRevocations().of(kid),
    revokedTls: tls => readRevocations().ofTls(tls),
    revocations: () => readRevocations().all(),
    revocationsEnd: () => readRevocations().end(),
    revocationStatements: number => readRevocations().statements(number),
    isReplacedTls: (gateway, tls) => isReplacedTls(db, bindings.bindings(gateway), gateway, tls),
    // not remembered: that a gateway speaks under new keys is no statement
    revokedCertificates: () => revokedCertificates(db, readRevocations(), bindings.bindings),
    operators,
    reviews: flag => reviews(flagSubject(flag)),
    devices: lists,
    device: (gateway, device) => lists(gateway).devices.find(one => one.device === device),
    versions: gateway => ({
      binding: bindings.moved(gateway)?.version ?? bindings.gateway(gateway)?.version ?? 0,
      serverEntry: entries.newest()?.version ?? 0,
      devices: lists(gateway).version,
      revocations: readRevocations().end().number,
    }),
    entries: entries.all,
    entry: () => {
      const entry = entries.newest()
      if (entry !== undefined) return entry
      throw new Fault('store.damaged', `no server entry of ${server} is believed`, {
        hint: 'restore the database from a backup',
      })
    },
    statement: (type, subject) => {
      const [row] = newest(type, subject)
      return row === undefined ? undefined : statementOf(row)
    },
    damage: () => {
      readRevocations()
      return [...damage.values()]
    },
  }
}

/** Whether a gateway's own key is revoked; not so again once it was enrolled anew. */
export const isRevoked = (registry: Pick<Registry, 'gateway' | 'revoked'>, gateway: string): boolean => {
  const kid = registry.gateway(gateway)?.verifyKey.kid
  return kid !== undefined && registry.revoked(kid) !== undefined
}
