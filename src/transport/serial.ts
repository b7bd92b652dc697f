import { stat } from 'node:fs/promises'
import { SerialPort } from 'serialport'
import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { isBySerial } from '../base/portname.ts'
import { type Port, after as systemAfter } from './port.ts'
import { type Line, type LineEvents, reopening, type Times, type Way } from './reopening.ts'
import { serialNumber } from './usb.ts'

/** How a serial line is set: what a driver's card says. Data bits are always 8 (see driver/checks.ts). */
export interface SerialSettings {
  baud: number
  stopBits?: 1 | 2
  flow?: 'rts-cts' | 'xon-xoff'
}

/** What serialPort works with; the machine's own where nothing else is handed in. */
export interface SerialTools extends Times {
  openLine(path: string, settings: SerialSettings, events: LineEvents): Promise<Line>
  /** Identity of the device node at a path; undefined when nothing is there. */
  identity(path: string): Promise<string | undefined>
  /** Serial number of the adapter that udev's name leads to now; undefined where none is known. */
  serialOf(path: string): Promise<string | undefined>
}

/** A byte on the line: start bit, 8 data bits, at most 2 stop bits. */
const bitsPerByte = 11
/** Bytes of one read: what the kernel keeps for a tty. */
const readBytes = 4096
/** How much longer than the line needs bytes may take to leave: flow control may hold them up. */
const spareMs = 5000

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
    // what a paused line has read and nobody taken is lost where it is closed: as little as one read
    highWaterMark: readBytes,
  })
  line.on('data', (bytes: Buffer) => events.data(bytes))
  line.on('error', cause => events.lost(cause))
  line.on('close', (cause: unknown) => {
    // what was read while nobody took it is still in the stream
    for (let rest = line.read(); rest !== null; rest = line.read()) events.data(rest as Buffer)
    events.lost(cause)
  })
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
    pause: paused => void (paused ? line.pause() : line.resume()),
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
 * 2 s until the device is back or the port is closed.
 */
export function serialPort(path: string, settings: SerialSettings, handed: Partial<SerialTools> = {}): Port {
  const tools: SerialTools = {
    clock: systemClock,
    after: systemAfter,
    openLine,
    identity,
    serialOf: serialNumber,
    ...handed,
  }
  const way: Way = {
    async open(events) {
      const here = await tools.identity(path)
      const line = await tools.openLine(path, settings, events)
      // of the adapter that is open now, and before its first byte is passed on
      const serial = isBySerial(path) ? await tools.serialOf(path) : undefined
      // A hung-up tty may report nothing at all.
      const alive = async () => (await tools.identity(path)) === here
      return { ...line, alive, ...(serial !== undefined && { serial }) }
    },
    refusal: cause => refusal(path, cause),
    writeMs: length => spareMs + (length * bitsPerByte * 1000) / settings.baud,
  }
  return reopening(path, way, tools)
}
