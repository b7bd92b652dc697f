import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { alertLine, downAfter, type QueuedAlert } from './alerts.ts'
import type { Channel } from './alerts-channel.ts'
import { dueNow, markDelivered, markFailed, takeDue, unlessBusy } from './alerts-queue.ts'
import type { Store } from './store.ts'

/** How often to look whether an alert is due. */
const lookMs = 1000
/** How often, and how many times, to try to note what became of a try while another process holds the database. */
const busy = { everyMs: 200, times: 10 }

/** What delivering needs. */
export interface Delivering {
  store: Store
  channel: Channel
  clock: Clock
  log: Log
  /** Gets what is no fault of a channel: what the database throws, and bugs. */
  fail: (error: unknown) => void
  everyMs?: number
}

/**
 * Tells what is due through one channel, one at a time, until stopped. Nothing waits for it but its own `stop`,
 * which cuts the running try short and leaves it due.
 */
export function startDelivery(delivering: Delivering): { stop(): Promise<void> } {
  const { store, channel, clock, fail, everyMs = lookMs } = delivering
  const log = delivering.log.child({ part: 'alerts' })
  const stopping = new AbortController()
  const { signal } = stopping
  let failures = 0

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const one = unlessBusy(() => takeDue(store, channel.name, clock.now()))
      if (one === undefined) await pause(everyMs)
      else await tell(one)
    }
  }

  async function tell(one: QueuedAlert): Promise<void> {
    const why = await channel.tell(alertLine(one), signal)
    if (why !== undefined && signal.aborted) {
      await note(() => dueNow(store, channel.name, clock.now(), one.id))
      return
    }
    const about = { id: one.alert, type: one.kind, attempt: one.attempts }
    if (why === undefined) {
      await note(() => markDelivered(store, one, clock.now()))
      log.info(about, 'alert delivered')
      if (failures >= downAfter) {
        log.info({ type: channel.name }, 'alerts arrive again')
        await note(() => dueNow(store, channel.name, clock.now()))
      }
      failures = 0
      return
    }
    failures++
    if (failures === downAfter) {
      log.error({ code: 'alert.undelivered', type: channel.name, reason: why }, 'nobody is told')
    }
    const over = await note(() => markFailed(store, one, why, clock.now()))
    if (over === true) log.error({ ...about, reason: why }, 'alert was not delivered, and is given up')
    else log.warn({ ...about, reason: why }, 'alert was not delivered, and is tried again')
  }

  /** Notes what became of a try. If it cannot be noted in time, the alert is told once more: never lost. */
  async function note<T>(work: () => T): Promise<T | undefined> {
    for (let time = 0; time < busy.times; time++) {
      const noted = unlessBusy(() => ({ gives: work() }))
      if (noted !== undefined) return noted.gives
      if (signal.aborted) break
      await pause(busy.everyMs)
    }
    log.warn({ reason: 'database is busy' }, 'result of an alert was not noted')
    return undefined
  }

  // rejects only when the signal ends it
  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal, ref: false }).catch(() => undefined)

  const done = run().catch(fail)
  return {
    stop: async () => {
      stopping.abort()
      await done
    },
  }
}
