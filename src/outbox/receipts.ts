import type { Database } from 'better-sqlite3'
import { z } from 'zod'
import { type Bytes, hex, unhex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'

/** Places that the server does not hold: [from, to], rising. */
export type Holes = [number, number][]

/** A signed statement as it is kept: opaque here, verified before it came. */
export interface Proof {
  type: string
  body: Bytes
  signature: Bytes
}

/** What a server says it holds of an epoch: all up to seq, the holes apart. */
export interface Answer {
  epoch: string
  seq: number
  head: string
  holes: Holes
}

/** A stored receipt of an epoch. */
export interface Receipt {
  id: number
  seq: number
  head: string
  holes: Holes
  /** The server's signed time. */
  time: number
  proof: number
}

const holesSchema = z.array(z.tuple([z.int(), z.int()]))

function readHoles(text: string): Holes {
  // nearly every receipt is without holes
  if (text === '[]') return []
  try {
    return holesSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new Fault('outbox.damaged', 'a stored receipt cannot be read', { cause })
  }
}

/** Whether a receipt says that the server holds this place. */
export const covers = ({ seq, holes }: Pick<Answer, 'seq' | 'holes'>, place: number): boolean =>
  place <= seq && !holes.some(([from, to]) => from <= place && place <= to)

/** The ranges of seq that an answer speaks for: between 1 and its own, the holes apart. */
export function solid({ seq, holes }: Pick<Answer, 'seq' | 'holes'>): [number, number][] {
  const ranges: [number, number][] = []
  let from = 1
  for (const [first, last] of holes.toSorted(([a], [b]) => a - b)) {
    if (first > from) ranges.push([from, Math.min(first - 1, seq)])
    from = Math.max(from, last + 1)
  }
  if (from <= seq) ranges.push([from, seq])
  return ranges.filter(([first, last]) => first <= last)
}

/** Whether `a` says of every place that `b` speaks for at least as much as `b`. */
const says = (a: Pick<Answer, 'seq' | 'holes'>, b: Pick<Answer, 'seq' | 'holes'>): boolean =>
  a.seq >= b.seq &&
  a.holes.every(
    ([from, to]) =>
      from > b.seq || b.holes.some(([first, last]) => first <= from && Math.min(to, b.seq) <= last),
  )

/** The receipts of an outbox: the proofs under which rows are forgotten. */
export interface Receipts {
  of(epochId: number): Receipt[]
  /** Keeps a receipt, and drops those that say nothing beyond it; returns without writing if it says nothing new. */
  add(epochId: number, answer: Answer, time: number, proof: () => number): void
  /** Stores a statement once; its id. */
  keep(proof: Proof): number
  /** The statement of a receipt. */
  proof(id: number): Proof | undefined
}

/** The receipts stored in this database. */
export function receiptsOf(db: Database): Receipts {
  const all = db.prepare<
    [number],
    { id: number; seq: number; head: Bytes; holes: string; time: number; proof: number }
  >('SELECT id, seq, head, holes, time, proof FROM receipt WHERE epoch = ? ORDER BY seq, id')
  const insert = db.prepare(
    'INSERT INTO receipt (epoch, seq, head, holes, time, proof) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const remove = db.prepare('DELETE FROM receipt WHERE id = ?')
  const sweep = db.prepare('DELETE FROM proof WHERE id = ? AND id NOT IN (SELECT proof FROM receipt)')
  const keep = db.prepare('INSERT INTO proof (type, body, signature) VALUES (?, ?, ?)')
  const proof = db.prepare<[number], Proof>('SELECT type, body, signature FROM proof WHERE id = ?')
  const of = (epochId: number): Receipt[] =>
    all.all(epochId).map(row => ({ ...row, head: hex(row.head), holes: readHoles(row.holes) }))
  return {
    of,
    add: (epochId, answer, time, proofId) => {
      const before = of(epochId)
      if (before.some(one => says(one, answer))) return
      const { seq, head, holes } = answer
      insert.run(epochId, seq, unhex(head), JSON.stringify(holes), time, proofId())
      for (const one of before.filter(old => says(answer, old))) {
        remove.run(one.id)
        sweep.run(one.proof)
      }
    },
    keep: ({ type, body, signature }) => Number(keep.run(type, body, signature).lastInsertRowid),
    proof: id => {
      const found = proof.get(id)
      if (found === undefined) return undefined
      return {
        type: found.type,
        body: Uint8Array.from(found.body),
        signature: Uint8Array.from(found.signature),
      }
    },
  }
}
