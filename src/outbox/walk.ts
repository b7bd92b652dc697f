import type { Database } from 'better-sqlite3'
import { type Bytes, hex } from '../base/bytes.ts'
import type { Chain, Epoch } from './epochs.ts'
import type { Gone, GoneRanges } from './gone.ts'

/** A row as the walk sees it; heads in hex, its place by its id. */
export interface WalkRow {
  id: number
  place: number
  epoch: number
  seq: number
  prev: string
  head: string
  envelope: Uint8Array
}

/** What walking needs of the outbox. */
export interface Walked {
  db: Database
  chain: Chain
  gone: GoneRanges
}

/** How far a walk came: every place up to seq is as it was written. */
export interface Mark {
  seq: number
  /** The head there. */
  head: string
}

type Stored = { id: number; epoch: number; seq: number; prev: Bytes; head: Bytes; envelope: Bytes }

/** The rows of an epoch in order of place, declared losses apart, at most `limit`, read one by one. */
export function* rowsOf(
  { db }: Walked,
  { base, seq }: Pick<Epoch, 'base' | 'seq'>,
  after: number,
  limit: number,
): Generator<WalkRow> {
  const rows = db.prepare<[number, number, number], Stored>(
    `SELECT id, epoch, seq, prev, head, envelope FROM row
     WHERE id > ? AND id <= ? AND state <> 'lost' ORDER BY id LIMIT ?`,
  )
  for (const row of rows.iterate(base + after, base + seq, limit)) {
    yield { ...row, place: row.id - base, prev: hex(row.prev), head: hex(row.head) }
  }
}

/** Whether a row says of itself that it belongs where it stands. */
export const isAtHome = (epoch: Epoch, row: Omit<WalkRow, 'envelope'>): boolean =>
  row.epoch === epoch.id && row.seq === row.place

/** Whether a row's envelope leads from the head before it to its own. */
export const isProven = (chain: Chain, row: WalkRow): boolean =>
  chain.next(row.prev, row.envelope) === row.head

/** Goes on over the gone ranges that begin just after the mark; undefined where one does not fit. */
function pass(ranges: Map<number, Gone>, mark: Mark): Mark | undefined {
  let { seq, head } = mark
  for (let range = ranges.get(seq + 1); range !== undefined; range = ranges.get(seq + 1)) {
    if (range.before !== head) return undefined
    seq = range.last
    head = range.after
  }
  return { seq, head }
}

/** Where a walk goes on: what it has passed may be forgotten since, in one range with places beyond it. */
function rejoin(ranges: Gone[], mark: Mark): Mark {
  const over = ranges.find(({ first, last }) => first <= mark.seq && last > mark.seq)
  return over === undefined ? mark : { seq: over.last, head: over.after }
}

/** Where the walk of an epoch begins. */
export const beginning = (epoch: Epoch): Mark => ({ seq: 0, head: epoch.zero })

/** Whether head(0) is that of this epoch's owner (a row moved from another box is not). */
export const isOwned = (chain: Chain, { epoch, server, kid, zero }: Epoch): boolean =>
  chain.zero(epoch, server, kid) === zero

/**
 * Walks on from a mark over at most `limit` rows; the outbox may have changed since. The new mark and whether the epoch's end was reached, or
 * undefined where something is not as it was written: then `examine` tells what.
 */
export function stride(
  walked: Walked,
  epoch: Epoch,
  from: Mark,
  limit: number,
): { mark: Mark; rows: number; done: boolean } | undefined {
  const gone = walked.gone.of(epoch.id)
  const ranges = new Map(gone.map(range => [range.first, range]))
  let mark = pass(ranges, rejoin(gone, from))
  let rows = 0
  for (const row of rowsOf(walked, epoch, from.seq, limit)) {
    if (mark === undefined || row.place !== mark.seq + 1 || row.prev !== mark.head) return undefined
    if (!isAtHome(epoch, row) || !isProven(walked.chain, row)) return undefined
    mark = pass(ranges, { seq: row.place, head: row.head })
    rows += 1
  }
  if (mark === undefined) return undefined
  if (rows === limit && mark.seq < epoch.seq) return { mark, rows, done: false }
  return mark.seq === epoch.seq && mark.head === epoch.head ? { mark, rows, done: true } : undefined
}
