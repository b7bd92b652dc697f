import type { Bytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { After, Port, PortEvents, PortState } from './port.ts'

/** An open line, as little of it as is used: tests hand in their own. */
export interface Line {
  /** Resolves when the bytes left. */
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
  /** Stops reading, or goes on. */
  pause?(paused: boolean): void
  /** Whether it is still what was opened, for lines that may hang up without a word. */
  alive?(): Promise<boolean>
  /** Serial number of the adapter, where the port is named by it and it was found. */
  serial?: string
}

/** What a line tells while it is open. */
export interface LineEvents {
  data(bytes: Uint8Array): void
  /** It went down; a Fault says it in words of its own. */
  lost(cause: unknown): void
}

/** How lines of one kind are opened. */
export interface Way {
  /** Must end by itself, and at once when the signal says that nobody waits any more. */
  open(events: LineEvents, signal: AbortSignal): Promise<Line>
  /** Why it could not be opened, in the words of a person. */
  refusal(cause: unknown): Fault
  /** How long so many bytes may take to leave, milliseconds. */
  writeMs(length: number): number
}

/** The time of a port. */
export interface Times {
  clock: Clock
  after: After
}

const firstWaitMs = 250
/** With a look before it and the opening behind it: a device that is back is heard within 5 s. */
const longestWaitMs = 2000
/** A line that held for so long begins its waits anew. */
const heldMs = 5000
/** How often an open line is looked at. */
const lookMs = 2000

/**
 * A port that keeps itself open: when its line goes, it tries again with waits from 250 ms to 2 s until the
 * line is back or the port is closed. The waits begin anew only after a line that held for 5 s, so that one
 * which opens and closes all the time is no storm.
 */
export function reopening(name: string, way: Way, { clock, after }: Times): Port {
  let state: PortState = 'closed'
  let events: PortEvents | undefined
  let line: Line | undefined
  let attempt = 0 // counts openings, so that a late event of an old line is not taken for the new one's
  let opening = new AbortController()
  let waitMs = firstWaitMs
  let since = 0
  let told: PortState | undefined
  let callOff = (): void => {}
  let paused = false

  const later = (ms: number, act: () => Promise<void>): void => {
    callOff = after(ms, () => void act())
  }

  const retry = (fault: Fault): void => {
    state = fault.code === 'port.refused' ? 'refused' : 'missing'
    if (told !== state) events?.gone(fault)
    told = state
    later(waitMs, start)
    waitMs = Math.min(waitMs * 2, longestWaitMs)
  }

  const lost = async (of: number, cause: unknown): Promise<void> => {
    if (of !== attempt || line === undefined) return
    attempt++
    callOff()
    const old = line
    line = undefined
    if (clock.mono() - since >= heldMs) waitMs = firstWaitMs
    retry(isFault(cause) ? cause : new Fault('port.gone', `device went away: ${name}`, { cause }))
    // The device is gone and that was told; that its line cannot be closed either adds nothing.
    await old.close().catch(() => {})
  }

  const look = async (of: number, alive: () => Promise<boolean>): Promise<void> => {
    const still = await alive()
    if (of !== attempt) return
    if (still) later(lookMs, () => look(of, alive))
    else await lost(of, undefined)
  }

  const start = async (): Promise<void> => {
    const of = ++attempt
    opening = new AbortController()
    const early: Bytes[] = []
    let down: { cause: unknown } | undefined
    const heard: LineEvents = {
      data(bytes) {
        if (of !== attempt) return
        if (line === undefined) early.push(Uint8Array.from(bytes))
        else events?.chunk(Uint8Array.from(bytes), clock.mono())
      },
      lost(cause) {
        down ??= { cause }
        void lost(of, cause)
      },
    }
    try {
      const opened = await way.open(heard, opening.signal)
      if (of !== attempt) {
        await opened.close()
        return
      }
      line = opened
      if (paused) line.pause?.(true)
      state = 'open'
      since = clock.mono()
      told = undefined
      events?.back(undefined, opened.serial)
      for (const bytes of early) events?.chunk(bytes, clock.mono())
      const { alive } = opened
      if (down !== undefined) await lost(of, down.cause)
      else if (alive !== undefined) later(lookMs, () => look(of, alive))
    } catch (cause) {
      if (of === attempt) retry(way.refusal(cause))
    }
  }

  /** Rejects, and gives the line up, when the bytes are not gone in time: what holds them would hold all others. */
  const leave = (from: Line, bytes: Uint8Array, of: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = after(way.writeMs(bytes.length), () => {
        const fault = new Fault('port.gone', `device takes no bytes: ${name}`)
        reject(fault)
        void lost(of, fault)
      })
      from.write(bytes).then(resolve, reject).finally(done)
    })

  return {
    name,
    state: () => state,
    pause(wanted) {
      paused = wanted
      line?.pause?.(wanted)
    },
    open(listener) {
      events = listener
      state = 'opening'
      void start()
    },
    async write(bytes) {
      if (line === undefined) throw new Fault('port.gone', `port is not open: ${name}`)
      try {
        await leave(line, bytes, attempt)
      } catch (cause) {
        throw isFault(cause) ? cause : new Fault('port.gone', `device went away: ${name}`, { cause })
      }
    },
    async close() {
      attempt++
      callOff()
      opening.abort()
      events = undefined
      state = 'closed'
      const old = line
      line = undefined
      await old?.close()
    },
  }
}
