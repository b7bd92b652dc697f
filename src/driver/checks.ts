import type { Bytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'

/** The closed set of guards, as they are named in a reading's link facts. */
export const checkNames = ['none', 'parity', 'sum', 'bcc', 'link-crc'] as const
export type CheckName = (typeof checkNames)[number]

/** What guards a frame against a flipped bit. */
export interface Check {
  name: CheckName
  /** The bits that framing compares: 0x7f where bit 7 is the parity bit, otherwise 0xff. */
  mask: 0x7f | 0xff
  /** The payload of a whole frame, less its `ending` bytes; otherwise Fault `frame.check`. */
  open(frame: Bytes, ending: number): Bytes
  /** The same frame with its guard made right: what scrubbing a capture needs. */
  seal(frame: Bytes, ending: number): Bytes
}

/** No guard. It is said aloud: every reading carries the note `unguarded-frame`. */
export const none: Check = {
  name: 'none',
  mask: 0xff,
  open: (frame, ending) => frame.subarray(0, frame.length - ending),
  seal: frame => frame,
}

/**
 * The CRC-24 of the BLE link layer, and on a bonded link its MIC (Bluetooth Core, volume 6 part B 3.1.1 and
 * part E 1): the radio drops what fails, so nothing is left to open here.
 */
export const linkCrc: Check = { ...none, name: 'link-crc' }

/** Whether the byte has an odd number of set bits. */
function odd(byte: number): boolean {
  let bits = byte
  bits ^= bits >> 4
  bits ^= bits >> 2
  bits ^= bits >> 1
  return (bits & 1) === 1
}

/**
 * Seven data bits and a parity bit. The port is opened with 8 data bits and no parity, because Linux
 * tty drivers as serialport sets them (IGNPAR without INPCK) never report a parity error. Every byte of
 * the frame is verified, its ending included, and only then bit 7 is taken off.
 */
export const parity = (sense: 'even' | 'odd' = 'even'): Check => ({
  name: 'parity',
  mask: 0x7f,
  open(frame, ending) {
    const wrong = frame.findIndex(byte => odd(byte) !== (sense === 'odd'))
    if (wrong >= 0) throw new Fault('frame.check', `parity of byte ${wrong + 1} is not ${sense}`)
    return frame.subarray(0, frame.length - ending).map(byte => byte & 0x7f)
  },
  seal: frame =>
    frame.map(byte => (odd(byte & 0x7f) === (sense === 'odd') ? byte & 0x7f : (byte & 0x7f) | 0x80)),
})

/** Where the last `mark` begins, or -1. */
function lastOf(frame: Bytes, mark: string): number {
  return Buffer.from(frame.buffer, frame.byteOffset, frame.length).lastIndexOf(mark, undefined, 'latin1')
}

/**
 * The 8-bit sum of every byte from the first one to the end of `mark`, less the mark's last `less` bytes,
 * written after the mark as two upper-case hex digits. `tail` may follow. The payload ends before the mark.
 */
export const sumText = ({ mark, less = 0, tail }: { mark: string; less?: number; tail?: string }): Check => {
  const due = (frame: Bytes, at: number): string => {
    const summed = frame.subarray(0, at + mark.length - less)
    const sum = summed.reduce((total, byte) => (total + byte) & 0xff, 0)
    return sum.toString(16).toUpperCase().padStart(2, '0')
  }
  return {
    name: 'sum',
    mask: 0xff,
    open(frame, ending) {
      const at = lastOf(frame, mark)
      if (at < 0) throw new Fault('frame.check', `frame has no ${mark}`)
      const right = due(frame, at)
      const sent = Buffer.from(frame.subarray(at + mark.length, frame.length - ending)).toString('latin1')
      if (sent !== right && (tail === undefined || sent !== right + tail)) {
        throw new Fault('frame.check', 'sum does not fit the frame')
      }
      return frame.subarray(0, at)
    },
    seal(frame) {
      const at = lastOf(frame, mark)
      if (at < 0) return frame
      const sealed = frame.slice()
      sealed.set(Buffer.from(due(frame, at), 'latin1'), at + mark.length)
      return sealed
    },
  }
}

/** Check bytes that close a frame; see `closing`. */
export interface Closing {
  name: 'sum' | 'bcc'
  /** How many check bytes there are. */
  width: number
  /** The first byte that counts: its index in the frame (0 if not said). */
  from?: number
  /** The check bytes that belong to the bytes that count. */
  of: (counted: Bytes) => Uint8Array
  /** Bytes that stand after the check bytes in every frame. */
  after?: string
  /** Whole frames, less their ending, that the device sends without check bytes: acknowledgements. */
  bare?: readonly string[]
}

/** A frame whose last bytes guard the bytes before them. The payload is all that comes before the check bytes. */
export const closing = ({ name, width, from = 0, of, after = '', bare = [] }: Closing): Check => {
  const whole = (frame: Bytes, ending: number): Bytes => frame.subarray(0, frame.length - ending)
  const isBare = (body: Bytes): boolean => bare.some(one => one === Buffer.from(body).toString('latin1'))
  const wrong = (why: string): Fault => new Fault('frame.check', why)
  return {
    name,
    mask: 0xff,
    open(frame, ending) {
      const body = whole(frame, ending)
      if (isBare(body)) return body
      const at = body.length - after.length - width
      if (at < from) throw wrong('frame is too short for its check bytes')
      if (Buffer.from(body.subarray(at + width)).toString('latin1') !== after) {
        throw wrong('frame does not end as it should')
      }
      const due = of(body.subarray(from, at))
      if (!due.every((byte, index) => byte === body[at + index])) {
        throw wrong(`${name} does not fit the frame`)
      }
      return body.subarray(0, at)
    },
    seal(frame, ending) {
      const body = whole(frame, ending)
      const at = body.length - after.length - width
      if (isBare(body) || at < from) return frame
      const sealed = frame.slice()
      sealed.set(of(sealed.subarray(from, at)), at)
      return sealed
    },
  }
}

/** The 8-bit sum of all bytes, as `of` of `closing`. */
export const sum8 = (counted: Bytes): Uint8Array =>
  Uint8Array.of(counted.reduce((total, byte) => (total + byte) & 0xff, 0))

/** The exclusive or of all bytes, as `of` of `closing`. */
export const xor8 = (counted: Bytes): Uint8Array =>
  Uint8Array.of(counted.reduce((total, byte) => total ^ byte, 0))
