import { codeOf } from '../base/fault.ts'
import { type ChannelName, channelNames, type QueuedAlert } from './alerts.ts'
import type { Store } from './store.ts'

/** Pauses between two tries of one alert: from the first, doubled each time, to the most. */
const backOff = { firstMs: 5000, mostMs: 900_000 }
/** A try is given up for lost after so long (its process was ended): longer than any try may take. */
const leaseMs = 45_000
/** After so long what did not arrive is kept as undelivered. */
export const giveUpMs = 7 * 86_400_000
/** How long rows are kept after they arrived, or were given up; and how many of them at most. */
const kept = { deliveredMs: 30 * 86_400_000, undeliveredMs: 365 * 86_400_000, rows: 10_000 }
/** Rows that are deleted in one transaction. */
const pruneLimit = 1000

/**
 * Takes the alert of a channel that is due; the try is on disk before it begins. What was never tried comes
 * first. Undefined if there is none.
 */
export function takeDue(store: Store, channel: ChannelName, now: number): QueuedAlert | undefined {
  // a `next` further ahead than any pause was written before the clock was set back
  const due = "channel = ? AND state = 'waiting' AND (next <= ? OR next > ?)"
  const cells = [channel, now, now + backOff.mostMs] as const
  if (store.get(`SELECT 1 FROM alerts WHERE ${due} LIMIT 1`, ...cells) === undefined) return undefined
  return store.write(() =>
    store.get<QueuedAlert>(
      `UPDATE alerts SET attempts = attempts + 1, next = ?
       WHERE id = (SELECT id FROM alerts WHERE ${due} ORDER BY attempts > 0, next, id LIMIT 1) RETURNING *`,
      now + leaseMs,
      ...cells,
    ),
  )
}

/** Notes that an alert arrived. */
export function markDelivered(store: Store, { id }: QueuedAlert, now: number): void {
  store.write(() =>
    store.run("UPDATE alerts SET state = 'delivered', settled = ?, why = NULL WHERE id = ?", now, id),
  )
}

/** Notes why an alert did not arrive. True if it is given up with that: after a week, a test at once. */
export function markFailed(store: Store, one: QueuedAlert, why: string, now: number): boolean {
  const over = one.kind === 'test' || now - one.queued > giveUpMs
  const pause = Math.min(backOff.mostMs, backOff.firstMs * 2 ** Math.min(one.attempts - 1, 20))
  store.write(() =>
    store.run(
      'UPDATE alerts SET state = ?, settled = ?, next = ?, why = ? WHERE id = ?',
      over ? 'undelivered' : 'waiting',
      over ? now : null,
      now + pause,
      why,
      one.id,
    ),
  )
  return over
}

/** Makes what was tried before due at once: the channel works again, or its try was cut short by our own end. */
export function dueNow(store: Store, channel: ChannelName, now: number, id?: number): void {
  store.write(() =>
    store.run(
      `UPDATE alerts SET next = ? WHERE channel = ? AND state = 'waiting' AND attempts > 0 AND next > ?
         AND (? IS NULL OR id = ?)`,
      now,
      channel,
      now,
      id ?? null,
      id ?? null,
    ),
  )
}

const toName = (channel: ChannelName): string => `alerts to ${channel}`

/** Notes which channels this receiver tells through; what waits for another one is told through the first. */
export function openChannels(store: Store, to: readonly ChannelName[], now: number): void {
  store.write(() => {
    for (const channel of channelNames) {
      store.run('DELETE FROM facts WHERE name = ?', toName(channel))
      if (to.includes(channel)) {
        store.run('INSERT INTO facts (name, value) VALUES (?, ?)', toName(channel), now)
        continue
      }
      store.run(
        `UPDATE OR IGNORE alerts SET channel = ?, next = ? WHERE channel = ? AND state = 'waiting'`,
        to[0]!,
        now,
        channel,
      )
      // those that the other channel has as well were not moved: one of the two is enough
      store.run(
        `UPDATE alerts SET state = 'undelivered', settled = ?, why = 'the channel was taken away'
         WHERE channel = ? AND state = 'waiting'`,
        now,
        channel,
      )
    }
  })
}

/** Notes that nobody is told any more. */
export function closeChannels(store: Store): void {
  store.write(() => {
    for (const channel of channelNames) store.run('DELETE FROM facts WHERE name = ?', toName(channel))
  })
}

/** The channels of the receiver that runs. */
export const openChannelsOf = (store: Store): ChannelName[] =>
  channelNames.filter(one => store.get('SELECT 1 FROM facts WHERE name = ?', toName(one)) !== undefined)

/** Deletes old rows that are settled, a bounded number at a time; the newest undelivered stay longest. */
export function prune(store: Store, now: number): void {
  store.write(() =>
    store.run(
      `DELETE FROM alerts WHERE id IN (
         SELECT id FROM alerts WHERE (state = 'delivered' AND settled < ?) OR (state = 'undelivered' AND settled < ?)
           OR (state <> 'waiting' AND id <= (SELECT max(id) FROM alerts) - ?)
         ORDER BY id LIMIT ?)`,
      now - kept.deliveredMs,
      now - kept.undeliveredMs,
      kept.rows,
      pruneLimit,
    ),
  )
}

/** What `work` gives; undefined while another process holds the database: whoever asks does so again soon. */
export function unlessBusy<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (codeOf(error) !== 'SQLITE_BUSY') throw error
    return undefined
  }
}
