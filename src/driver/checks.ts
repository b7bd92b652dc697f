import type { Bytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'

/** The closed set of guards, as they are named in a reading's link facts. */
export type CheckName = 'none' | 'parity' | 'sum'

/** What guards a frame against a flipped bit. */
export interface Check {
  name: CheckName
  /** The bits that framing compares: 0x7f where bit 7 is the parity bit, otherwise 0xff. */
  mask: 0x7f | 0xff
  /** The payload of a whole frame, less its `ending` bytes; otherwise Fault `frame.check`. */
  open(frame: Bytes, ending: number): Bytes
}

/** No guard. It is said aloud: every reading carries the note `unguarded-frame`. */
export const none: Check = {
  name: 'none',
  mask: 0xff,
  open: (frame, ending) => frame.subarray(0, frame.length - ending),
}

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
})

/** Where the last `mark` begins, or -1. */
function lastOf(frame: Bytes, mark: string): number {
  return Buffer.from(frame.buffer, frame.byteOffset, frame.length).lastIndexOf(mark, undefined, 'latin1')
}

/**
 * The 8-bit sum of every byte from the first one to the end of `mark`, less the mark's last `less` bytes,
 * written after the mark as two upper-case hex digits. `tail` may follow. The payload ends before the mark.
 */
export const sumText = ({ mark, less = 0, tail }: { mark: string; less?: number; tail?: string }): Check => ({
  name: 'sum',
  mask: 0xff,
  open(frame, ending) {
    const at = lastOf(frame, mark)
    if (at < 0) throw new Fault('frame.check', `frame has no ${mark}`)
    const summed = frame.subarray(0, at + mark.length - less)
    const sum = summed.reduce((total, byte) => (total + byte) & 0xff, 0)
    const due = sum.toString(16).toUpperCase().padStart(2, '0')
    const sent = Buffer.from(frame.subarray(at + mark.length, frame.length - ending)).toString('latin1')
    if (sent !== due && (tail === undefined || sent !== due + tail)) {
      throw new Fault('frame.check', 'sum does not fit the frame')
    }
    return frame.subarray(0, at)
  },
})
