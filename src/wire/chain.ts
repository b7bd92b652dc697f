import { randomBytes } from 'node:crypto'
import { type Bytes, hex, sha256, unbase32 } from '../base/bytes.ts'

/** Whose epoch it is: what head(0) binds (WIRE 5.1). */
export interface EpochOwner {
  gateway: string
  server: string
  /** Key id of the gateway's signing key. */
  kid: string
}

/** A new epoch id, 16 hex digits. */
export const makeEpoch = (): string => hex(randomBytes(8))

/** The head before the first statement of an epoch, hex (WIRE 5.1). */
export const headZero = (epoch: string, { gateway, server, kid }: EpochOwner): string =>
  hex(
    sha256(
      'VG1 epoch',
      unbase32(gateway),
      Buffer.from(epoch, 'hex'),
      Buffer.from(kid, 'hex'),
      unbase32(server),
    ),
  )

/** H(envelope): what the chain and acceptances refer to. */
export const envelopeHash = (envelope: Uint8Array): Bytes => sha256(envelope)

/** The head after an envelope, hex, from the head before it (WIRE 5.2). */
export const nextHead = (before: string, envelope: Uint8Array): string =>
  headAfter(before, envelopeHash(envelope))

/** The same from the envelope's hash, where that is known already. */
export const headAfter = (before: string, hash: Uint8Array): string =>
  hex(sha256('VG1 chain', Buffer.from(before, 'hex'), hash))
