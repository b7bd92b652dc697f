import type { Bytes } from '../base/bytes.ts'
import type { Fault } from '../base/fault.ts'

/** What a device tells everybody around. UUIDs in lower case: 4 hex digits for 16-bit ones, else the 36 characters. */
export interface Advert {
  /** Upper case, with colons. */
  address: string
  /** At most 64 characters, none of which a terminal obeys. */
  name?: string
  /** dBm; absent where unknown. */
  rssi?: number
  services: readonly string[]
  /** Bluetooth company id and the data behind it. */
  manufacturer?: { company: number; data: Bytes }
  paired: boolean
}

/** A characteristic of a connected device; UUIDs as in an advert, flags as BlueZ names them (`read`, `indicate`). */
export interface Characteristic {
  uuid: string
  service: string
  flags: readonly string[]
}

/**
 * One connected device, for the time of one session. Every call is bounded in time. Fault `ble.lost` when the
 * link is down or a step took too long, `ble.refused` when the device said no and the link is still there.
 */
export interface Peer {
  readonly address: string
  readonly name: string | undefined
  /** Whether it was bonded when the link came up; BlueZ encrypts the link to a bonded LE device at once. */
  readonly bonded: boolean
  /** Waits until the services are known, and lists anew each time: BlueZ may show some of them late. */
  characteristics(): Promise<readonly Characteristic[]>
  /** Of a characteristic that is subscribed as well, the value read is also heard: BlueZ tells both in one way. */
  read(uuid: string): Promise<Bytes>
  /** With response where the device offers it. */
  write(uuid: string, bytes: Uint8Array): Promise<void>
  /** Indications or notifications, in order, each as it came, with the steady time of its arrival. */
  subscribe(uuid: string, heard: (bytes: Bytes, mono: number) => void): Promise<void>
  /** Resolves (never rejects) when the link is down, whoever ended it. */
  readonly ended: Promise<void>
}

/** Where the radio stands. */
export interface RadioFacts {
  state: 'closed' | 'absent' | 'off' | 'idle' | 'scanning' | 'session'
  /** `hci0` and its address, once known. */
  adapter?: string
  /** When something was last heard advertising, steady ms. */
  lastAdvert?: number
  /** Sessions and pairings begun. */
  sessions: number
  /** New connections to the bus after a loss. */
  rebuilds: number
  /** Why there is no radio now, or that it hears nothing although everything was tried. */
  fault?: Fault
}

/** What a person is asked or shown while pairing; a device that needs nothing (Just Works) asks nothing. */
export interface PairingWords {
  /** The six digits shown by the device, typed by the person; undefined refuses. */
  passkey(): Promise<number | undefined>
  /** Six digits to be typed at the device. */
  show(passkey: string): void
}

/** The one owner of the Bluetooth adapter: one session at a time, scanning between them. */
export interface Radio {
  open(): void
  facts(): RadioFacts
  /** Everything heard advertising, again and again, until called off. Scanning goes on as long as anybody watches. */
  watch(seen: (advert: Advert) => void): () => void
  /**
   * Waits its turn, connects, works, disconnects: at most 90 s in all from its turn. Fault `ble.…`, or
   * `interrupted` when the signal says so; what `work` throws passes through.
   */
  session<T>(address: string, work: (peer: Peer) => Promise<T>, signal: AbortSignal): Promise<T>
  /**
   * Bonds with a device that a person has in pairing mode now: at most 60 s. Fault `ble.refused`, `ble.lost`,
   * `ble.absent`, `ble.off`.
   */
  pair(address: string, words: PairingWords, signal: AbortSignal): Promise<void>
  /** Removes the bond; only ever on a person's word. Done already where there is none. */
  forget(address: string): Promise<void>
  close(): Promise<void>
}
