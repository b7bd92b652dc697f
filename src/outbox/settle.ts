import type { Database } from 'better-sqlite3'
import { type Bytes, hex } from '../base/bytes.ts'
import type { Epoch, Epochs } from './epochs.ts'
import type { GoneRanges } from './gone.ts'
import { type Answer, covers, type Holes, type Receipts, solid } from './receipts.ts'

/** At most this many rows are forgotten in one transaction, so that none holds the disk for long. */
const forgetLimit = 20_000

/** What settling an epoch needs of the outbox. */
export interface Stores {
  db: Database
  epochs: Epochs
  gone: GoneRanges
  receipts: Receipts
}

/** Moves rows between their states, by what a verified server said. */
export interface Settling {
  /** The heads that the outbox itself stored for a seq of an epoch: none, one, or more where it is damaged. */
  headsAt(epoch: Epoch, seq: number): string[]
  /** Rows at or below the answer and outside its holes become receipted; how many did (WIRE 7.7). */
  confirm(epoch: Epoch, answer: Answer, time: number): number
  /** Receipted rows in the holes, and with `above` also those above the answer, are queued again. */
  reopen(epoch: Epoch, answer: Answer, above: boolean): number
  /** Forgets rows that were receipted at or before `until` and that the answer still confirms. */
  forget(epoch: Epoch, answer: Answer, until: number, limit?: number): number
  /** Finds the first queued row above `from` anew: what is settled ends just before it. */
  advance(epoch: Epoch, from: number): void
  /** Forgets the oldest receipted rows that a stored receipt covers, at most `limit` of them. */
  forgetOldest(limit: number): number
}

/** Settling over these stores; each call belongs into a transaction of the caller. */
export function settlingOf({ db, epochs, gone, receipts }: Stores): Settling {
  const ends = db.prepare<[number], { prev: Bytes; head: Bytes }>('SELECT prev, head FROM row WHERE id = ?')
  const mark = db.prepare(
    "UPDATE row SET state = 'receipted', receipted = ? WHERE id BETWEEN ? AND ? AND state = 'queued'",
  )
  const unmark = db.prepare(
    "UPDATE row SET state = 'queued', receipted = NULL WHERE id BETWEEN ? AND ? AND state = 'receipted'",
  )
  const firstQueued = db.prepare<[number, number], { seq: number }>(
    "SELECT seq FROM row WHERE id BETWEEN ? AND ? AND state = 'queued' ORDER BY id LIMIT 1",
  )
  const ripe = db.prepare<[number, number, number, number], { id: number; prev: Bytes; head: Bytes }>(
    `SELECT id, prev, head FROM row
     WHERE id BETWEEN ? AND ? AND state = 'receipted' AND receipted <= ? ORDER BY id LIMIT ?`,
  )
  const remove = db.prepare('DELETE FROM row WHERE id BETWEEN ? AND ?')
  const removeLost = db.prepare("DELETE FROM row WHERE id BETWEEN ? AND ? AND state = 'lost'")

  const advance = (epoch: Epoch, from: number): void => {
    const now = epochs.get(epoch.id)!
    const first = firstQueued.get(epoch.base + from + 1, epoch.base + now.seq)
    epochs.settle(epoch.id, first === undefined ? now.seq : first.seq - 1)
  }

  const headsAt = (epoch: Epoch, seq: number): string[] => {
    if (seq === 0) return [epoch.zero]
    const here = ends.get(epoch.base + seq)
    const next = ends.get(epoch.base + seq + 1)
    return [
      ...(here === undefined ? [] : [hex(here.head)]),
      ...(next === undefined || seq >= epoch.seq ? [] : [hex(next.prev)]),
      ...(seq === epoch.seq ? [epoch.head] : []),
      ...gone
        .of(epoch.id)
        .flatMap(one => [
          ...(one.last === seq ? [one.after] : []),
          ...(one.first - 1 === seq ? [one.before] : []),
        ]),
      ...receipts.of(epoch.id).flatMap(one => (one.seq === seq ? [one.head] : [])),
    ].filter((head, at, all) => all.indexOf(head) === at)
  }

  /** Deletes rows that are next to each other, and records the range that they were. */
  const drop = (epoch: Epoch, rows: { id: number; prev: Bytes; head: Bytes }[]): void => {
    let at = 0
    while (at < rows.length) {
      const first = rows[at]!
      while (at + 1 < rows.length && rows[at + 1]!.id === rows[at]!.id + 1) at++
      const last = rows[at]!
      remove.run(first.id, last.id)
      gone.add(epoch.id, {
        first: first.id - epoch.base,
        last: last.id - epoch.base,
        before: hex(first.prev),
        after: hex(last.head),
        why: 'forgotten',
      })
      at++
    }
    epochs.count(epoch.id, { receipted: -rows.length })
  }

  return {
    headsAt,
    advance,
    confirm: (epoch, { seq, holes }, time) => {
      let changed = 0
      for (const [from, to] of solid({ seq, holes })) {
        if (to <= epoch.settled) continue
        changed += mark.run(time, epoch.base + Math.max(from, epoch.settled + 1), epoch.base + to).changes
      }
      epochs.count(epoch.id, { queued: -changed, receipted: changed })
      if (changed > 0) advance(epoch, epoch.settled)
      return changed
    },
    reopen: (epoch, { seq, holes }, above) => {
      const ranges: Holes = above ? [...holes, [seq + 1, epoch.seq]] : holes
      let changed = 0
      for (const [from, to] of ranges) {
        if (from <= to) changed += unmark.run(epoch.base + from, epoch.base + Math.min(to, epoch.seq)).changes
      }
      epochs.count(epoch.id, { queued: changed, receipted: -changed })
      if (changed > 0) advance(epoch, 0)
      return changed
    },
    forget: (epoch, { seq, holes }, until, limit = forgetLimit) => {
      let left = limit
      for (const [from, to] of solid({ seq, holes })) {
        const rows = ripe.all(epoch.base + from, epoch.base + to, until, left)
        drop(epoch, rows)
        left -= rows.length
        if (left <= 0) break
      }
      // A row that was declared lost cannot be sent: once the server has passed its place, it has no use
      removeLost.run(epoch.base + 1, epoch.base + Math.min(seq, epoch.settled))
      return limit - left
    },
    forgetOldest: limit => {
      let left = limit
      for (const epoch of epochs.all().filter(one => one.receipted > 0)) {
        const stored = receipts.of(epoch.id)
        const rows = ripe
          .all(epoch.base + 1, epoch.base + epoch.seq, Number.MAX_SAFE_INTEGER, left)
          .filter(row => stored.some(one => covers(one, row.id - epoch.base)))
        drop(epoch, rows)
        left -= rows.length
        if (left <= 0) break
      }
      return limit - left
    },
  }
}
