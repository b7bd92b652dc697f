import { stat } from 'node:fs/promises'
import { SerialPort } from 'serialport'
import type { Bytes } from '../base/bytes.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { type After, type Port, type PortEvents, type PortState, after as systemAfter } from './port.ts'

/** How a serial line is set: what a driver's card says. Data bits are always 8 (see driver/checks.ts). */
export interface SerialSettings {
  baud: number
  stopBits?: 1 | 2
  flow?: 'rts-cts' | 'xon-xoff'
}

/** An open line, as little of it as is used: tests hand in their own. */
export interface Line {
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** What a line tells while it is open. */
export interface LineEvents {
  data(bytes: Uint8Array): void
  lost(cause: unknown): void
}

/** What serialPort works with; the machine's own where nothing else is handed in. */
export interface SerialTools {
  clock: Clock
  after: After
  openLine(path: string, settings: SerialSettings, events: LineEvents): Promise<Line>
  /** Identity of the device node at a path; undefined when nothing is there. */
  identity(path: string): Promise<string | undefined>
}

const firstWaitMs = 250
const longestWaitMs = 5000
/** How often an open path is looked at: a hung-up tty may report nothing at all. */
const lookMs = 2000

async function identity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, rdev } = await stat(path)
    return `${dev}:${ino}:${rdev}`
  } catch {
    return undefined
  }
}

/** Opens a line with serialport: exclusive, 8 data bits, no parity. A pty is a line like any other. */
async function openLine(path: string, settings: SerialSettings, events: LineEvents): Promise<Line> {
  const line = new SerialPort({
    path,
    baudRate: settings.baud,
    dataBits: 8,
    parity: 'none',
    stopBits: settings.stopBits ?? 1,
    rtscts: settings.flow === 'rts-cts',
    xon: settings.flow === 'xon-xoff',
    xoff: settings.flow === 'xon-xoff',
    lock: true,
    autoOpen: false,
  })
  line.on('data', (bytes: Buffer) => events.data(bytes))
  line.on('error', cause => events.lost(cause))
  line.on('close', (cause: unknown) => events.lost(cause))
  await new Promise<void>((resolve, reject) => line.open(error => (error ? reject(error) : resolve())))
  return {
    write: bytes =>
      new Promise((resolve, reject) => {
        // A line that closes meanwhile may never call back.
        const gone = (): void => reject(new Error('line was closed'))
        line.once('close', gone)
        const done = (error: Error | null | undefined): void => {
          line.off('close', gone)
          if (error) reject(error)
          else resolve()
        }
        line.write(Buffer.from(bytes), error => (error ? done(error) : line.drain(done)))
      }),
    close: () => new Promise(resolve => (line.isOpen ? line.close(() => resolve()) : resolve())),
  }
}

/** Why a path could not be opened, in the words of a person. serialport gives the reason as text only. */
function refusal(path: string, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (/permission denied|operation not permitted/i.test(reason)) {
    const hint = 'the user that runs the gateway must be in the group dialout'
    return new Fault('port.refused', `port may not be opened: ${path}`, { hint, cause })
  }
  if (/lock port|resource busy|temporarily unavailable/i.test(reason)) {
    const hint = 'another program has it open'
    return new Fault('port.refused', `port is in use: ${path}`, { hint, cause })
  }
  if (/no such (file|device)/i.test(reason)) {
    const hint = 'plug the device in; the ports that are there: ls /dev/serial/by-path'
    return new Fault('port.missing', `no such port: ${path}`, { hint, cause })
  }
  if (/inappropriate ioctl|not a tty/i.test(reason)) {
    const hint = 'name a port such as /dev/ttyUSB0; those that are there: ls /dev/serial/by-path'
    return new Fault('port.refused', `this is no serial port: ${path}`, { hint, cause })
  }
  return new Fault('port.refused', `port cannot be opened: ${path}`, { hint: reason, cause })
}

/**
 * A serial port that keeps itself open: when the device goes, it tries again with waits from 250 ms to
 * 5 s until the device is back or the port is closed.
 */
export function serialPort(path: string, settings: SerialSettings, handed: Partial<SerialTools> = {}): Port {
  const tools: SerialTools = { clock: systemClock, after: systemAfter, openLine, identity, ...handed }
  let state: PortState = 'closed'
  let events: PortEvents | undefined
  let line: Line | undefined
  let attempt = 0 // counts openings, so that a late event of an old line is not taken for the new one's
  let waitMs = firstWaitMs
  let told: PortState | undefined
  let callOff = (): void => {}

  const later = (ms: number, act: () => Promise<void>): void => {
    callOff = tools.after(ms, () => void act())
  }

  const retry = (fault: Fault): void => {
    state = fault.code === 'port.refused' ? 'refused' : 'missing'
    if (told !== state) events?.gone(fault)
    told = state
    later(waitMs, start)
    waitMs = Math.min(waitMs * 2, longestWaitMs)
  }

  const lost = async (of: number, cause: unknown): Promise<void> => {
    if (of !== attempt || line === undefined) return
    attempt++
    callOff()
    const old = line
    line = undefined
    waitMs = firstWaitMs
    retry(new Fault('port.gone', `device went away: ${path}`, { cause }))
    // The device is gone and that was told; that its line cannot be closed either adds nothing.
    await old.close().catch(() => {})
  }

  const look = async (of: number, opened: string | undefined): Promise<void> => {
    const now = await tools.identity(path)
    if (of !== attempt) return
    if (now !== opened) await lost(of, undefined)
    else later(lookMs, () => look(of, opened))
  }

  const start = async (): Promise<void> => {
    const of = ++attempt
    const early: Bytes[] = []
    const data = (bytes: Uint8Array): void => {
      if (of !== attempt) return
      if (line === undefined) early.push(Uint8Array.from(bytes))
      else events?.chunk(Uint8Array.from(bytes), tools.clock.mono())
    }
    try {
      const here = await tools.identity(path)
      const opened = await tools.openLine(path, settings, { data, lost: cause => void lost(of, cause) })
      if (of !== attempt) {
        await opened.close()
        return
      }
      line = opened
      state = 'open'
      waitMs = firstWaitMs
      told = undefined
      events?.back()
      for (const bytes of early) events?.chunk(bytes, tools.clock.mono())
      later(lookMs, () => look(of, here))
    } catch (cause) {
      if (of === attempt) retry(refusal(path, cause))
    }
  }

  return {
    name: path,
    state: () => state,
    open(listener) {
      events = listener
      state = 'opening'
      void start()
    },
    async write(bytes) {
      if (line === undefined) throw new Fault('port.gone', `port is not open: ${path}`)
      try {
        await line.write(bytes)
      } catch (cause) {
        throw new Fault('port.gone', `device went away: ${path}`, { cause })
      }
    },
    async close() {
      attempt++
      callOff()
      events = undefined
      state = 'closed'
      const old = line
      line = undefined
      await old?.close()
    },
  }
}
