import type { Message } from 'dbus-next'
import type { Tree } from './bluez-tree.ts'

/** How fast the simulated world goes, in milliseconds. */
export interface Pace {
  /** Between two advertisements of a device. */
  advertMs: number
  /** From Connect to the link. */
  connectMs: number
  /** From Connect to its failure where nobody advertises; BlueZ takes about 25 s. */
  absentMs: number
  /** From the link to ServicesResolved. */
  resolveMs: number
  /** How long a device is remembered that is neither paired, trusted nor connected; 0: until discovery ends. */
  temporaryMs: number
  /** How long an agent may take for its answer. */
  agentMs: number
  /** From the last stored value to the device's own disconnect. */
  endMs: number
}

export const usualPace: Pace = {
  advertMs: 30,
  connectMs: 5,
  absentMs: 50,
  resolveMs: 5,
  temporaryMs: 30_000, // TemporaryTimeout of main.conf
  agentMs: 60_000,
  endMs: 10,
}

/** What clients did since the start, failed attempts included. */
export interface Counts {
  connects: number
  pairings: number
  /** Calls of StartNotify. */
  subscriptions: number
  /** Calls of RegisterAgent. */
  registrations: number
  discoveries: number
  /** What was asked by SetDiscoveryFilter, in plain values. */
  filters: Record<string, unknown>[]
  powerOns: number
  /** Calls of RemoveDevice, by address. */
  removals: string[]
}

/** What all parts of the simulated BlueZ share. */
export interface World {
  readonly pace: Pace
  readonly counts: Counts
  /** What clients see; undefined while bluetoothd does not run. */
  tree(): Tree | undefined
  /** Calls a client. */
  call(message: Message): Promise<Message | null>
  /** Does something later, unless called off before or bluetoothd ends. */
  after(ms: number, act: () => void): () => void
}
