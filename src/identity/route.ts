import { X509Certificate } from 'node:crypto'
import { base64url, unbase64url } from '../base/bytes.ts'
import { problems } from '../base/check.ts'
import { Fault } from '../base/fault.ts'
import { type BoxPublic, boxPublic, type VerifyKey, verifyKey } from '../wire/keys.ts'
import {
  type Binding,
  type Bundle,
  bundleForm,
  type Operator,
  type RegistryBody,
  type RegistryType,
  type ServerEntry,
  verifyRegistry,
} from '../wire/registry.ts'
import { type PublicStatement, type Statement, unpublish } from '../wire/statement.ts'
import { type GatewayKeys, keyHash } from './keys.ts'

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

/** A statement of the bundle under the root; any doubt is a refused route. */
function rooted<T extends RegistryType>(type: T, form: PublicStatement, root: VerifyKey): RegistryBody<T> {
  try {
    return verifyRegistry(type, unpublish(form), root)
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause
    throw new Fault('route.refused', `the bundle's ${type} does not hold: ${cause.message}`, {
      hint: 'do not use this bundle: it was altered, or made by another registry',
      cause,
    })
  }
}

/** Names what in the binding is not this box's own (DESIGN 7a.12). */
function checkBinding(binding: Binding, keys: GatewayKeys): void {
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
  const foreign = (Object.keys(own) as (keyof typeof own)[]).filter(what => own[what] !== named[what])
  if (foreign.length === 0) return
  throw new Fault('bundle.foreign', `the binding names another ${foreign.join(', another ')}`, {
    hint: again,
  })
}

function parseCertificate(text: string, what: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw new Fault('bundle.invalid', `${what} is not a certificate`, { hint: again, cause })
  }
}

/** The certificate must be for this key and id, for clients, and issued by a CA of the entry (WIRE 10.2). */
function checkCertificate(pem: string, entry: ServerEntry, keys: GatewayKeys): number {
  const certificate = parseCertificate(pem, 'the certificate')
  if (keyHash(certificate.publicKey.export({ format: 'pem', type: 'spki' }).toString()) !== keys.tlsHash) {
    throw new Fault('bundle.foreign', "the certificate is not for this box's TLS key", { hint: again })
  }
  const names = certificate.subject.split('\n').filter(line => line.startsWith('CN='))
  if (names.length !== 1 || names[0] !== `CN=${keys.gateway}`) {
    throw new Fault('bundle.foreign', 'the certificate names another gateway', { hint: again })
  }
  const clientAuth = '1.3.6.1.5.5.7.3.2'
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.includes(clientAuth)) {
    throw new Fault('bundle.invalid', 'the certificate is not for clients', { hint: again })
  }
  const issued = entry.ca.some((text, at) => {
    const ca = parseCertificate(text, `CA certificate ${at + 1} of the server entry`)
    return ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey)
  })
  if (!issued) {
    throw new Fault('bundle.invalid', 'the certificate is not issued by a CA of the server entry', {
      hint: again,
    })
  }
  return certificate.validToDate.getTime()
}

/**
 * The route that a bundle gives this box, every part checked against `bundle.root`, which the caller must
 * believe in (WIRE 10.2). Faults: `route.refused` (a signature), `bundle.foreign` (another box's),
 * `bundle.invalid` (parts that do not fit together).
 */
export function routeOf(bundle: Bundle, keys: GatewayKeys): Route {
  const root = verifyKey(unbase64url(bundle.root))
  const binding = rooted('binding', bundle.binding, root)
  const entry = rooted('server-entry', bundle.serverEntry, root)
  const operators = bundle.operators.map(one => rooted('operator', one, root))
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
    receiptKey: verifyKey(unbase64url(entry.keys.receipt)),
    commandKey: verifyKey(unbase64url(entry.keys.command)),
    serverBox: boxPublic(unbase64url(entry.keys.box)),
  }
}
