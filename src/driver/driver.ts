import type { Bytes } from '../base/bytes.ts'
import type { Kind } from '../reading/kinds.ts'
import type { Quantity } from '../reading/quantity.ts'
import type { Values } from '../reading/reading.ts'
import type { Check } from './checks.ts'
import type { Framing } from './framing.ts'
import type { BleLink } from './gatt-link.ts'
import type { Choice, OptionTable, Settings } from './options.ts'
import type { Settle } from './settle.ts'
import type { Steady } from './steady.ts'

/** What can be said: a measurement, or that a wristband was read. */
export type Said = Measured | Scanned

/** One measurement, each value in the unit of its kind and with the digits that the device sent. */
export interface Measured {
  measured: Values
  /** The device's own clock, local time without zone: `2026-07-11T09:05`, or with seconds. Never trusted. */
  deviceTime?: string
  /** An id that the device itself carried in the frame. */
  deviceId?: string
  /** The device says that it kept this in its memory: it was not measured just now. */
  stored?: true
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
  'stale', // a result that was there before, and nobody knows since when
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
}

/** How the gateway reaches a device: a serial line (also through a device server, over TCP), or BLE. */
export type Link = SerialLink | BleLink

/**
 * By what a device is recognised before it says a word: the USB id of an adapter built into it (`10c4:ea60`),
 * or the beginning of the name that it advertises. A sign proposes a driver and its options; it never decides.
 */
export type Sign = ({ usb: string; name?: never } | { name: string; usb?: never }) & {
  /** Maker and model, for people. */
  model: string
  options?: Readonly<Record<string, Choice>>
}

/** What became of what somebody at a station did, for their ears and eyes (DESIGN 10). */
export const toldNames = ['scanned', 'attributed', 'unattributed', 'refused'] as const
export type Told = (typeof toldNames)[number]

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
  /** By what such a device may be recognised. */
  signs?: readonly Sign[]
  /** What guards a frame against a flipped bit. `none` is said aloud and noted on every reading. */
  check: Fixed<Check, T>
  /** All kinds it may measure; empty for a scanner of wristbands. */
  says: readonly Kind[]
  /**
   * Makes a stream of weights one weighing (Settle), or a stream of values one measurement (Steady). Without
   * it, each frame that says something counts.
   */
  settle?: Fixed<Settle | Steady | 'each', T>
  /** The same thing said again within so many milliseconds of the last time is a re-send. */
  repeatMs?: Fixed<number, T>
  /** What is sent to the device (text, one character a byte) so that it tells the staff: a beep, a light. */
  feedback?: Fixed<Partial<Record<Told, string>>, T>
}

/**
 * Understands one payload, is silent with a reason, or throws a Fault `frame.…`; it never guesses. `char` is
 * the BLE characteristic that the payload came from, `2a35`; empty on a serial line.
 */
export type Understands = (payload: Bytes, char: string) => Said | Silent

/** Speaks by itself. `listen` is called once per connection, so what it remembers dies with the connection. */
export interface Listens<T extends OptionTable = OptionTable> extends Card<T> {
  listen(options: Settings<T>): Understands
  talk?: never
}

/** What a device that must be asked may do next: send, hear the next payload, or say. */
export type Step = { send: Bytes } | 'hear' | Said | Silent

/** One round of a conversation. It gets no port, clock or log, only payloads: a capture can play it. */
export type Round = () => Generator<Step, void, Bytes>

/**
 * Must be asked. `talk` is called once per connection, like `listen`, so what it remembers dies with the
 * connection; the round that it gives is held anew `everyMs` after it ended (0: never), and given up when an
 * answer takes longer than `answerMs`. What comes while nothing was asked goes to `listen`, where there is one,
 * and is silent `unasked` otherwise.
 */
export interface Talks<T extends OptionTable = OptionTable> extends Card<T> {
  talk(options: Settings<T>): Round
  everyMs: Fixed<number, T>
  answerMs: number
  listen?(options: Settings<T>): Understands
}

/** A make of device: its card, and how it is understood. */
export type Driver = Listens | Talks

/** Declares a driver; the options' types reach every function of its card. */
export const driver = <const T extends OptionTable = Record<never, never>>(
  declared: Listens<T> | Talks<T>,
): Driver => declared as unknown as Driver
