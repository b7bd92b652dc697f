import { base64url, unbase64url } from '../base/bytes.ts'
import { problems } from '../base/check.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type BoxPublic, boxPublic, type VerifyKey, verifyKey } from '../wire/keys.ts'
import {
  type Binding,
  type Bundle,
  bundleForm,
  type Operator,
  type RegistryBody,
  type RegistryType,
  registryBodies,
  type ServerEntry,
} from '../wire/registry.ts'
import { decodeBody, type PublicStatement, type Statement, unpublish } from '../wire/statement.ts'
import { checkCertificate } from './certificate.ts'
import type { GatewayKeys, Pins } from './keys.ts'
import { type Roots, rootsOf } from './roots.ts'

/** Which server this gateway belongs to and how it is known there: all of it verified under the root. */
export interface Route {
  server: string
  binding: Binding
  entry: ServerEntry
  /** The statements themselves: what proves the two to anybody. */
  statements: { binding: Statement; serverEntry: Statement }
  operators: Operator[]
  /** Client certificate, PEM, and until when it is dated (WIRE 9: it ends by revocation). */
  certificate: string
  notAfter: number
  /** A newer one for the same key, until a welcome came over a connection with it (WIRE 7.11). */
  renewed: { certificate: string; notAfter: number } | undefined
  receiptKey: VerifyKey
  commandKey: VerifyKey
  serverBox: BoxPublic
}

/** Largest bundle, bytes (WIRE 1.5). */
export const bundleLimit = 131_072

const again = 'ask the operator for a bundle made from the request of this box'

/** A bundle's text, read strictly. Fault `bundle.invalid` that lists every problem. */
export function readBundle(text: string): Bundle {
  if (Buffer.byteLength(text) > bundleLimit) throw new Fault('bundle.invalid', 'bundle is too large')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Fault('bundle.invalid', 'bundle is not JSON', {
      hint: 'the file was cut short or is another one',
      cause,
    })
  }
  const result = bundleForm.safeParse(value)
  if (result.success) return result.data
  const lines = problems(bundleForm, value).map(one => `  ${one.path}: ${one.problem}`)
  throw new Fault('bundle.invalid', `bundle does not fit\n${lines.join('\n')}`, { hint: again })
}

/** A statement of the bundle under the roots; any doubt is a refused route. */
function rooted<T extends RegistryType>(type: T, form: PublicStatement, roots: Roots): RegistryBody<T> {
  try {
    return roots.prove(type, form)
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause
    throw new Fault('route.refused', `the bundle's ${type} does not hold: ${cause.message}`, {
      hint: 'do not use this bundle: it was altered, or made by another registry',
      cause,
    })
  }
}

/** Those keys of a gateway that a binding names. */
type Bound = Pick<GatewayKeys, 'gateway' | 'sign' | 'box' | 'tlsHash'>

/** What of these keys a binding does not name. */
function foreignIn(binding: Binding, keys: Bound): string[] {
  const own = {
    gateway: keys.gateway,
    'signing key': base64url(keys.sign.publicKey),
    'box key': base64url(keys.box.publicKey),
    'TLS key': keys.tlsHash,
  }
  const named = {
    gateway: binding.gateway,
    'signing key': binding.keys.sign,
    'box key': binding.keys.box,
    'TLS key': binding.keys.tls,
  }
  return (Object.keys(own) as (keyof typeof own)[]).filter(what => own[what] !== named[what])
}

/** Whether a binding, yet to be verified, names exactly these keys. */
export function namesKeys(form: PublicStatement, keys: Bound): boolean {
  try {
    const { success, data } = registryBodies.binding.safeParse(decodeBody(unpublish(form).body))
    return success && foreignIn(data, keys).length === 0
  } catch (error) {
    if (isFault(error)) return false // no statement at all names no keys
    throw error
  }
}

/** Names what in the binding is not this box's own (DESIGN 7a.12). */
function checkBinding(binding: Binding, keys: Bound): void {
  const foreign = foreignIn(binding, keys)
  if (foreign.length === 0) return
  throw new Fault('bundle.foreign', `the binding names another ${foreign.join(', another ')}`, {
    hint: again,
  })
}

/**
 * The route that a bundle gives the box with these keys, every part checked under the roots that the caller believes
 * in (WIRE 10.2). Faults: `route.refused` (a signature), `bundle.foreign` (another box's), `bundle.invalid` (parts
 * that do not fit together).
 */
export function routeOf(
  bundle: Bundle,
  keys: Bound,
  pins: Pick<Pins, 'root' | 'successor' | 'retired'>,
): Route {
  const roots = rootsOf(pins)
  const binding = rooted('binding', bundle.binding, roots)
  const entry = rooted('server-entry', bundle.serverEntry, roots)
  const operators = bundle.operators.map(one => rooted('operator', one, roots))
  checkBinding(binding, keys)
  if (binding.server !== entry.server) {
    throw new Fault('bundle.invalid', 'binding and server entry name different servers', { hint: again })
  }
  return {
    server: binding.server,
    binding,
    entry,
    statements: { binding: unpublish(bundle.binding), serverEntry: unpublish(bundle.serverEntry) },
    operators,
    certificate: bundle.certificate,
    notAfter: checkCertificate(bundle.certificate, entry, keys),
    renewed: undefined,
    receiptKey: verifyKey(unbase64url(entry.keys.receipt)),
    commandKey: verifyKey(unbase64url(entry.keys.command)),
    serverBox: boxPublic(unbase64url(entry.keys.box)),
  }
}
