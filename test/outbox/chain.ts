import { createHash } from 'node:crypto'

/** SHA-256 over hex strings and byte strings, hex: the chain's arithmetic written out once more (WIRE 5). */
const hash = (...parts: (string | Uint8Array)[]): string =>
  parts.reduce((sum, part) => sum.update(part), createHash('sha256')).digest('hex')

const raw = (hexText: string): Buffer => Buffer.from(hexText, 'hex')

/** WIRE 2.1: 26 base32 digits of 5 bits are 130 bits, the last two of them zero. */
function rawId(id: string): Buffer {
  const bits = [...id].map(digit =>
    'abcdefghijklmnopqrstuvwxyz234567'.indexOf(digit).toString(2).padStart(5, '0'),
  )
  const text = bits.join('').slice(0, 128)
  return Buffer.from((text.match(/.{8}/g) ?? []).map(byte => Number.parseInt(byte, 2)))
}

export const zeroOf = (gateway: string, epoch: string, kid: string, server: string): string =>
  hash('VG1 epoch', rawId(gateway), raw(epoch), raw(kid), rawId(server))

export const hashOf = (envelope: Uint8Array): string => hash(envelope)

export const nextOf = (before: string, envelope: Uint8Array): string =>
  hash('VG1 chain', raw(before), raw(hash(envelope)))
