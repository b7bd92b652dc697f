import { hash, timingSafeEqual } from 'node:crypto'
import { Fault } from './fault.ts'

/** Bytes as they travel. Always backed by memory of this thread, never shared. */
export type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 bytes of a text. */
export const bytesOf = (text: string): Bytes => encoder.encode(text)

/** The text that these UTF-8 bytes are; a fault if they are not UTF-8. */
export function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new Fault('input.invalid', 'bytes are not UTF-8', { cause })
  }
}

/** All parts, one after the other. */
export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Lower-case hex. */
export const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** Bytes of a hex text; a fault on an odd length or a foreign character. */
export function unhex(text: string): Bytes {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new Fault('input.invalid', 'text is not hex')
  }
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

/** base64url without padding. */
export const base64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')

/** Bytes of canonical base64url: no padding, no foreign characters, no stray bits. */
export function unbase64url(text: string): Bytes {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64url'))
  if (base64url(bytes) !== text) throw new Fault('input.invalid', 'text is not canonical base64url')
  return bytes
}

const base32Digits = 'abcdefghijklmnopqrstuvwxyz234567'

/** Lower-case base32 (RFC 4648 alphabet) without padding: 16 bytes are 26 characters. */
export function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += base32Digits[(held >> bits) & 31]
    }
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + base32Digits[(held << (5 - bits)) & 31] : text
}

/** Bytes of canonical base32 as `base32` writes it. */
export function unbase32(text: string): Bytes {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const digit of text) {
    const value = base32Digits.indexOf(digit)
    if (value < 0) throw new Fault('input.invalid', 'text is not base32')
    held = (held << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push((held >> bits) & 255)
    }
    held &= (1 << bits) - 1
  }
  const result = Uint8Array.from(bytes)
  if (base32(result) !== text) throw new Fault('input.invalid', 'text is not canonical base32')
  return result
}

/** SHA-256 over all parts, one after the other. */
export function sha256(...parts: (Uint8Array | string)[]): Bytes {
  // in one call: the parts are short, and each crossing into OpenSSL costs more than copying them
  if (parts.length === 1) return new Uint8Array(hash('sha256', parts[0]!, 'buffer'))
  const whole = concat(...parts.map(part => (typeof part === 'string' ? bytesOf(part) : part)))
  const digest = new Uint8Array(hash('sha256', whole, 'buffer'))
  // a part may be a secret, which its holder wipes: so does whoever made a copy
  whole.fill(0)
  return digest
}

/** Whether two byte strings are the same, in time that depends on their lengths only. */
export const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)
