import type { Bytes } from '../base/bytes.ts'
import type { Kind } from '../reading/kinds.ts'
import type { Quantity } from '../reading/quantity.ts'
import type { Values } from '../reading/reading.ts'
import type { Check } from './checks.ts'
import type { Framing } from './framing.ts'
import type { OptionTable, Settings } from './options.ts'
import type { Settle } from './settle.ts'

/** What can be said: a measurement, or that a wristband was read. */
export type Said = Measured | Scanned

/** One measurement, each value in the unit of its kind and with the digits that the device sent. */
export interface Measured {
  measured: Values
  /** The device's own clock, local time without zone: `2026-07-11T09:05`, or with seconds. Never trusted. */
  deviceTime?: string
  /** An id that the device itself carried in the frame. */
  deviceId?: string
}

/** A wristband was read: the id on it, nothing else. */
export interface Scanned {
  scanned: string
}

/** Why a frame that was understood says nothing. Closed: a driver takes the word that fits. */
export const silences = [
  'unstable', // the value still moves
  'overload', // above the range
  'underload', // below the range
  'zero', // an empty platform
  'negative', // less than nothing: something was taken off
  'tare', // the weight of a chair or a pan
  'count', // pieces, not a weight
  'error', // the device reports that its measurement failed
  'no-value', // understood, and no value in it
  'repeat', // the same measurement again, and the frame says so
  'ack', // an answer that only confirms
  'staff', // a badge of the staff, not a resident
  'unasked', // an answer to a question that was not put
  'noise', // bytes between frames
] as const
export type Silence = (typeof silences)[number]

/**
 * A frame that was understood and says nothing. `passing` is the value of a platform that still moves:
 * weigh-once looks at it, nobody reports it.
 */
export interface Silent {
  silent: Silence
  passing?: Quantity
}

/** How a serial device is reached: always 8 data bits, see `parity` in checks.ts. */
export interface SerialLink {
  serial: { baud: number; stopBits?: 1 | 2; flow?: 'rts-cts' | 'xon-xoff' }
  frame: Framing
  /** USB ids (`0403:6001`) of adapters built into the device. They propose a driver, they never decide. */
  usb?: readonly string[]
}

/** How the gateway reaches a device. */
export type Link = SerialLink

/** A member of a card that is fixed, or follows from the options. */
export type Fixed<V, T extends OptionTable> = V | ((options: Settings<T>) => V)

/** Everything the gateway knows about one make of device. The folder's name is its id. */
export interface Card<T extends OptionTable = OptionTable> {
  /** Maker and model, as printed on the label. */
  name: string
  /** Raised when the same bytes come to mean something else. */
  revision: number
  /** Whether no bytes of a real device or vendor's page stand behind it yet. Its readings are noted. */
  experimental?: boolean
  /** What a technician can set, each with its closed list of choices. */
  options?: T
  link: Fixed<Link, T>
  /** What guards a frame against a flipped bit. `none` is said aloud and noted on every reading. */
  check: Fixed<Check, T>
  /** All kinds it may measure; empty for a scanner of wristbands. */
  says: readonly Kind[]
  /** Makes a stream of weights one weighing. Without it, each frame that says something counts. */
  settle?: Fixed<Settle | 'each', T>
  /** The same thing said again within so many milliseconds of the last time is a re-send. */
  repeatMs?: Fixed<number, T>
}

/**
 * Speaks by itself. `listen` is called once per connection, so what it remembers dies with the
 * connection. The function it gives understands a payload, is silent with a reason, or throws a
 * Fault `frame.…`; it never guesses.
 */
export interface Listens<T extends OptionTable = OptionTable> extends Card<T> {
  listen(options: Settings<T>): (payload: Bytes) => Said | Silent
  talk?: never
}

/** What a device that must be asked may do next: send, hear the next payload, or say. */
export type Step = { send: Bytes } | 'hear' | Said | Silent

/**
 * Must be asked. The conversation gets no port, clock or log, only payloads: a capture can play it. It is
 * held anew `everyMs` after it ended, and given up when an answer takes longer than `answerMs`.
 */
export interface Talks<T extends OptionTable = OptionTable> extends Card<T> {
  talk(options: Settings<T>): Generator<Step, void, Bytes>
  everyMs: number
  answerMs: number
  listen?: never
}

/** A make of device: its card, and how it is understood. */
export type Driver = Listens | Talks

/** Declares a driver; the options' types reach every function of its card. */
export const driver = <const T extends OptionTable = Record<never, never>>(
  declared: Listens<T> | Talks<T>,
): Driver => declared as unknown as Driver
