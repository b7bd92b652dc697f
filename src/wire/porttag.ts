import { bytesOf, hex, sha256, unbase32 } from '../base/bytes.ts'

/**
 * What a port is bound to, as a tag (WIRE 6.6): 16 hex digits, another at each gateway. `identity` is told by
 * base/portname.ts; undefined where nobody knows it.
 */
export const portTag = (gateway: string, identity: string | undefined): string | undefined =>
  identity === undefined
    ? undefined
    : hex(sha256(bytesOf('VG1 port'), unbase32(gateway), bytesOf(identity)).subarray(0, 8))
