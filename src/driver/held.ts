import type { Bytes } from '../base/bytes.ts'

/** A bounded buffer of bytes not yet cut, compared through a mask. */
export interface Held {
  length(): number
  /** Whether no further byte fits. */
  full(): boolean
  add(byte: number): void
  /** All bytes, unmasked, without taking them: only to be looked at before the next call. */
  view(): Bytes
  /** Whether the bytes end with this text, one character a byte. */
  endsWith(text: string): boolean
  /** Whether they would, with one more byte. */
  wouldEndWith(text: string, byte: number): boolean
  /** Gives all bytes and keeps none. */
  take(): Bytes
  /** Gives all but the last `keep` bytes, and keeps those. */
  takeBefore(keep: number): Bytes
}

/** An empty buffer of at most `limit` bytes. */
export function hold(limit: number, mask: number): Held {
  const bytes = new Uint8Array(limit)
  let length = 0

  const fits = (text: string, have: number): boolean => {
    const start = length - have
    if (start < 0) return false
    for (let i = 0; i < have; i++) {
      if ((bytes[start + i]! & mask) !== text.charCodeAt(i)) return false
    }
    return true
  }

  return {
    length: () => length,
    full: () => length === limit,
    add(byte) {
      bytes[length++] = byte
    },
    view: () => bytes.subarray(0, length),
    endsWith: text => fits(text, text.length),
    wouldEndWith: (text, byte) =>
      text.charCodeAt(text.length - 1) === (byte & mask) && fits(text, text.length - 1),
    take() {
      const all = bytes.slice(0, length)
      length = 0
      return all
    },
    takeBefore(keep) {
      const before = bytes.slice(0, length - keep)
      bytes.copyWithin(0, length - keep, length)
      length = keep
      return before
    },
  }
}
