import type Database from 'better-sqlite3'
import { hex, unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type BoxPublic, boxPublic, type VerifyKey, verifyKey } from '../wire/keys.ts'
import type { DeviceList, RegistryType, Revocation, ServerEntry } from '../wire/registry.ts'
import type { Versions } from '../wire/session.ts'
import { type Statement, statementHash } from '../wire/statement.ts'
import type { Revoked } from './authority.ts'
import { believe, disbelieved } from './registry-believe.ts'
import { revokedCertificates } from './registry-certificates.ts'
import { remembering } from './registry-remember.ts'
import { openRevocations, type Revocations } from './registry-revocations.ts'
import { newestRows, rowsAbove, rowsOf, type StatementRow, statementOf } from './registry-rows.ts'
import { type Facts, readFacts, readServerKeys, type ServerKeys } from './state.ts'

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

/** Someone who may sign device lists and revocations of gateways, until revoked. */
export interface OperatorKey {
  name: string
  since: number
  key: VerifyKey
}

/** What the registry says. Every answer was verified under the root or an operator; nothing else is told. */
export interface Registry {
  server: ServerKeys
  facts: Facts
  /** The registry roots: the one in force, and its successor. */
  roots: readonly VerifyKey[]
  /** The newest binding, revoked or not; undefined where there is none, or none that is believed. */
  gateway(id: string): Enrolled | undefined
  /** A signing key that an earlier binding of the gateway named. */
  former(gateway: string, kid: string): VerifyKey | undefined
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
  /** The certificates of revoked gateways, for the list of a broker. */
  revokedCertificates(): Revoked[]
  /** Everybody whom the root certified as an operator, revoked ones too. */
  operators(): readonly OperatorKey[]
  device(gateway: string, device: string): AcceptedDevice | undefined
  /** The newest list; none where it is not believed. */
  devices(gateway: string): Devices
  versions(gateway: string): Versions
  /** The ids of all gateways that have a row, verified or not. */
  gateways(): string[]
  /** The newest server entry, or the last one that was believed. Fault `store.damaged` where there is none. */
  entry(): ServerEntry
  /** The newest statement of a kind as it was signed, for bundles and peers. */
  statement(type: RegistryType, subject: string): Statement | undefined
  /** The rows that were met and not believed: faults `store.damaged`, each once. */
  damage(): Fault[]
}

/** Opens the registry of an initialised state folder on an open receiver.db. */
export function openRegistry(state: string, db: Database.Database): Registry {
  const facts = readFacts(state)
  const server = readServerKeys(state)
  const roots = [facts.root, facts.successor].map(key => verifyKey(unbase64url(key)))
  const newest = newestRows(db)
  const [all, above] = [rowsOf(db), rowsAbove(db)]
  const bound = db
    .prepare<[], string>("SELECT DISTINCT subject FROM statements WHERE type = 'binding' ORDER BY subject")
    .pluck()

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
        const { operator, since, key } = believe('operator', row, roots)
        return [{ name: operator, since, key: verifyKey(unbase64url(key)) }]
      }, []),
    )

  function readBinding(row: StatementRow): Enrolled | undefined {
    const body = believe('binding', row, roots)
    if (body.server !== server.id) return undefined
    return {
      gateway: body.gateway,
      site: body.site,
      version: body.version,
      since: body.since,
      verifyKey: verifyKey(unbase64url(body.keys.sign)),
      boxPublic: boxPublic(unbase64url(body.keys.box)),
      tls: body.keys.tls,
    }
  }

  /** The keys of all bindings but the newest. */
  const readFormer = (gateway: string): VerifyKey[] =>
    above('binding', gateway, 0)
      .slice(0, -1)
      .flatMap(row => orNone(() => readBinding(row)?.verifyKey ?? [], []))

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
  const operators = known.one(readOperators)
  const operatorKeys = (): VerifyKey[] => operators().map(one => one.key)
  const revocations = openRevocations(db, server.id, { roots, operators: operatorKeys })
  const readRevocations = known.one(() => {
    for (const fault of revocations.read()) damage.set(fault.message, fault)
    return revocations
  })

  const gateways = known.each(id => {
    const [row] = newest('binding', id)
    return row === undefined ? undefined : orNone(() => readBinding(row), undefined)
  })
  const formers = known.each(readFormer)
  const noDevices: Devices = { version: 0, hash: null, devices: [] }
  const lists = known.each(id => {
    readRevocations()
    return orNone(() => readDevices(id), noDevices)
  })
  let lastEntry: ServerEntry | undefined
  const entries = known.each(subject => {
    const [row] = newest('server-entry', subject)
    if (row === undefined) throw new Fault('registry.missing', `there is no server entry of ${subject}`)
    const entry = orNone(() => believe('server-entry', row, roots), undefined)
    lastEntry = entry ?? lastEntry
    return entry
  })
  const certificates = known.one(() => revokedCertificates(db, readRevocations()))

  return {
    server,
    facts,
    roots,
    gateway: gateways,
    former: (gateway, kid) => formers(gateway).find(key => key.kid === kid),
    revoked: kid => readRevocations().of(kid),
    revokedTls: tls => readRevocations().ofTls(tls),
    revocations: () => readRevocations().all(),
    revocationsEnd: () => readRevocations().end(),
    revocationStatements: number => readRevocations().statements(number),
    revokedCertificates: certificates,
    operators,
    devices: lists,
    device: (gateway, device) => lists(gateway).devices.find(one => one.device === device),
    versions: gateway => ({
      binding: gateways(gateway)?.version ?? 0,
      serverEntry: (entries(server.id) ?? lastEntry)?.version ?? 0,
      devices: lists(gateway).version,
      revocations: readRevocations().end().number,
    }),
    gateways: () => bound.all(),
    entry: () => {
      const entry = entries(server.id) ?? lastEntry
      if (entry !== undefined) return entry
      throw new Fault('store.damaged', `no server entry of ${server.id} is believed`, {
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
