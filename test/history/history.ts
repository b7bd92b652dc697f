import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/** A row of a gateway's outbox. */
export interface Held {
  epoch: string
  seq: number
}

/** What can happen, as whoever saw it writes it down. */
export type Event =
  /** A device printed it; a value is unique in a history. */
  | { op: 'produced'; device: string; value: string }
  /** Told over the control socket's stream: from here on it must not be lost. */
  | { op: 'taken'; gateway: string; epoch: string; seq: number; value?: string }
  /** COMMIT returned, with this head. */
  | { op: 'committed'; gateway: string; epoch: string; seq: number; head: string }
  /** What the gateway's disk holds just now, whole. */
  | { op: 'held'; gateway: string; rows: Held[] }
  /** Durably at the server; `head` is the head of the chain there. */
  | {
      op: 'stored'
      server: string
      gateway: string
      epoch: string
      seq: number
      head?: string
      value?: string
    }
  /** A valid receipt is stored at the gateway; `number` where receipts or tokens of it are counted. */
  | { op: 'receipt'; gateway: string; epoch: string; seq: number; head: string; number?: number }
  /** The gateway deleted the row. */
  | { op: 'forgotten'; gateway: string; epoch: string; seq: number }
  /** A command was carried out. */
  | { op: 'obeyed'; gateway: string; intent: string }
  /** The gateway wrote this session token to its disk. */
  | { op: 'token'; gateway: string; token: number }
  /** The server raised a flag. */
  | { op: 'flag'; server: string; gateway: string; flag: string }
  /** An attack was made, and this flag must tell of it. */
  | { op: 'attack'; gateway: string; flag: string }
  /** A fault was injected; one named `restored` with `{ server }` sets that server back, see the checker. */
  | { op: 'fault'; what: string; detail?: unknown }
  /** No fault is injected from here on. */
  | { op: 'calm' }
  /** Nothing of the gateway waits for a receipt any more. */
  | { op: 'drained'; gateway: string }
  /** What a process or a folder uses. */
  | { op: 'resources'; of: string; fds?: number; rssMb?: number; walBytes?: number; logBytes?: number }
  /** Declared lost in a signed event: these numbers, both ends included. */
  | { op: 'lost'; gateway: string; epoch: string; from: number; to: number }

/** One line of a history: what happened, who saw it, and when in steady milliseconds. */
export type Line = { at: number; actor: string } & Event

/** Writes a history; each line is in the file when `write` returns, whatever ends the process. */
export interface Recorder {
  write(actor: string, event: Event): Line
  close(): void
}

/** Steady milliseconds, the same for every process of this machine, whatever the wall clock does. */
export const steadyMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000

/** Adds to a history file of JSON lines; several processes may add to one. */
export function recorder(file: string): Recorder {
  const handle = openSync(file, 'a')
  return {
    write(actor, event) {
      const line: Line = { at: steadyMs(), actor, ...event }
      writeSync(handle, `${JSON.stringify(line)}\n`)
      return line
    },
    close: () => closeSync(handle),
  }
}

/** The lines of a history file, in the order in which they were written. A last line cut off by a kill is left out. */
export function readHistory(file: string): Line[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  lines.pop() // what stands after the last line end is nothing, or cut off
  return lines.map(line => JSON.parse(line) as Line)
}
