import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type VerifyKey, verifyKey } from '../wire/keys.ts'
import type { Bundle } from '../wire/registry.ts'
import type { PublicStatement } from '../wire/statement.ts'
import { checkCertificate } from './certificate.ts'
import type { Identity } from './identity.ts'
import { type Pins, revokedLimit } from './keys.ts'
import { type Book, type BookFile, bookOf, operatorLimit, statementsIn, withFormer } from './registry-book.ts'
import { type Roots, rootsOf, succeed } from './roots.ts'
import { namesKeys, routeOf } from './route.ts'

/** A gateway that has a route. */
export type RoutedIdentity = Extract<Identity, { phase: 'accepted' | 'provisioned' }>

/** What is known while an update is taken: each statement is judged by what those before it brought. */
export interface Known {
  identity: RoutedIdentity
  bundle: Bundle
  book: Book
  pins: Pins
  /** The certificate that came with the statements. */
  certificate: string | undefined
  /** Why new keys have to wait, if they do. */
  keep: string | undefined
  /** What else is held as the registry signed it: the routes to former servers. */
  formers: readonly PublicStatement[]
  /** The binding to the keys that this gateway had proposed was taken. */
  turned: boolean
}

/** How a statement of a type is taken; a Fault if it is passed over: not newer, not ours, or not proven. */
type Take = (known: Known, form: PublicStatement) => Known

const notNewer = (what: string, version: number): Fault =>
  new Fault('route.refused', `${what} ${version} does not follow the one here`)

const foreign = (what: string): Fault => new Fault('bundle.foreign', `the ${what} is not for this gateway`)

const roots = ({ pins }: Known): Roots => rootsOf(pins)

/** Those whose word counts now. */
const operatorsOf = ({ book }: Known): VerifyKey[] =>
  [...book.operators.values()].filter(one => !one.revoked).map(one => one.key)

/** What is held as the registry signed it. */
const heldBy = ({ bundle, book, formers }: Known): PublicStatement[] => [
  ...[bundle.binding, bundle.serverEntry],
  ...bundle.operators,
  ...statementsIn(book.file),
  ...formers,
]

/** With the successor as the root, if it signed what is taken just now (WIRE 9.12). */
function withSuccessor(known: Known, kid: string): Known {
  if (!roots(known).succeeds(kid)) return known
  const pins = succeed(known.pins, heldBy(known))
  return { ...known, pins, bundle: { ...known.bundle, root: pins.root, successor: pins.successor } }
}

function withBundle(known: Known, change: Partial<Bundle>): Known {
  const bundle = { ...known.bundle, ...change }
  const { renewed } = known.identity.route
  const route = { ...routeOf(bundle, known.identity.keys, known.pins), renewed }
  return { ...known, bundle, identity: { ...known.identity, route } }
}

/** The route by a newer entry, with the first of the certificates here that a CA of it issued. */
function withEntry(known: Known, serverEntry: PublicStatement): Known {
  try {
    return withBundle(known, { serverEntry })
  } catch (error) {
    if (!isFault(error, 'bundle.invalid')) throw error
    // it has done with the CA of the present certificate; the next one may be here already
    for (const certificate of [known.identity.route.renewed?.certificate, known.certificate]) {
      if (certificate === undefined) continue
      const found = attempt(() => withBundle(known, { serverEntry, certificate }))
      if (found !== undefined) return found
    }
    throw error
  }
}

/** The book with something in it changed; what is wrong with that is thrown. */
function withFile(known: Known, change: Partial<BookFile>, pins = known.pins): Known {
  return { ...known, pins, book: bookOf({ ...known.book.file, ...change }, known.identity, pins) }
}

/** Goes over to the keys that this gateway proposed, with their certificate (WIRE 9.9). */
function withKeys(known: Known, binding: PublicStatement): Known {
  const { certificate, keep, identity } = known
  const { next } = identity.keys
  if (next === undefined || certificate === undefined) {
    throw new Fault('route.refused', 'the binding to new keys came without their certificate')
  }
  if (keep !== undefined) throw new Fault('route.refused', `the new keys wait: ${keep}`)
  const bundle = { ...known.bundle, binding, certificate }
  const route = routeOf(bundle, next.keys, known.pins)
  return {
    ...known,
    bundle,
    certificate: undefined,
    turned: true,
    identity: { ...identity, keys: next.keys, request: next.request, route },
  }
}

