import { isFault } from '../base/fault.ts'
import type { OutboxReport, Status } from '../control/api.ts'
import type { OutboxStats } from './custody.ts'
import type { Link } from './link.ts'
import type { Former } from './links.ts'

/** A former route in the numbers that people look at, and all that its outbox tells; undefined where it is not open. */
export interface Drain {
  shown: Status['former'][number]
  stats: OutboxStats | undefined
}

/** The numbers of former routes as they are now; one that is being closed just now is left out. */
export async function drainsOf(formers: readonly Former[]): Promise<Drain[]> {
  const drains: Drain[] = []
  for (const one of formers) {
    const { server } = one
    if ('fault' in one) {
      const { code, message } = one.fault
      const none = { queued: null, receipted: null, bytes: null, broker: null, lastReceipt: null }
      drains.push({ shown: { server, state: 'off', ...none, fault: { code, message } }, stats: undefined })
      continue
    }
    try {
      const stats = await one.stats()
      const { state, broker, lastReceipt } = one.status()
      const trouble = one.trouble()
      const fault = trouble === undefined ? null : { code: trouble.code, message: trouble.message }
      const { queued, receipted, usedBytes: bytes } = stats
      drains.push({ shown: { server, state, broker, lastReceipt, queued, receipted, bytes, fault }, stats })
    } catch (error) {
      if (!isFault(error)) throw error // its custody has stopped: everything was sent, or the daemon is ending
    }
  }
  return drains
}

/** Walks every outbox on this box; the reports as one. */
export async function verifyAll(
  own: Pick<Link, 'verify'>,
  formers: readonly Former[],
): Promise<OutboxReport> {
  const reports = [await own.verify()]
  for (const one of formers) {
    if ('fault' in one) throw one.fault
    reports.push(await one.verify())
  }
  return {
    epochs: reports.reduce((sum, one) => sum + one.epochs, 0),
    rows: reports.reduce((sum, one) => sum + one.rows, 0),
    problems: reports.flatMap(one => one.problems),
    more: reports.some(one => one.more),
    abandoned: reports.flatMap(one => one.abandoned),
  }
}
