import type { Clock } from '../base/clock.ts'
import { isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { After } from '../transport/port.ts'
import { type Act, done } from './commands.ts'
import { pause } from './commands-wait.ts'
import type { OutboxStats, Place } from './custody.ts'

/** What a wipe reaches for. */
export interface WipeParts {
  clock: Clock
  after: After
  log: Log
  stats(): Promise<OutboxStats>
  /** Resolves when the server's receipt covers the place. */
  receipted(place: Pick<Place, 'epoch' | 'seq'>, end: AbortSignal): Promise<void>
  /** No statement but results is taken while it is shut. */
  gate: { shut(): void; open(): void }
  /** Ends the daemon as a signal does; `wipe` destroys what is in its folder once everything is closed. */
  leave(wipe: boolean): void
  /** How long a wipe waits for what is queued, milliseconds: with the intake open, then with it shut. */
  drainMs: { open: number; shut: number }
}

/** How long a wipe may wait for its server. */
export const usualDrain = { open: 600_000, shut: 60_000 }

const lookMs = 200

/** Destroys what this box knows, once its server has everything. */
export function wipeAct(parts: WipeParts): Act<'wipe'> {
  const { clock, after, log } = parts

  /** Waits until nothing is queued; how many rows still are when the time is over. */
  const drained = async (withinMs: number, end: AbortSignal): Promise<number> => {
    const until = clock.mono() + withinMs
    for (;;) {
      const { queued } = await parts.stats()
      if (queued === 0 || clock.mono() >= until) return queued
      if (!(await pause(after, lookMs, end))) return queued
    }
  }

  return {
    async act(_intent, end) {
      let queued = await drained(parts.drainMs.open, end)
      if (queued > 0) return { outcome: 'failed', detail: { queued } }
      // what is measured from here on is refused visibly: it could not be kept
      parts.gate.shut()
      queued = await drained(parts.drainMs.shut, end)
      if (queued === 0) return done()
      parts.gate.open()
      return { outcome: 'failed', detail: { queued } }
    },
    async follow({ waits, ...place }, end) {
      parts.gate.shut()
      try {
        // as long as it takes: the box holds nothing else any more, and the server is told it is done
        if (waits) await parts.receipted(place, end)
      } catch (error) {
        if (end.aborted || isFault(error)) return
        throw error
      }
      log.warn('wiping: keys and rows are destroyed')
      parts.leave(true)
    },
  }
}
