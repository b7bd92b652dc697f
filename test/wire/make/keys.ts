import nacl from 'tweetnacl'
import { digest, join, kidOf } from '../forge.ts'
import { gateway } from '../samples.ts'
import type { Vector } from '../vector.ts'

const p = 2n ** 255n - 19n
/** A number as 32 little-endian bytes. */
export const little = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex')).reverse()
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const withTop = (key: Uint8Array): Uint8Array => key.map((byte, at) => (at === 31 ? byte | 0x80 : byte))

/** Every encoding that must never enter, by use and name (WIRE 2.3). */
export const refusedKeys: Record<'ed25519' | 'x25519', Record<string, Uint8Array>> = {
  ed25519: {
    zero: little(0n),
    'zero-signed': withTop(little(0n)),
    one: little(1n),
    'one-signed': withTop(little(1n)),
    'p-minus-1': little(p - 1n),
    'p-minus-1-signed': withTop(little(p - 1n)),
    'order-8': bytesOf('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
    'order-8-signed': bytesOf('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85'),
    'order-8-other': bytesOf('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'),
    'order-8-other-signed': bytesOf('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'),
    p: little(p),
    'p-plus-1': little(p + 1n),
    'p-plus-18': little(p + 18n),
    'all-ones': new Uint8Array(32).fill(255),
    short: nacl.sign.keyPair.fromSeed(digest('short')).publicKey.slice(0, 31),
    long: join(nacl.sign.keyPair.fromSeed(digest('long')).publicKey, Uint8Array.of(0)),
  },
  x25519: {
    zero: little(0n),
    one: little(1n),
    'p-minus-1': little(p - 1n),
    'order-8': bytesOf('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'),
    'order-8-other': bytesOf('5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'),
    p: little(p),
    'p-plus-1': little(p + 1n),
    'all-ones': new Uint8Array(32).fill(255),
    'top-bit': withTop(gateway.box.publicKey),
    short: gateway.box.publicKey.slice(0, 31),
    long: join(gateway.box.publicKey, Uint8Array.of(0)),
  },
}

/** An honest key of each use, and every key that is refused. */
export function keyVectors(): Vector[] {
  const uses = ['ed25519', 'x25519'] as const
  const honest = { ed25519: gateway.sign.publicKey, x25519: gateway.box.publicKey }
  return uses.flatMap(use => [
    {
      name: `key-${use}`,
      head: { comment: 'an honest key', kind: 'key', use, expect: 'opened', kid: kidOf(use, honest[use]) },
      bytes: honest[use],
    },
    ...Object.entries(refusedKeys[use]).map(([name, bytes]) => ({
      name: `key-${use}-${name}`,
      head: { comment: name.replaceAll('-', ' '), kind: 'key', use, expect: 'key-invalid' },
      bytes,
    })),
  ])
}
