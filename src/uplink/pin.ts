import { X509Certificate } from 'node:crypto'
import { hex, sha256 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'

/** SHA-256 of a certificate's SubjectPublicKeyInfo, hex: what the server entry pins (WIRE 8.4). */
export const spkiHash = (der: Uint8Array): string =>
  hex(sha256(new X509Certificate(der).publicKey.export({ format: 'der', type: 'spki' })))

/** Somebody answered in the server's place with a valid certificate for another key. */
export class Unpinned extends Fault {
  readonly fingerprint: string
  constructor(fingerprint: string) {
    super('server.unpinned', `the broker shows the key ${fingerprint.slice(0, 16)}…, which is not pinned`, {
      hint: 'somebody answers in the place of the server: check the network, and tell the operator',
    })
    this.fingerprint = fingerprint
  }
}
