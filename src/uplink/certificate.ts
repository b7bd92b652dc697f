import type { X509Certificate } from 'node:crypto'
import { hex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { elementOf, elementsOf } from './der.ts'

/** What a certificate says of itself that counts in a path, beside what Node reads from it. */
export interface Certificate {
  x509: X509Certificate
  /** May issue others (RFC 5280, 4.2.1.9), and how many may stand between it and the last one. */
  isAuthority: boolean
  most: number
  /** The key usage bits of the first byte (RFC 5280, 4.2.1.3); undefined where the extension is absent. */
  usage: number | undefined
  /** Whether the signature on it is of a kind that cannot be forged today. */
  isSignedWell: boolean
  /** Why it can never stand in a path; undefined if nothing speaks against it. */
  defect: string | undefined
}

const tags = { boolean: 1, integer: 2, bits: 3, octets: 4, oid: 6, sequence: 0x30, extensions: 0xa3 } as const

/** Object identifiers as DER has them, hex. */
const oids = {
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  extendedKeyUsage: '551d25',
} as const

/** All that this judgement looks at: another one that is critical means something that nobody here understands. */
const understood = new Set<string>([
  oids.keyUsage,
  oids.subjectAltName,
  oids.basicConstraints,
  oids.extendedKeyUsage,
])

/** ECDSA and RSA with SHA-256, SHA-384 and SHA-512, and Ed25519. */
const signatures = new Set([
  ...['2a8648ce3d040302', '2a8648ce3d040303', '2a8648ce3d040304'],
  ...['2a864886f70d01010b', '2a864886f70d01010c', '2a864886f70d01010d'],
  '2b6570',
])

const curves: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const rsaBits = 2048

/** The bit of the key usage (RFC 5280, 4.2.1.3) that a server of TLS 1.3 needs. */
export const digitalSignature = 0x80

interface Extension {
  critical: boolean
  value: Uint8Array
}

/** Extension: SEQUENCE { OID, BOOLEAN DEFAULT FALSE, OCTET STRING } (RFC 5280, 4.1). */
function extensionOf(content: Uint8Array): [string, Extension] {
  const [oid, ...rest] = elementsOf(content)
  const value = rest.at(-1)
  const critical = rest.length === 2 ? rest[0] : undefined
  const fits =
    oid?.tag === tags.oid &&
    value?.tag === tags.octets &&
    rest.length <= 2 &&
    (critical === undefined || (critical.tag === tags.boolean && critical.content.length === 1))
  if (!fits) throw new Fault('wire.malformed', 'certificate has an extension that is none')
  return [hex(oid.content), { critical: (critical?.content[0] ?? 0) !== 0, value: value.content }]
}

/** The extensions and the signature algorithm of a certificate (RFC 5280, 4.1). */
function partsOf(raw: Uint8Array): { extensions: Map<string, Extension>; signature: string } {
  const [signed, algorithm] = elementsOf(elementOf(raw, tags.sequence))
  const list = elementsOf(signed!.content).find(one => one.tag === tags.extensions)
  const extensions = new Map<string, Extension>()
  for (const { content } of list === undefined ? [] : elementsOf(elementOf(list.content, tags.sequence))) {
    const [oid, extension] = extensionOf(content)
    if (extensions.has(oid)) throw new Fault('wire.malformed', `certificate has extension ${oid} twice`)
    extensions.set(oid, extension)
  }
  return { extensions, signature: hex(elementsOf(algorithm!.content)[0]!.content) }
}

/** BasicConstraints: SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }. */
function constraintsOf(extension: Extension | undefined): Pick<Certificate, 'isAuthority' | 'most'> {
  if (extension === undefined) return { isAuthority: false, most: 0 }
  const [first, second] = elementsOf(elementOf(extension.value, tags.sequence))
  const isAuthority = first?.tag === tags.boolean && first.content[0] !== 0
  const most = second?.tag === tags.integer && second.content.length === 1 ? second.content[0]! : undefined
  return { isAuthority, most: second === undefined ? Number.POSITIVE_INFINITY : (most ?? 0) }
}

function usageOf(extension: Extension | undefined): number | undefined {
  // the first byte tells how many bits at the end are unused
  return extension && (elementOf(extension.value, tags.bits)[1] ?? 0)
}

function isWeak({ publicKey }: X509Certificate): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  if (type === 'ec') return !curves.has(details?.namedCurve)
  if (type === 'rsa') return (details?.modulusLength ?? 0) < rsaBits
  return type !== 'ed25519'
}

function defectOf(x509: X509Certificate, { extensions }: ReturnType<typeof partsOf>): string | undefined {
  // names are compared by nobody here, and who limits them means it, critical or not
  if (extensions.has(oids.nameConstraints)) return 'limits names, which this box does not judge'
  const unknown = [...extensions].find(([oid, { critical }]) => critical && !understood.has(oid))
  if (unknown !== undefined) return `has the critical extension ${unknown[0]}, which is not known here`
  // Node tells none where it cannot read them, and none is for anything
  if (extensions.has(oids.extendedKeyUsage) && x509.keyUsage === undefined) return 'has an unreadable purpose'
  return isWeak(x509) ? 'has a key that is too weak' : undefined
}

/** Reads what counts. Fault `wire.malformed` where it is not DER as RFC 5280 has it. */
export function readCertificate(x509: X509Certificate): Certificate {
  const parts = partsOf(x509.raw)
  return {
    x509,
    ...constraintsOf(parts.extensions.get(oids.basicConstraints)),
    usage: usageOf(parts.extensions.get(oids.keyUsage)),
    isSignedWell: signatures.has(parts.signature),
    defect: defectOf(x509, parts),
  }
}

const serverAuth = '1.3.6.1.5.5.7.3.1'

/** Whether it is for servers (RFC 5280, 4.2.1.12); one that says nothing of it is for anything. */
export const isForServers = ({ x509 }: Certificate, silent: boolean): boolean =>
  // Node calls the extended key usage so
  x509.keyUsage === undefined ? silent : x509.keyUsage.includes(serverAuth)

/** Its common name for people, or its whole subject: at most 64 characters, on one line. */
export const nameOf = ({ x509 }: Certificate): string => {
  const lines = x509.subject.split('\n')
  return (lines.find(line => line.startsWith('CN=')) ?? lines.join(', ')).slice(0, 64)
}
