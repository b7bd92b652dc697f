import 'reflect-metadata'
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { spkiHash } from '../../src/uplink/pin.ts'

x509.cryptoProvider.set(webcrypto)
const curve = { name: 'ECDSA', namedCurve: 'P-256' }
const rsa = (modulusLength: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength,
  publicExponent: Uint8Array.of(1, 0, 1),
  hash: 'SHA-256',
})

/** A certificate with its key, and who issued it. */
export interface Issued {
  key: string
  certificate: string
  /** H(SubjectPublicKeyInfo), hex. */
  pin: string
  name: string
  keys: webcrypto.CryptoKeyPair
}

/** What is wished of a certificate; the usual ones are in order and count for a day. */
export interface Wish {
  name?: string
  /** May issue others, and how many below it. */
  authority?: { most?: number } | false
  usage?: number
  /** Extended key usages; none leaves the extension out. */
  purposes?: readonly string[]
  /** DNS names and IP addresses. */
  hosts?: readonly { type: 'dns' | 'ip'; value: string }[]
  from?: number
  until?: number
  hash?: string
  /** An RSA key of so many bits instead of P-256. */
  rsaBits?: number
  more?: readonly x509.Extension[]
  /** The key of this one instead of a new one. */
  keysOf?: Issued
}

export const day = 86_400_000
export const { keyCertSign, digitalSignature, keyAgreement } = x509.KeyUsageFlags
export const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
export const { Extension } = x509

async function make(issuer: Issued | undefined, wish: Wish): Promise<Issued> {
  const {
    name = 'a certificate',
    authority = false,
    from = Date.now() - day,
    until = Date.now() + day,
  } = wish
  const kind = wish.rsaBits === undefined ? curve : rsa(wish.rsaBits)
  const keys = wish.keysOf?.keys ?? (await webcrypto.subtle.generateKey(kind, true, ['sign', 'verify']))
  const usage = wish.usage ?? (authority === false ? digitalSignature : keyCertSign)
  const { purposes = [], hosts = [] } = wish
  const signer = issuer?.keys ?? keys
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `40${randomBytes(8).toString('hex')}`,
    subject: `CN=${name}`,
    issuer: `CN=${issuer?.name ?? name}`,
    notBefore: new Date(from),
    notAfter: new Date(until),
    signingAlgorithm: { ...curve, name: signer.publicKey.algorithm.name, hash: wish.hash ?? 'SHA-256' },
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(
        authority !== false,
        authority === false ? undefined : authority.most,
        true,
      ),
      new x509.KeyUsagesExtension(usage, true),
      ...(purposes.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...purposes])]),
      ...(hosts.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...hosts])]),
      ...(wish.more ?? []),
    ],
  })
  const text = `${certificate.toString('pem')}\n`
  const secret = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    key: x509.PemConverter.encode(secret, 'PRIVATE KEY'),
    certificate: text,
    pin: spkiHash(new X509Certificate(text).raw),
    name,
    keys,
  }
}

/** A CA that issued itself. */
export const makeRoot = (wish: Wish = {}): Promise<Issued> =>
  make(undefined, { name: 'a root', authority: {}, ...wish })

/** A CA below another. */
export const makeBetween = (issuer: Issued, wish: Wish = {}): Promise<Issued> =>
  make(issuer, { name: 'one between', authority: {}, ...wish })

/** A broker's certificate for localhost and 127.0.0.1. */
export const makeLeaf = (issuer: Issued | undefined, wish: Wish = {}): Promise<Issued> =>
  make(issuer, {
    name: 'a broker',
    purposes: [serverAuth],
    hosts: [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ],
    ...wish,
  })

/** An extension that nobody knows, of an arc that RFC 5280 leaves to private use. */
export const strange = (critical: boolean): x509.Extension =>
  new x509.Extension('1.3.6.1.4.1.99999.1', critical, Uint8Array.of(5, 0))

/** NameConstraints that permit only dNSName "localhost" (RFC 5280, 4.2.1.10), as DER. */
export const onlyLocalhost = (critical: boolean): x509.Extension => {
  const name = Buffer.from('localhost')
  const wrap = (tag: number, content: Buffer): Buffer =>
    Buffer.concat([Buffer.of(tag, content.length), content])
  return new x509.Extension('2.5.29.30', critical, wrap(0x30, wrap(0xa0, wrap(0x30, wrap(0x82, name)))))
}
