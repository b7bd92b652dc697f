import { type Clock, systemClock } from '../base/clock.ts'
import { type CaptureHeader, captureLimit, headerText, lineText } from './capture.ts'
import type { Port } from './port.ts'

/** The longest chunk of one line; a longer one is written as several lines of the same moment. */
const chunkLimit = 16 * 1024

/** A recording under way. */
export interface Recorder {
  /** Notes bytes from the device (`in`) or to it (`out`), at a steady time; `char` is a BLE characteristic. */
  note(way: 'in' | 'out', bytes: Uint8Array, mono: number, char?: string): void
  /** Whether the largest capture that can be read again is full; then nothing more is noted. */
  full(): boolean
}

/** Starts recording at `mono`: the header first, then every chunk as a line, each given to `write`. */
export function recorder(header: CaptureHeader, write: (text: string) => void, mono: number): Recorder {
  let room = captureLimit
  let full = false
  const put = (text: string): void => {
    if (full || text.length > room) {
      full = true
      return
    }
    room -= text.length
    write(text)
  }
  put(headerText(header))
  return {
    note(way, bytes, at, char) {
      const place = char === undefined ? {} : { char }
      for (let from = 0; from < bytes.length || (from === 0 && char !== undefined); from += chunkLimit) {
        const part = Uint8Array.from(bytes.subarray(from, from + chunkLimit))
        put(lineText({ t: Math.max(0, at - mono), ...place, way, bytes: part }))
      }
    },
    full: () => full,
  }
}

/** The same port, with every byte in and out noted as well. */
export const recorded = (port: Port, recorder: Recorder, clock: Clock = systemClock): Port => ({
  ...port,
  open: events =>
    port.open({
      ...events,
      chunk(bytes, mono, char) {
        recorder.note('in', bytes, mono, char)
        events.chunk(bytes, mono, char)
      },
    }),
  async write(bytes) {
    recorder.note('out', bytes, clock.mono())
    await port.write(bytes)
  },
})
