import type { Database } from 'better-sqlite3'
import { type Bytes, hex, unhex } from '../base/bytes.ts'

/** Rows of an epoch that are no longer to be sent, with the heads before the first and after the last. */
export interface Gone {
  first: number
  last: number
  before: string
  after: string
  /** Forgotten under a receipt; or declared lost, and why (WIRE 6.4). */
  why: 'forgotten' | 'missing' | 'altered'
}

type Stored = Omit<Gone, 'before' | 'after'> & { before: Bytes; after: Bytes }

const read = (stored: Stored): Gone => ({ ...stored, before: hex(stored.before), after: hex(stored.after) })

/** The ranges of an outbox that hold no row to send any more. */
export interface GoneRanges {
  /** Of one epoch, in order of seq. */
  of(epochId: number): Gone[]
  /** One more range; a forgotten one grows the forgotten one just before it. */
  add(epochId: number, range: Gone): void
}

/** The ranges stored in this database. */
export function goneOf(db: Database): GoneRanges {
  const all = db.prepare<[number], Stored>(
    'SELECT first, last, before, after, why FROM gone WHERE epoch = ? ORDER BY first',
  )
  const grow = db.prepare(
    "UPDATE gone SET last = ?, after = ? WHERE epoch = ? AND last = ? AND why = 'forgotten'",
  )
  const join = db.prepare<[number, number], Stored>(
    "DELETE FROM gone WHERE epoch = ? AND first = ? AND why = 'forgotten' RETURNING first, last, before, after, why",
  )
  const insert = db.prepare('INSERT INTO gone VALUES (?, ?, ?, ?, ?, ?)')
  return {
    of: epochId => all.all(epochId).map(read),
    add: (epochId, range) => {
      let { last, after } = range
      if (range.why === 'forgotten') {
        const right = join.get(epochId, last + 1)
        if (right !== undefined) {
          last = right.last
          after = hex(right.after)
        }
        if (grow.run(last, unhex(after), epochId, range.first - 1).changes > 0) return
      }
      insert.run(epochId, range.first, last, unhex(range.before), unhex(after), range.why)
    },
  }
}
