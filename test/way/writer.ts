import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { codeOf } from '../../src/base/fault.ts'

/** A scale on which somebody else stands every few milliseconds: no weight comes twice. */
export interface Writer {
  /** Every line that was begun to be written, without its end. */
  lines: Set<string>
  /** Ends the writing at this line's end, for a device that is unplugged. */
  stop(): void
  /** Writes into this device from now on. */
  start(device: string): void
}

/** The n-th line in the format of the A&D indicators: 20.0001 kg, 20.0002 kg and so on. */
const lineOf = (n: number): string => `ST,GS,+${(20 + n / 10_000).toFixed(4).padStart(9, '0')}kg`

/** Writes a few lines every `everyMs`; `howMany` tells how many this time. */
export function startWriter(device: string, everyMs: number, howMany: () => number): Writer {
  const lines = new Set<string>()
  let rest = Buffer.alloc(0)
  let end: number | undefined
  let timer: NodeJS.Timeout | undefined

  /** A line that nobody reads takes no more than its buffer; the test must not wait for it. */
  const write = (to: number): void => {
    try {
      rest = rest.subarray(writeSync(to, rest))
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error
    }
  }

  const tick = (to: number): void => {
    if (rest.length > 0) write(to)
    for (let left = howMany(); left > 0 && rest.length === 0; left--) {
      const line = lineOf(lines.size + 1)
      lines.add(line)
      rest = Buffer.from(`${line}\r\n`)
      write(to)
    }
  }

  const writer: Writer = {
    lines,
    stop() {
      clearInterval(timer)
      if (end !== undefined) closeSync(end)
      end = undefined
      rest = Buffer.alloc(0)
    },
    start(to) {
      const opened = openSync(to, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
      end = opened
      timer = setInterval(() => tick(opened), everyMs)
    },
  }
  writer.start(device)
  return writer
}
