import { open } from 'node:fs/promises'
import { z } from 'zod'
import { type Bytes, hex, textOf, unhex } from '../base/bytes.ts'
import { checked } from '../base/check.ts'
import { codeOf, Fault } from '../base/fault.ts'

/** The longest capture that is read, and its longest line, in bytes. */
export const captureLimit = 64 * 1024 * 1024
export const captureLineLimit = 64 * 1024

const short = z.string().max(1000)
const setting = z.union([z.boolean(), z.number(), z.string().max(100)])
const bytes = z.string().regex(/^([0-9a-fA-F]{2})*$/, 'must be bytes in hex')

/** The first line of a capture. For BLE, what the device advertised stands beside. */
const headerSchema = z.strictObject({
  capture: z.literal(1, { error: 'must be 1: this is no capture, or one of a later version' }),
  driver: z.string().max(100).optional(),
  options: z.record(z.string().max(100), setting).optional(),
  link: z.enum(['serial', 'ble', 'tcp']),
  when: short.optional(),
  source: short.optional(),
  note: short.optional(),
  name: short.optional(),
  services: z.union([z.array(z.unknown()).max(256), z.record(short, z.unknown())]).optional(),
  advertisement: z.unknown().optional(),
})
export type CaptureHeader = z.infer<typeof headerSchema>

/** Every further line: milliseconds since opening, and bytes from the device (`in`) or to it (`out`). */
const lineSchema = z
  .strictObject({
    t: z.number().min(0).max(1e12),
    char: z.string().max(100).optional(),
    in: bytes.optional(),
    out: bytes.optional(),
  })
  .refine(line => (line.in === undefined) !== (line.out === undefined), 'must have either in or out')
  // A BLE value may be empty; nothing at all is no chunk of a line.
  .refine(line => line.char !== undefined || (line.in ?? line.out) !== '', 'must have at least one byte')

/** A chunk as it came or went; `char` is the characteristic of a BLE device. */
export interface CaptureLine {
  t: number
  way: 'in' | 'out'
  bytes: Bytes
  char?: string
}

export interface Capture {
  header: CaptureHeader
  lines: CaptureLine[]
}

function parsed(line: string, place: string): unknown {
  if (line.length > captureLineLimit) throw new Fault('capture.invalid', `${place} is longer than 64 KiB`)
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new Fault('capture.invalid', `${place} is not JSON`, { cause })
  }
}

/** The capture that a text is; Fault `capture.invalid` that names the line otherwise. */
export function parseCapture(text: string): Capture {
  const [first = '', ...rest] = text.replace(/\r?\n$/, '').split('\n')
  const header = checked(headerSchema, parsed(first, 'line 1'), 'line 1 of the capture', 'capture.invalid')
  let before = 0
  const lines = rest.map((line, index): CaptureLine => {
    const place = `line ${index + 2}`
    const found = checked(lineSchema, parsed(line, place), `${place} of the capture`, 'capture.invalid')
    if (found.t < before) throw new Fault('capture.invalid', `${place} is earlier than the line before it`)
    before = found.t
    const [way, data] = found.in === undefined ? (['out', found.out!] as const) : (['in', found.in] as const)
    const chunk: CaptureLine = { t: found.t, way, bytes: unhex(data) }
    return found.char === undefined ? chunk : { ...chunk, char: found.char }
  })
  return { header, lines }
}

/**
 * The capture in a file. Fault `file.missing`, `file.unreadable` or `capture.invalid`; a file of more than
 * 64 MiB is refused before it is read.
 */
export async function readCapture(path: string): Promise<Capture> {
  const found = await bytesAt(path)
  try {
    return parseCapture(textOf(found))
  } catch (cause) {
    if (cause instanceof Fault) {
      throw new Fault('capture.invalid', `${path} is no capture: ${cause.message}`, { cause })
    }
    throw cause
  }
}

async function bytesAt(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    if (size > captureLimit) throw new Fault('capture.invalid', `${path} is larger than 64 MiB`)
    return await file.readFile()
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    if (codeOf(cause) === 'ENOENT') throw new Fault('file.missing', `no such file: ${path}`, { cause })
    throw new Fault(
      'file.unreadable',
      `file cannot be read: ${path} (${codeOf(cause) ?? 'unknown reason'})`,
      {
        cause,
      },
    )
  }
}

/** A header as the first line of a file, its line feed included. */
export const headerText = (header: CaptureHeader): string =>
  `${JSON.stringify(checked(headerSchema, header, 'header of the capture', 'capture.invalid'))}\n`

/** A chunk as a line of a file, its line feed included. */
export function lineText({ t, way, bytes, char }: CaptureLine): string {
  const place = char === undefined ? {} : { char }
  return `${JSON.stringify({ t, ...place, [way]: hex(bytes) })}\n`
}
