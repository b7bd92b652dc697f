import type { Clock } from '../base/clock.ts'
import { isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { After } from '../transport/port.ts'
import type { Act, Acts, Ended } from './commands.ts'
import { pause } from './commands-wait.ts'
import type { OutboxStats, Place } from './custody.ts'
import type { Moments } from './moment.ts'
import type { Stations } from './stations.ts'

/** What the acts of commands reach for. */
export interface ActsParts {
  clock: Clock
  moments: Moments
  after: After
  log: Log
  software: string
  startedMono: number
  stations: Pick<Stations, 'states' | 'signal'>
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
/** Three signals, a second apart, are seen by somebody who looks for the box. */
const signals = { count: 3, everyMs: 1000 }

const done = (detail: Ended['detail'] = {}): Ended => ({ outcome: 'done', detail })

/** What this gateway does at the word of its server (WIRE 7.12). */
export function actsOf(parts: ActsParts): Acts {
  const { clock, moments, after, log, stations } = parts

  const ping: Act = {
    act: async () => done({ 'uptime-ms': clock.mono() - parts.startedMono }),
  }

  const status: Act = {
    async act() {
      const { queued, receipted, oldest } = await parts.stats()
      const devices = stations.states()
      const { wall, source } = moments.at()
      return done({
        software: parts.software,
        devices: devices.length,
        'devices-open': devices.filter(one => one.state === 'open').length,
        queued,
        receipted,
        // a clock that was set back must not tell an age below nothing
        'oldest-age-ms': oldest === null ? 0 : Math.max(0, wall - oldest),
        'clock-source': source,
      })
    },
  }

  const identify: Act = {
    async act(intent, end) {
      log.info({ intent }, 'identify')
      let devices = 0
      for (let time = 0; time < signals.count; time++) {
        if (time > 0 && !(await pause(after, signals.everyMs, end))) break
        devices = stations.signal('attributed')
        if (devices === 0) break
      }
      return done({ devices })
    },
  }

  const restart: Act = {
    act: async () => done(),
    follow: async () => parts.leave(false),
  }

  /** Waits until nothing is queued; how many rows still are when the time is over. */
  const drained = async (withinMs: number, end: AbortSignal): Promise<number> => {
    const until = clock.mono() + withinMs
    for (;;) {
      const { queued } = await parts.stats()
      if (queued === 0 || clock.mono() >= until) return queued
      if (!(await pause(after, lookMs, end))) return queued
    }
  }

  const wipe: Act = {
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

  return { ping, status, identify, restart, wipe }
}
