import 'reflect-metadata'
import { createHash, createPublicKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import { Fault } from '../base/fault.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const crypto = webcrypto
x509.cryptoProvider.set(crypto)

const day = 86_400_000
const year = 365.25 * day

/** A key and its certificate, both PEM; the key is PKCS #8. */
export interface Certified {
  key: string
  certificate: string
}

/** A new P-256 key, PKCS #8 PEM. */
export async function makeTlsKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY')
}

const privateKeyOf = (key: string): Promise<webcrypto.CryptoKey> =>
  crypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(key), algorithm, true, ['sign'])

/** The public half of a PKCS #8 PEM key, as WebCrypto holds it. */
function publicKeyOf(key: string): Promise<webcrypto.CryptoKey> {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return crypto.subtle.importKey('spki', Uint8Array.from(spki), algorithm, true, ['verify'])
}

/** 16 random bytes, positive and never zero (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** From a day ago, so that a clock a little behind does not see a certificate of tomorrow. */
const span = (now: number, years: number) => ({
  notBefore: new Date(now - day),
  notAfter: new Date(now + years * year),
})

/** The certificate of a certificate authority on this key: 20 years, signs leaves only. */
export async function makeAuthority(key: string, name: string, now: number): Promise<string> {
  const publicKey = await publicKeyOf(key)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name}`,
    ...span(now, 20),
    signingAlgorithm: algorithm,
    keys: { privateKey: await privateKeyOf(key), publicKey },
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

async function issue(
  authority: Certified,
  name: string,
  publicKey: webcrypto.CryptoKey | x509.PublicKey,
  purpose: x509.Extension[],
  now: number,
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate)
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${name}`,
    issuer: issuer.subjectName,
    ...span(now, 10),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey: await privateKeyOf(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ...purpose,
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

/** A server certificate for these host names and addresses: ten years, PEM. */
export async function issueServer(
  authority: Certified,
  key: string,
  hosts: readonly string[],
  now: number,
): Promise<string> {
  const names = hosts.map(value => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }))
  return issue(
    authority,
    'Vitalgate broker',
    await publicKeyOf(key),
    [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
    ],
    now,
  )
}

const clientPurpose = () => [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]

/** A client certificate for a key of our own: ten years, PEM. */
export const issueClient = async (
  authority: Certified,
  name: string,
  key: string,
  now: number,
): Promise<string> => issue(authority, name, await publicKeyOf(key), clientPurpose(), now)

/** A signing request that was found in order: its public key, and H(SubjectPublicKeyInfo) in hex. */
export interface CheckedRequest {
  publicKey: x509.PublicKey
  pin: string
}

/**
 * Checks a certificate signing request: its own signature, a P-256 key, and the gateway's id as its one
 * name. A fault `input.invalid` says which of them is wrong.
 */
export async function checkSigningRequest(pem: string, gateway: string): Promise<CheckedRequest> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new Fault('input.invalid', `certificate request ${why}`, { cause })
  }
  let request: x509.Pkcs10CertificateRequest
  let proven = false
  try {
    request = new x509.Pkcs10CertificateRequest(pem)
    proven = await request.verify()
  } catch (cause) {
    return refuse('is not readable', cause)
  }
  const { publicKey } = request
  const key = createPublicKey({ key: Buffer.from(publicKey.rawData), format: 'der', type: 'spki' })
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return refuse('is not for a P-256 key')
  if (!proven) return refuse('is not signed with the key in it')
  if (request.subject !== `CN=${gateway}`) return refuse(`names ${request.subject}, not CN=${gateway}`)
  return { publicKey, pin: pinOf(Buffer.from(publicKey.rawData)) }
}

/** The client certificate of a gateway, named by its id, for the key of a checked request: ten years, PEM. */
export const issueGateway = (
  authority: Certified,
  gateway: string,
  request: CheckedRequest,
  now: number,
): Promise<string> => issue(authority, gateway, request.publicKey, clientPurpose(), now)

/** The next certificate of a gateway, for the key and the name in the one before: ten years, PEM (WIRE 8.6). */
export const renewGateway = (
  authority: Certified,
  gateway: string,
  certificate: string,
  now: number,
): Promise<string> =>
  issue(authority, gateway, new x509.X509Certificate(certificate).publicKey, clientPurpose(), now)

const pinOf = (spki: Uint8Array): string => createHash('sha256').update(spki).digest('hex')

/** SHA-256 of a PEM certificate's SubjectPublicKeyInfo, hex: what a server entry pins (WIRE 8.4). */
export const certificatePin = (certificate: string): string =>
  pinOf(new X509Certificate(certificate).publicKey.export({ format: 'der', type: 'spki' }))

/** A certificate that is trusted no more: its serial number in hex, and since when (milliseconds since 1970). */
export interface Revoked {
  serial: string
  at: number
}

/** The CRL number (RFC 5280, 5.2.3): the moment of issue, so that a later list always has a higher one. */
function crlNumber(now: number): x509.Extension {
  const digits = now.toString(16)
  const value = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  const positive = value[0]! < 0x80 ? value : Buffer.concat([Buffer.of(0), value])
  return new x509.Extension('2.5.29.20', false, Buffer.concat([Buffer.of(2, positive.length), positive]))
}

/**
 * The list of revoked certificates, PEM as OpenSSL reads it. It has no next update: a broker shuts everybody out
 * once that has passed, and nobody may be silenced by a date (DESIGN 6). Of two lists the later one counts.
 */
export async function crl(authority: Certified, revoked: readonly Revoked[], now: number): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate)
  const serials = new Map(revoked.map(({ serial, at }) => [serial.toLowerCase(), at]))
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.subjectName,
    // a list of tomorrow shuts everybody out as well, so that the broker's clock may be a little behind
    thisUpdate: new Date(now - day),
    entries: [...serials].map(([serialNumber, at]) => ({ serialNumber, revocationDate: new Date(at) })),
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey), crlNumber(now)],
    signingAlgorithm: algorithm,
    signingKey: await privateKeyOf(authority.key),
  })
  return `${list.toString('pem').replaceAll(' CRL-----', ' X509 CRL-----')}\n`
}
