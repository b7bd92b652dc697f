import { webcrypto } from 'node:crypto'

/**
 * A PKCS #10 request for a client certificate, PEM: subject CN = gateway id, signed by the P-256 key in
 * it (WIRE 10.1).
 */
export async function makeCsr(gateway: string, tlsKey: string): Promise<string> {
  await import('reflect-metadata') // @peculiar/x509 needs it first
  const { Pkcs10CertificateRequestGenerator, PemConverter } = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const der = PemConverter.decodeFirst(tlsKey)
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign'])
  const { d: _secret, key_ops: _operations, ...open } = await webcrypto.subtle.exportKey('jwk', privateKey)
  const publicKey = await webcrypto.subtle.importKey('jwk', open, algorithm, true, ['verify'])
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=${gateway}`,
    keys: { privateKey, publicKey },
    signingAlgorithm: algorithm,
  })
  return request.toString('pem')
}
