import { z } from 'zod'

/** The control socket's words on devices: what is there, what one says, pairing and recording. */

const count = z.int().min(0)
/** Milliseconds since 1970 UTC. */
const moment = z.int().min(0)
export const line = z.string().max(1024)
export const word = z.string().max(128)

/** What a device is called, which driver understands it, and where it is. */
const placed = { id: word, driver: word, port: line, station: word }

/** A device as it was added. An option that was typed is a word; the driver's card tells what it means. */
export const device = z.strictObject({
  ...placed,
  options: z.record(word, z.union([z.boolean(), z.number(), word])),
})
export type DeviceBody = z.infer<typeof device>

/** What the server's newest device list says of a device, as far as this box holds one. */
const acceptance = z.enum(['accepted', 'waiting', 'changed'])
export type Acceptance = z.infer<typeof acceptance>

/** A device as it is listed. */
export const listedDevice = device.extend({ acceptance: acceptance.optional() })

/** A device as it stands now. `lastReading` is when the last reading was taken. */
export const deviceState = z.strictObject({
  ...placed,
  state: z.enum(['open', 'waiting', 'gone', 'refused']),
  lastReading: moment.nullable(),
  readings: count,
  faults: count,
  lastFault: z.strictObject({ code: word, message: line, at: moment }).optional(),
  /** What the device told of itself. */
  facts: z
    .strictObject({
      maker: word.optional(),
      model: word.optional(),
      serial: word.optional(),
      firmware: word.optional(),
      battery: z.int().min(0).max(100).optional(),
      clockOffMs: z.int().optional(),
    })
    .optional(),
  /** Somebody records what it says just now. */
  recording: z.literal(true).optional(),
})
export type DeviceState = z.infer<typeof deviceState>

/** How long something goes on at most. */
export const seconds = z.int().min(1).max(600)

/** A driver that a device may have, its options as signs of the device propose them. */
const proposal = z.strictObject({ driver: word, model: line, options: device.shape.options })

/** A device that somebody might add: a serial port of this box, or something that advertises nearby. */
export const scanLine = z.union([
  z.strictObject({
    kind: z.literal('serial'),
    /** The name to add it by: the one that stays the same. */
    port: line,
    path: line,
    usb: word.nullable(),
    maker: word.nullable(),
    product: word.nullable(),
    serial: word.nullable(),
    /** Which device has this port already. */
    device: word.nullable(),
    proposals: z.array(proposal).max(64),
  }),
  z.strictObject({
    kind: z.literal('ble'),
    port: line,
    name: word.nullable(),
    rssi: z.int().nullable(),
    services: z.array(word).max(64),
    paired: z.boolean(),
    device: word.nullable(),
    proposals: z.array(proposal).max(64),
  }),
  /** Why one of the two could not be looked at. */
  z.strictObject({ kind: z.literal('fault'), code: word, message: line, hint: line.nullable() }),
])
export type ScanLine = z.infer<typeof scanLine>

/** A device that was added, or a driver to be tried at a port that nobody has. */
export const testBody = z.union([
  z.strictObject({ device: word, seconds }),
  z.strictObject({ driver: word, port: line, options: device.shape.options, seconds }),
])

/** What came from a device and what its driver made of it; values are shown, nothing is taken. */
export const testLine = z.strictObject({
  t: z.number().min(0),
  state: z.enum(['open', 'waiting', 'gone', 'refused']).optional(),
  frame: z.string().max(8192).optional(),
  char: word.optional(),
  /** Understood: what it says, as `capture decode` prints it, and whether it counts. */
  measured: z.record(word, z.strictObject({ value: z.string().max(32), unit: word })).optional(),
  scanned: word.optional(),
  deviceTime: word.optional(),
  deviceId: line.optional(),
  counts: z.boolean().optional(),
  silent: word.optional(),
  fault: word.optional(),
  why: line.optional(),
})
export type TestLine = z.infer<typeof testLine>

/** How pairing goes: `passkey` asks for the digits that the device shows, by the call `passkey`. */
export const pairLine = z.strictObject({
  step: z.enum(['searching', 'pairing', 'passkey', 'paired']),
  detail: line,
})
export type PairLine = z.infer<typeof pairLine>

/** A line of a capture, its line feed included. */
export const recordLine = z.strictObject({ text: z.string().max(65_600) })
