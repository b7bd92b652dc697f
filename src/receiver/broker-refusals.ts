import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { hex, sha256 } from '../base/bytes.ts'

/** Why the broker refused somebody. */
export type RefusalReason =
  | 'no-tls'
  | 'no-certificate'
  | 'foreign-certificate'
  | 'not-enrolled'
  | 'revoked'
  | 'wrong-client-id'
  | 'session-not-clean'
  | 'will'
  | 'forbidden-publish'
  | 'forbidden-subscribe'
  | 'packet-too-long'
  | 'packet-malformed'
  | 'reads-too-slowly'
  | 'too-many-waiting'
  | 'too-many-connections'

/** Whom the broker speaks to, as far as TLS shows. */
export interface Peer {
  address: string
  /** SHA-256 of the certificate, lower-case hex; null where it showed none. */
  fingerprint: string | null
  /** The certificate's common name. Proven only if the certificate is ours. */
  name: string | null
  /** H(SubjectPublicKeyInfo) of the certificate, hex; left out where it showed none. */
  tls?: string
}

/** What the broker did not let happen: the matter of flag BROKER_REFUSED. */
export interface Refusal extends Peer {
  reason: RefusalReason
  /** The topic, client id, error or length in question; printable, at most 128 characters. */
  detail: string
  /** How often it happened since it was last reported; more than 1 after a burst. */
  count: number
  at: number
}

/** Text from a stranger, fit for a log and a table. */
export const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 128)

/** Whom a TLS socket leads to. */
export function peerOf(socket: TLSSocket): Peer {
  // an empty object where no certificate was shown; the common name may be there several times
  const shown = socket.getPeerCertificate() as { fingerprint256?: string; subject?: { CN?: unknown } }
  const name = shown.subject?.CN
  return {
    address: socket.remoteAddress ?? '',
    fingerprint: shown.fingerprint256?.replaceAll(':', '').toLowerCase() ?? null,
    name: typeof name === 'string' ? printable(name) : null,
    ...tlsOf(socket),
  }
}

/** H(SubjectPublicKeyInfo) of what a socket showed. */
function tlsOf(socket: TLSSocket): Pick<Peer, 'tls'> {
  const spki = socket.getPeerX509Certificate()?.publicKey.export({ format: 'der', type: 'spki' })
  return spki === undefined ? {} : { tls: hex(sha256(spki)) }
}

/** Somebody of whom nothing but the address is known. */
export const strangerAt = (socket: Socket): Peer => ({
  address: socket.remoteAddress ?? '',
  fingerprint: null,
  name: null,
})

const windowMs = 60_000
const peersKept = 1000

/**
 * Reports refusals: the first of a peer and reason at once, further ones at most once a minute with their
 * count, so that a flood cannot fill the store. `flush` reports what is still held back.
 */
export function refusals(report: (refusal: Refusal) => void, now: () => number) {
  const known = new Map<string, { since: number; held: number; last: Refusal }>()

  const tell = (entry: { held: number; last: Refusal }): void => {
    if (entry.held > 0) report({ ...entry.last, count: entry.held })
    entry.held = 0
  }

  return {
    refuse: (peer: Peer, reason: RefusalReason, detail: string): void => {
      const at = now()
      const refusal: Refusal = { ...peer, reason, detail: printable(detail), count: 1, at }
      const key = `${reason} ${peer.fingerprint ?? peer.name ?? peer.address}`
      const entry = known.get(key)
      if (entry !== undefined && at - entry.since < windowMs) {
        entry.held++
        entry.last = refusal
        return
      }
      if (entry === undefined && known.size >= peersKept) {
        const [oldest, held] = known.entries().next().value!
        tell(held)
        known.delete(oldest)
      }
      report({ ...refusal, count: (entry?.held ?? 0) + 1 })
      known.delete(key)
      known.set(key, { since: at, held: 0, last: refusal })
    },
    flush: (): void => {
      for (const entry of known.values()) tell(entry)
    },
  }
}
