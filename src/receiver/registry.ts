import type Database from 'better-sqlite3'
import { hex, unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type BoxPublic, boxPublic, type VerifyKey, verifyKey } from '../wire/keys.ts'
import {
  type Binding,
  type DeviceList,
  type RegistryBody,
  type RegistryType,
  type ServerEntry,
  verifyRegistry,
} from '../wire/registry.ts'
import type { Versions } from '../wire/session.ts'
import { decodeBody, type Statement, statementHash } from '../wire/statement.ts'
import { newestRows, type StatementRow, statementOf } from './registry-rows.ts'
import { type Facts, readFacts, readServerKeys, type ServerKeys } from './state.ts'

/** A gateway that the registry binds to this server: the keys under which it is believed. */
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

/** What the registry says. Every answer was verified under the root or an operator; nothing else is told. */
export interface Registry {
  server: ServerKeys
  facts: Facts
  /** The binding in force; undefined where there is none, or none that is believed. */
  gateway(id: string): Enrolled | undefined
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

/** A fault that says which row cannot be believed. */
const disbelieved = (row: StatementRow, why: string, cause?: unknown): Fault =>
  new Fault('store.damaged', `${row.type} ${row.version} of ${row.subject} is not believed: ${why}`, {
    hint: 'somebody changed the database by hand or it is damaged; restore it from a backup',
    cause,
  })

/** Opens the registry of an initialised state folder on an open receiver.db. */
export function openRegistry(state: string, db: Database.Database): Registry {
  const facts = readFacts(state)
  const server = readServerKeys(state)
  const roots = [facts.root, facts.successor].map(key => verifyKey(unbase64url(key)))
  const newest = newestRows(db)
  const counter = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM statements').pluck()
  const bound = db
    .prepare<[], string>("SELECT DISTINCT subject FROM statements WHERE type = 'binding' ORDER BY subject")
    .pluck()

  /** The body of a row that one of these keys signed about this very subject and version. */
  function believe<T extends RegistryType>(type: T, row: StatementRow, keys: VerifyKey[]): RegistryBody<T> {
    const statement = statementOf(row)
    try {
      const named = decodeBody(statement.body).kid
      const key = keys.find(one => one.kid === named)
      if (key === undefined) throw new Fault('wire.unknown-key', `it names key ${String(named)}`)
      const body = verifyRegistry(type, statement, key)
      const { subject, version } = subjectOf(type, body)
      if (subject === row.subject && version === row.version) return body
    } catch (cause) {
      throw disbelieved(row, cause instanceof Fault ? cause.message : 'it is not readable', cause)
    }
    throw disbelieved(row, 'it was signed for another place')
  }

  function operators(): VerifyKey[] {
    return [facts.operator].flatMap(operator => {
      const [row] = newest('operator', operator)
      return row === undefined ? [] : [verifyKey(unbase64url(believe('operator', row, roots).key))]
    })
  }

  function readBinding(gateway: string): Enrolled | undefined {
    const [row] = newest('binding', gateway)
    if (row === undefined) return undefined
    const body: Binding = believe('binding', row, roots)
    if (body.server !== server.id) return undefined
    return {
      gateway,
      site: body.site,
      version: body.version,
      since: body.since,
      verifyKey: verifyKey(unbase64url(body.keys.sign)),
      boxPublic: boxPublic(unbase64url(body.keys.box)),
      tls: body.keys.tls,
    }
  }

  function readDevices(gateway: string): Devices {
    const [row, before] = newest('device-list', gateway)
    if (row === undefined) return { version: 0, hash: null, devices: [] }
    const list = believe('device-list', row, operators())
    // WIRE 9.4: a list names the one before it, so none can be taken out of the row
    const named = before === undefined ? null : hex(statementHash(statementOf(before)))
    if (list.before !== named || list.version !== (before?.version ?? 0) + 1) {
      throw disbelieved(row, 'it does not follow the list before')
    }
    return { version: list.version, hash: hex(statementHash(statementOf(row))), devices: list.devices }
  }

  const damage = new Map<string, Fault>()
  /** A row that is not believed counts as none, and is told: one bad row must not stop the others. */
  function orNone<T, N>(read: (subject: string) => T, none: N): (subject: string) => T | N {
    return subject => {
      try {
        return read(subject)
      } catch (error) {
        if (!isFault(error, 'store.damaged')) throw error
        damage.set(error.message, error)
        return none
      }
    }
  }

  const noDevices: Devices = { version: 0, hash: null, devices: [] }
  const gateways = remembered(counter, orNone(readBinding, undefined))
  const lists = remembered(counter, orNone(readDevices, noDevices))
  let lastEntry: ServerEntry | undefined
  const entries = remembered(
    counter,
    orNone((subject): ServerEntry => {
      const [row] = newest('server-entry', subject)
      if (row === undefined) throw new Fault('registry.missing', `there is no server entry of ${subject}`)
      lastEntry = believe('server-entry', row, roots)
      return lastEntry
    }, undefined),
  )

  return {
    server,
    facts,
    gateway: gateways,
    devices: lists,
    device: (gateway, device) => lists(gateway).devices.find(one => one.device === device),
    versions: gateway => ({
      binding: gateways(gateway)?.version ?? 0,
      serverEntry: (entries(server.id) ?? lastEntry)?.version ?? 0,
      devices: lists(gateway).version,
      revocations: 0,
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
    damage: () => [...damage.values()],
  }
}

/** Whom a registry statement is about, and its place among those. */
function subjectOf(type: RegistryType, body: object): { subject: string; version: number } {
  const all = body as { gateway?: string; server?: string; operator?: string; version?: number }
  if (type === 'operator') return { subject: all.operator ?? '', version: 1 }
  if (type === 'server-entry') return { subject: all.server ?? '', version: all.version ?? 0 }
  return { subject: all.gateway ?? '', version: all.version ?? 0 }
}

/** Remembers what `read` answered for each subject until the counter of statements moves. */
function remembered<T>(counter: Database.Statement<[], number>, read: (subject: string) => T) {
  const known = new Map<string, T>()
  let at = -1
  return (subject: string): T => {
    const now = counter.get() ?? 0
    if (now !== at || known.size > 10_000) {
      known.clear()
      at = now
    }
    const held = known.get(subject)
    if (held !== undefined) return held
    const fresh = read(subject)
    if (fresh !== undefined) known.set(subject, fresh)
    return fresh
  }
}
