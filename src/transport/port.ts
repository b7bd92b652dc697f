import type { Bytes } from '../base/bytes.ts'
import type { Fault } from '../base/fault.ts'

/**
 * Where a port stands. An unplugged device is a state, not a crash: `missing`, until it comes back.
 * `waiting`: a BLE device that is away between two sessions, as it should be.
 */
export type PortState = 'closed' | 'opening' | 'open' | 'waiting' | 'missing' | 'refused'

/** How a BLE link is protected: bonded before it came up, and so encrypted by BlueZ at once. */
export interface LinkSecurity {
  bonded: boolean
  encrypted: boolean
}

/** What a device tells of itself beside its measurements. */
export interface DeviceFacts {
  maker?: string
  model?: string
  serial?: string
  firmware?: string
  /** Percent. */
  battery?: number
  /** How far the device's clock was ahead of ours when the session began, before it was set; milliseconds. */
  clockOffMs?: number
}

/** What a port tells. None of these may throw. */
export interface PortEvents {
  /**
   * Bytes came, at this steady time in milliseconds. The receiver owns them. `char` is the characteristic of
   * a BLE device that they came from.
   */
  chunk(bytes: Bytes, mono: number, char?: string): void
  /**
   * The line is there: for the first time, or again. Whatever was half-heard before is void. `serial` is the serial
   * number of the adapter, where the port is named by it.
   */
  back(security?: LinkSecurity, serial?: string): void
  /** A BLE device ended its session, as it should; it comes back by itself. */
  rest?(): void
  /** The device told something of itself. */
  learned?(facts: DeviceFacts): void
  /** The line is not there, and why. Told once per outage, and once more when the reason changes. */
  gone(fault: Fault): void
}

/** A way for bytes in and out: a serial port, a capture that is played. It reopens by itself. */
export interface Port {
  /** What people call it: a path, an address. */
  readonly name: string
  /** Starts opening and goes on trying until `close`. Never throws; what happens is told by events. */
  open(events: PortEvents): void
  state(): PortState
  /**
   * Leaves what comes in the kernel and in the device until told otherwise, over a reopening too. Bytes that were read
   * already may still come. Missing where the device would not wait.
   */
  pause?(paused: boolean): void
  /** Resolves when the bytes left; Fault `port.gone` if the line is not there. */
  write(bytes: Uint8Array): Promise<void>
  /** Stops for good. Afterwards no event comes. */
  close(): Promise<void>
}

/** Acts once after so many milliseconds; the function it gives calls it off. */
export type After = (ms: number, act: () => void) => () => void

/** The machine's own timers. */
export const after: After = (ms, act) => {
  const timer = setTimeout(act, ms)
  return () => clearTimeout(timer)
}
