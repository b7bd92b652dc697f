import type { CaptureLine } from '../../src/transport/capture.ts'
import type { Services, Value, Written } from './bluez-gatt.ts'
import type { PairingKind } from './bluez-pairing.ts'
import type { Step } from './bluez-story.ts'

/** A device as a test describes it. */
export interface DeviceSettings {
  /** Upper case, with colons. */
  address: string
  name?: string
  services: Services
  /** The services that it advertises; the first one if not said. */
  advertised?: readonly string[]
  /** Company id and data in hex. */
  manufacturer?: { company: number; data: string }
  /** Starts as a bonded device, as after an earlier day. */
  paired?: boolean
  /** Works without bonding. */
  free?: boolean
  pairing?: PairingKind
  /** Six digits, for the kinds of pairing that need some. */
  passkey?: number
  /** What it does once bonded: stays, drops the link, or drops it before Pair could answer. */
  afterPairing?: 'stays' | 'drops' | 'drops-early'
  /** Must be written in each session before stored values are sent (A&D: 2a08). */
  waitsFor?: string
  /** After the last stored value it disconnects and goes silent, or it stays connected and on the air. */
  ends?: 'disconnects' | 'stays'
}

/** What goes wrong with a device. Each member may be set at any time. */
export interface Faults {
  /** Its object is removed at the next Connect, before there is a link; once. */
  vanishes: boolean
  /** So many more times Connect fails with le-connection-abort-by-local. */
  failConnects: number
  /** Connect takes until it is called off by Disconnect. */
  stuck: boolean
  /** Connect fails while discovery is on, as on a Pi Zero. */
  wantsQuiet: boolean
  /** ServicesResolved never comes. */
  neverResolves: boolean
  /** Characteristics are exported so many milliseconds after ServicesResolved (BlueZ issue 1489). */
  lateMs: number
  /** The link drops after so many values of the next session; once. */
  dropAfter: number | undefined
  /** With `dropAfter`: the confirmation of the last one was lost, and the next session repeats it. */
  unconfirmed: boolean
  /** The device forgot its bond: links to it break, until it is removed and paired again. */
  forgotten: boolean
}

/** Nothing goes wrong. */
export const noFaults = (): Faults => ({
  vanishes: false,
  failConnects: 0,
  stuck: false,
  wantsQuiet: false,
  neverResolves: false,
  lateMs: 0,
  dropAfter: undefined,
  unconfirmed: false,
  forgotten: false,
})

/** How things stand with a device. */
export interface Standing {
  /** It advertises, or would if it had no link. */
  onAir: boolean
  /** dBm; as long as it is known. */
  rssi: number | undefined
  paired: boolean
  trusted: boolean
  connected: boolean
  resolved: boolean
  links: number
}

export type DeviceEvent =
  | 'connected'
  | 'resolved'
  | 'disconnected'
  | 'paired'
  | 'subscribed'
  | 'written'
  | 'told'

/** A simulated device, from its own side. */
export interface Device {
  readonly address: string
  readonly path: string
  readonly faults: Faults
  readonly connected: boolean
  readonly paired: boolean
  readonly trusted: boolean
  /** Whether BlueZ has an object for it. */
  readonly known: boolean
  /** How often a link came up. */
  readonly links: number
  /** All that was written to it, oldest first. */
  readonly written: readonly Written[]
  /** How many stored values it has not sent. */
  readonly stored: number
  advertise(on: boolean): void
  /** What it sends in the next session, once all these characteristics are subscribed to. */
  store(...steps: readonly Step[]): void
  /** Stores a capture: what came in is sent again, what went out is awaited as a write to that characteristic. */
  play(lines: readonly CaptureLine[]): void
  /** What a read answers from now on, in hex. */
  set(char: string, value: string): void
  /** Sends a value now. False if not connected or nobody subscribed. */
  say(value: Value): boolean
  /** Ends the link from its side. */
  disconnect(): void
  /** Resolves at the next such event. */
  next(event: DeviceEvent): Promise<void>
}
