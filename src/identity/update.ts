import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { writeFileAtomic } from '../base/files.ts'
import { type VerifyKey, verifyKey } from '../wire/keys.ts'
import type { Bundle } from '../wire/registry.ts'
import type { PublicStatement } from '../wire/statement.ts'
import { type Identity, loadIdentity, readRouteFile, saveRouteFile } from './identity.ts'
import { type Pins, revokedLimit, savePins } from './keys.ts'
import type { Save } from './places.ts'
import {
  type Book,
  type BookFile,
  bookOf,
  operatorLimit,
  provenBy,
  type Routed,
  readBook,
  saveBookFile,
} from './registry-book.ts'
import { routeOf } from './route.ts'

type RoutedIdentity = Extract<Identity, { phase: 'accepted' | 'provisioned' }>

/** What became of an update. */
export interface Updated {
  identity: RoutedIdentity
  book: Book
  /** Types of the statements that were taken, in their order. */
  taken: string[]
}

/** What is known while an update is taken: each statement is judged by what those before it brought. */
interface Known {
  identity: Routed
  bundle: Bundle
  book: Book
  pins: Pins
}

/** How a statement of a type is taken; a Fault if it is passed over: not newer, not ours, or not proven. */
type Take = (known: Known, form: PublicStatement) => Known

const notNewer = (what: string, version: number): Fault =>
  new Fault('route.refused', `${what} ${version} does not follow the one here`)

const foreign = (what: string): Fault => new Fault('bundle.foreign', `the ${what} is not for this gateway`)

const rootOf = ({ pins }: Known): VerifyKey => verifyKey(unbase64url(pins.root))

/** Those whose word counts now. */
const operatorsOf = ({ book }: Known): VerifyKey[] =>
  [...book.operators.values()].filter(one => !one.revoked).map(one => one.key)

function withBundle(known: Known, change: Partial<Bundle>): Known {
  const bundle = { ...known.bundle, ...change }
  const route = routeOf(bundle, known.identity.keys)
  return { ...known, bundle, identity: { ...known.identity, route } }
}

/** The book with something in it changed; what is wrong with that is thrown. */
function withFile(known: Known, change: Partial<BookFile>, pins = known.pins): Known {
  return { ...known, pins, book: bookOf({ ...known.book.file, ...change }, known.identity, pins) }
}

const takeBinding: Take = (known, form) => {
  const { identity, book } = known
  const body = provenBy('binding', form, [rootOf(known)])
  if (body.gateway !== identity.gateway) throw foreign('binding')
  const held = Math.max(identity.route.binding.version, book.moved?.version ?? 0)
  if (body.version <= held) throw notNewer('binding', body.version)
  // kept and told; to follow it needs an entry and a certificate of that server
  return body.server === identity.route.server
    ? withBundle(known, { binding: form })
    : withFile(known, { moved: form })
}

const takeEntry: Take = (known, form) => {
  const { route } = known.identity
  const body = provenBy('server-entry', form, [rootOf(known)])
  if (body.server !== route.server) throw foreign('server entry')
  if (body.version <= route.entry.version) throw notNewer('server entry', body.version)
  return withBundle(known, { serverEntry: form })
}

const takeOperator: Take = (known, form) => {
  const body = provenBy('operator', form, [rootOf(known)])
  const { kid } = verifyKey(unbase64url(body.key))
  if (known.book.operators.has(kid)) throw notNewer('operator', 1)
  const { operators } = known.book.file
  if (operators.length >= operatorLimit)
    throw new Fault('route.refused', `${operatorLimit} operators are known`)
  return withFile(known, { operators: [...operators, form] })
}

const takeRevocation: Take = (known, form) => {
  const { identity, book, pins } = known
  const root = rootOf(known)
  const body = provenBy('revocation', form, book.revokers)
  if (body.server !== identity.route.server) throw foreign('revocation')
  // the next and no other: one that is left out would be an operator who is obeyed (WIRE 9.7)
  if (body.number !== book.versions.revocations + 1 || body.before !== book.newest) {
    throw notNewer('revocation', body.number)
  }
  if (body.what === 'operator' && body.kid !== root.kid) throw foreign('revocation')
  const concerns = body.what === 'operator' || body.id === identity.gateway
  const revocations = concerns ? [...book.file.revocations, form] : book.file.revocations
  const revoked = [...new Set([...(pins.revoked ?? []), ...(body.what === 'operator' ? [body.key] : [])])]
  if (revoked.length > revokedLimit) throw new Fault('route.refused', `${revokedLimit} operators are revoked`)
  return withFile(known, { revocations, newest: form }, { ...pins, revoked })
}

const takeDevices: Take = (known, form) => {
  const body = provenBy('device-list', form, operatorsOf(known))
  if (body.gateway !== known.identity.gateway) throw foreign('device list')
  if (body.version <= known.book.versions.devices) throw notNewer('device list', body.version)
  return withFile(known, { devices: form })
}

const takes: Readonly<Record<string, Take>> = {
  binding: takeBinding,
  'server-entry': takeEntry,
  operator: takeOperator,
  revocation: takeRevocation,
  'device-list': takeDevices,
}

const passed = ['route.refused', 'bundle.foreign', 'bundle.invalid', 'key.invalid', 'input.invalid']

function attempt(known: Known, form: PublicStatement): Known | undefined {
  const take = Object.hasOwn(takes, form.type) ? takes[form.type] : undefined
  try {
    return take?.(known, form)
  } catch (error) {
    // passed over (WIRE 7.11): what was handed over has to prove itself, and need not be newer
    if (isFault(error) && (error.code.startsWith('wire.') || passed.includes(error.code))) return undefined
    throw error
  }
}

function routed(state: string, save: Save): RoutedIdentity {
  const identity = loadIdentity(state, save)
  if (identity.phase === 'accepted' || identity.phase === 'provisioned') return identity
  throw new Fault('identity.unprovisioned', 'this box has no route')
}

/**
 * Takes what is newer of the statements that a server hands over (WIRE 7.11), each verified as if a stranger had
 * brought it; the others are passed over. Order on disk: the statements, then the highest numbers; cut short
 * anywhere, the next update goes on.
 */
export function takeUpdate(
  state: string,
  statements: readonly PublicStatement[],
  save: Save = writeFileAtomic,
): Updated {
  const identity = routed(state, save)
  const bundle = readRouteFile(state)
  const { pins } = identity.keys
  if (bundle === undefined || pins === undefined) throw new Fault('route.refused', 'the route is gone')
  const before: Known = { identity, bundle, book: readBook(state, identity), pins }
  const taken: string[] = []
  let known = before
  for (const form of statements) {
    const next = attempt(known, form)
    if (next === undefined) continue
    known = next
    taken.push(form.type)
  }
  if (taken.length === 0) return { identity, book: before.book, taken }
  if (known.book.file !== before.book.file) saveBookFile(state, known.book.file, save)
  if (known.bundle !== bundle) saveRouteFile(state, known.bundle, save)
  const { devices, revocations } = known.book.versions
  const highest = (now: number, seen = 0): number => Math.max(now, seen)
  const versions = {
    binding: known.identity.route.binding.version,
    serverEntry: known.identity.route.entry.version,
    devices: highest(devices, pins.versions.devices),
    revocations: highest(revocations, pins.versions.revocations),
  }
  savePins(state, { ...known.pins, versions }, save)
  const after = routed(state, save)
  return { identity: after, book: readBook(state, after), taken }
}
