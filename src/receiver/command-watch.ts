import type { Clock } from '../base/clock.ts'
import { unlessBusy } from './alerts-queue.ts'
import type { Commander } from './command-dispatch.ts'
import type { Outgoing } from './receipts.ts'
import type { Store } from './store.ts'

/** How often to look: one question to SQLite about its own counter. */
const lookMs = 250

/** What sending commands at once needs. */
export interface CommandWatching {
  store: Store
  commander: Pick<Commander, 'atOnce'>
  /** Publishes what goes down. */
  send(out: readonly Outgoing[]): void
  clock: Clock
  /** Gets what is no fault of a command: what the database throws, and bugs. */
  fail: (error: unknown) => void
  everyMs?: number
}

/** Sends commands until it is stopped. */
export interface CommandWatch {
  stop(): void
}

/** Looks whether another process has stored a command, and sends it at once where its gateway's session is fresh. */
export function watchCommands(watching: CommandWatching): CommandWatch {
  const { store, commander, send, clock, fail, everyMs = lookMs } = watching
  let seen: unknown

  const look = (): void => {
    try {
      // it moves when another connection commits, and costs no look into a table
      const version = store.db.pragma('data_version', { simple: true })
      if (version === seen) return
      const out = unlessBusy(() => commander.atOnce(clock.now()))
      if (out === undefined) return
      // where something was sent more may wait: only so many go at once
      seen = out.length > 0 ? undefined : version
      send(out)
    } catch (error) {
      fail(error)
    }
  }

  const timer = setInterval(look, everyMs).unref()
  return { stop: () => clearInterval(timer) }
}
