import type { Kind } from './kinds.ts'
import type { Quantity } from './quantity.ts'

/** The values of one measurement: a weight alone, or the pressures and the pulse of one cuff inflation. */
export type Values = Partial<Record<Kind, Quantity>>

/** How the frame reached the gateway, as far as it matters to trust. */
export interface LinkFacts {
  kind: 'serial' | 'ble' | 'tcp'
  /** What guards the frame against a flipped bit: the check's name, or `none`. */
  check: string
  bonded?: boolean
  encrypted?: boolean
  /** The BLE characteristic that the frame is a value of. */
  char?: string
  /** What the port is bound to, as a tag (WIRE 6.6). */
  port?: string
}

/** Where a reading's time comes from (DESIGN 9). */
export type TimeSource = 'ntp' | 'rtc' | 'saved' | 'none'

/** When something happened: wall time with its quality, and the boot's own steady time. */
export interface Moment {
  /** Milliseconds since 1970 UTC, as the gateway believed. */
  wall: number
  source: TimeSource
  /** How far off `wall` may be, milliseconds; null where nobody knows. */
  uncertainty: number | null
  /** Id of the boot, 32 hex characters. */
  boot: string
  /** Milliseconds of that boot. */
  mono: number
}

/** Whose a reading is said to be: the band that was scanned at the station. */
export interface Attribution {
  band: string
  /** Steady time of the scan, same boot as the reading. */
  scannedMono: number
}

/** A remark on quality that arises honestly and often (DESIGN 8). */
export type Note =
  | 'unattributed'
  | 'unguarded-frame'
  | 'time-unsynced'
  | 'implausible'
  | 'claimed-late'
  | 'experimental-driver'
  | 'stored'

/** What one device measured once, before custody takes it. */
export interface Reading {
  device: string
  station: string
  driver: { id: string; revision: number; hash: string }
  link: LinkFacts
  /** The frame as received, hex. */
  raw: string
  values: Values
  /** The device's own clock, local time without zone, `2026-07-11T09:05` or with seconds. Untrusted. */
  deviceTime?: string
  /** Whether this gateway had compared the device's clock with its own and found it right. */
  deviceClock?: 'checked' | 'unchecked'
  /** An id that the device itself carried in the frame. */
  deviceId?: string
  attribution?: Attribution
  time: Moment
  notes: Note[]
}