const takeBinding: Take = (known, form) => {
  const { identity, book } = known
  const body = roots(known).prove('binding', form)
  if (body.gateway !== identity.gateway) throw foreign('binding')
  const held = Math.max(identity.route.binding.version, book.moved?.version ?? 0)
  if (body.version <= held) throw notNewer('binding', body.version)
  // kept and told; to follow it needs an entry and a certificate of that server
  if (body.server !== identity.route.server) return withFile(known, { moved: form })
  const after = withSuccessor(known, body.kid)
  const { next } = identity.keys
  return next !== undefined && namesKeys(form, next.keys)
    ? withKeys(after, form)
    : withBundle(after, { binding: form })
}

const takeEntry: Take = (known, form) => {
  const { route } = known.identity
  const body = roots(known).prove('server-entry', form)
  if (body.server !== route.server) throw foreign('server entry')
  if (body.version <= route.entry.version) throw notNewer('server entry', body.version)
  const after = withEntry(withSuccessor(known, body.kid), form)
  return withFile(after, withFormer(after.book.file, known.bundle.serverEntry), after.pins)
}

const takeOperator: Take = (known, form) => {
  const body = roots(known).prove('operator', form)
  const { kid } = verifyKey(unbase64url(body.key))
  if (known.book.operators.has(kid)) throw notNewer('operator', 1)
  const { operators } = known.book.file
  if (operators.length >= operatorLimit)
    throw new Fault('route.refused', `${operatorLimit} operators are known`)
  return withFile(known, { operators: [...operators, form] })
}

const takeRevocation: Take = (known, form) => {
  const { identity, book, pins } = known
  const body = roots(known).prove('revocation', form, book.revokers)
  if (body.server !== identity.route.server) throw foreign('revocation')
  // the next and no other: one that is left out would be an operator who is obeyed (WIRE 9.7)
  if (body.number !== book.versions.revocations + 1 || body.before !== book.newest) {
    throw notNewer('revocation', body.number)
  }
  if (body.what === 'operator' && !roots(known).has(body.kid)) throw foreign('revocation')
  const concerns = body.what === 'operator' || body.id === identity.gateway
  const revocations = concerns ? [...book.file.revocations, form] : book.file.revocations
  const revoked = [...new Set([...(pins.revoked ?? []), ...(body.what === 'operator' ? [body.key] : [])])]
  if (revoked.length > revokedLimit) throw new Fault('route.refused', `${revokedLimit} operators are revoked`)
  return withFile(known, { revocations, newest: form }, { ...pins, revoked })
}

const takeDevices: Take = (known, form) => {
  const body = roots(known).prove('device-list', form, operatorsOf(known))
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

/** What `act` makes of it; undefined where it is passed over: it has to prove itself, and need not be newer (WIRE 7.11). */
function attempt(act: () => Known | undefined): Known | undefined {
  try {
    return act()
  } catch (error) {
    if (isFault(error) && (error.code.startsWith('wire.') || passed.includes(error.code))) return undefined
    throw error
  }
}

/** What is known with this statement; undefined if it is passed over. */
export function takeStatement(known: Known, form: PublicStatement): Known | undefined {
  const take = Object.hasOwn(takes, form.type) ? takes[form.type] : undefined
  return attempt(() => take?.(known, form))
}

/** What is known with the certificate that came, as one that has yet to prove itself; undefined if it is passed over. */
export function takeCertificate(known: Known): Known | undefined {
  const { certificate, identity } = known
  const { route, keys } = identity
  if (certificate === undefined || certificate === route.certificate) return undefined
  return attempt(() => {
    const notAfter = checkCertificate(certificate, route.entry, keys)
    if (notAfter <= Math.max(route.notAfter, route.renewed?.notAfter ?? 0)) return undefined
    return { ...known, identity: { ...identity, route: { ...route, renewed: { certificate, notAfter } } } }
  })
}
