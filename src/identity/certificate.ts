import { X509Certificate } from 'node:crypto'
import { Fault } from '../base/fault.ts'
import type { ServerEntry } from '../wire/registry.ts'
import { type GatewayKeys, keyHash } from './keys.ts'

const again = 'ask the operator for a bundle made from the request of this box'

/** Extended key usage "TLS client" (RFC 5280 4.2.1.12). */
const clientAuth = '1.3.6.1.5.5.7.3.2'

function parsed(text: string, what: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw new Fault('bundle.invalid', `${what} is not a certificate`, { hint: again, cause })
  }
}

/**
 * Until when a client certificate is dated, milliseconds. It must be for this TLS key and gateway id, for clients, and
 * issued by a CA of the entry (WIRE 7.11, 10.2). Faults `bundle.foreign`, `bundle.invalid`.
 */
export function checkCertificate(
  pem: string,
  entry: Pick<ServerEntry, 'ca'>,
  keys: Pick<GatewayKeys, 'gateway' | 'tlsHash'>,
): number {
  const certificate = parsed(pem, 'the certificate')
  if (keyHash(certificate.publicKey.export({ format: 'pem', type: 'spki' }).toString()) !== keys.tlsHash) {
    throw new Fault('bundle.foreign', "the certificate is not for this box's TLS key", { hint: again })
  }
  const names = certificate.subject.split('\n').filter(line => line.startsWith('CN='))
  if (names.length !== 1 || names[0] !== `CN=${keys.gateway}`) {
    throw new Fault('bundle.foreign', 'the certificate names another gateway', { hint: again })
  }
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.includes(clientAuth)) {
    throw new Fault('bundle.invalid', 'the certificate is not for clients', { hint: again })
  }
  const issued = entry.ca.some((text, at) => {
    const ca = parsed(text, `CA certificate ${at + 1} of the server entry`)
    return ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey)
  })
  if (!issued) {
    throw new Fault('bundle.invalid', 'the certificate is not issued by a CA of the server entry', {
      hint: again,
    })
  }
  return certificate.validToDate.getTime()
}
