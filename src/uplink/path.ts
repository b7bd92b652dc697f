import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Fault, isFault } from '../base/fault.ts'
import { type Certificate, digitalSignature, isForServers, nameOf, readCertificate } from './certificate.ts'
import type { Dated } from './dates.ts'
import { spkiHash, Unpinned } from './pin.ts'

/** What the server entry asks of whoever answers (WIRE 8.4). */
export interface Asked {
  /** `mqtts://host:port`, for people. */
  broker: string
  /** The name or address in it, without brackets. */
  host: string
  ca: readonly string[]
  pins: readonly string[]
}

/** Certificates that a broker may show: its own, those between it and the CA, and room for a few needless ones. */
const shownLimit = 8
/** How many may stand between the broker's own and the CA. */
const betweenLimit = 3

const hint = 'the broker’s certificate does not fit the server entry: tell the operator'

/** Why an issuer may not have issued the one below it, in a path where `between` stand below it; undefined if it may. */
function forbidsIssuer(issuer: Certificate, below: Certificate, between: number): string | undefined {
  if (!issuer.isAuthority) return 'was issued by one that is no CA'
  if (between > issuer.most) return 'was issued by a CA that may not have others below it'
  if (!isForServers(issuer, true)) return 'was issued by a CA that is not for servers'
  if (issuer.defect !== undefined) return `was issued by a CA that ${issuer.defect}`
  return below.isSignedWell ? undefined : 'has a signature that can be forged'
}

/** The certificates from the broker's own to a CA of the server entry, that one included; or why there are none. */
function pathOf(leaf: Certificate, sent: readonly Certificate[], anchors: readonly Certificate[]) {
  let why: string | undefined
  const issues = (issuer: Certificate, below: Certificate, between: number): boolean => {
    // OpenSSL compares names and key identifiers, and whether the issuer's key is for certificates
    if (!below.x509.checkIssued(issuer.x509) || !below.x509.verify(issuer.x509.publicKey)) return false
    const forbids = forbidsIssuer(issuer, below, between)
    why ??= forbids
    return forbids === undefined
  }
  const extend = (path: readonly Certificate[]): readonly Certificate[] | undefined => {
    const last = path.at(-1)!
    const between = path.length - 1
    const anchor = anchors.find(one => issues(one, last, between))
    if (anchor !== undefined) return [...path, anchor]
    if (between === betweenLimit) return undefined
    for (const one of sent) {
      if (path.includes(one) || !issues(one, last, between)) continue
      const whole = extend([...path, one])
      if (whole !== undefined) return whole
    }
    return undefined
  }
  const path = extend([leaf])
  return path ?? why ?? 'does not lead to a CA of the server entry'
}

/** What speaks against the broker's own certificate, whoever issued it. */
function forbidsLeaf(leaf: Certificate, host: string): string | undefined {
  if (leaf.defect !== undefined) return leaf.defect
  if (leaf.isAuthority) return 'is that of a CA'
  if (leaf.usage !== undefined && (leaf.usage & digitalSignature) === 0) return 'is not for signatures'
  if (!isForServers(leaf, false)) return 'is not for servers'
  const named =
    isIP(host) === 0
      ? leaf.x509.checkHost(host, { subject: 'never', partialWildcards: false })
      : leaf.x509.checkIP(host)
  return named === undefined ? `is not for ${host}` : undefined
}

const dated = (what: string, { x509 }: Certificate): Dated => ({
  what,
  from: x509.validFromDate.getTime(),
  until: x509.validToDate.getTime(),
})

function judged(shown: readonly X509Certificate[], { host, ca, pins }: Asked): Dated[] | string {
  if (shown.length > shownLimit) return `comes with ${shown.length - 1} others`
  const [leaf, ...sent] = shown.map(readCertificate)
  if (leaf === undefined) return 'was not shown'
  const anchors = ca.map(pem => readCertificate(new X509Certificate(pem)))
  const path = pathOf(leaf, sent, anchors)
  if (typeof path === 'string') return path
  const forbids = forbidsLeaf(leaf, host)
  if (forbids !== undefined) return forbids
  const fingerprint = spkiHash(leaf.x509.raw)
  if (!pins.includes(fingerprint)) throw new Unpinned(fingerprint)
  // the CA itself was named by the root, in an entry that has dates of its own: it has no others here (RFC 5280, 6.1)
  const between = path.slice(1, -1).map(one => dated(`the intermediate certificate ${nameOf(one)}`, one))
  return [dated('the broker’s certificate', leaf), ...between]
}

/**
 * Judges the certificates that a broker shows, its own first, by everything but dates: those are left to the
 * server's signed time, and are what it gives. Faults `server.refused` and, where all but the key is right,
 * `server.unpinned`.
 */
export function judgePath(shown: readonly X509Certificate[], asked: Asked): Dated[] {
  const refuse = (why: string, cause?: unknown): Fault =>
    new Fault('server.refused', `TLS with ${asked.broker} failed: its certificate ${why}`, { hint, cause })
  let outcome: Dated[] | string
  try {
    outcome = judged(shown, asked)
  } catch (error) {
    if (isFault(error, 'server.unpinned')) throw error
    // a stranger wrote it: whatever is thrown over it, it is refused
    throw refuse('is not readable', error)
  }
  if (typeof outcome === 'string') throw refuse(outcome)
  return outcome
}
