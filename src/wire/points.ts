import { hex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'

const p = 2n ** 255n - 19n

/** Little-endian integer of 32 bytes. */
const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`)

/** The y of the eight Ed25519 points of small order (WIRE 2.3). */
const smallOrderY = new Set([
  0n,
  1n,
  p - 1n,
  littleEndian(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex')),
  littleEndian(Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')),
])

/** The u of the X25519 points of small order (WIRE 2.3). */
const smallOrderU = new Set([
  0n,
  1n,
  p - 1n,
  littleEndian(Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex')),
  littleEndian(Buffer.from('5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157', 'hex')),
])

function refuse(kind: string, why: string): never {
  throw new Fault('key.invalid', `${kind} public key ${why}`, {
    hint: 'whoever made this key must make a new one; no honest program makes such a key',
  })
}

/** Refuses an Ed25519 public key that is not canonical or under which one signature fits all (WIRE 2.3). */
export function checkEd25519(key: Uint8Array): void {
  if (key.length !== 32) refuse('Ed25519', `is ${key.length} bytes long`)
  const y = littleEndian(key) & (2n ** 255n - 1n)
  if (y >= p) refuse('Ed25519', 'is not canonical')
  if (smallOrderY.has(y)) refuse('Ed25519', 'is of small order')
}

/** Refuses an X25519 public key that is not canonical or that would seal to everybody (WIRE 2.3). */
export function checkX25519(key: Uint8Array): void {
  if (key.length !== 32) refuse('X25519', `is ${key.length} bytes long`)
  const u = littleEndian(key)
  if (u >= p) refuse('X25519', 'is not canonical')
  if (smallOrderU.has(u)) refuse('X25519', 'is of small order')
}
