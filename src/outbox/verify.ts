import type { Forsaken } from './abandon.ts'
import type { Epoch } from './epochs.ts'
import { type Examined, examining, type ProblemKind } from './examine.ts'
import type { Outbox } from './outbox.ts'
import { type Receipt, solid } from './receipts.ts'
import { beginning, isOwned, stride } from './walk.ts'

/** At most this many problems are named one by one. */
const problemLimit = 10_000

/** A place of the chain that is not as it was written. */
export interface Problem {
  epoch: string
  /** 0 for the epoch's own record. */
  seq: number
  problem: ProblemKind
  /** Whether a signed `lost` already told the server. */
  declared: boolean
}

/** What walking the whole chain on disk found. */
export interface VerifyReport {
  epochs: number
  /** Rows that were on disk when the walk reached them, declared losses apart. */
  rows: number
  problems: Problem[]
  /** There are more problems than are named. */
  more: boolean
  /** Epochs of which rows were given up by an operator's order, which is yet to be proven; left out where there is none. */
  abandoned?: Forsaken[]
}

/** Whether a stored receipt is one that the epoch's server signed. */
export type Proves = (epoch: Epoch, receipt: Receipt) => boolean

type Found = Omit<Problem, 'epoch'>
type Range = [first: number, last: number]

/** The parts of a range that no receipt speaks for. */
const uncovered = (range: Range, receipts: Receipt[]): Range[] =>
  receipts.flatMap(solid).reduce<Range[]>(
    (left, [from, to]) =>
      left.flatMap(([first, last]): Range[] => {
        const parts: Range[] = [
          [first, Math.min(last, from - 1)],
          [Math.max(first, to + 1), last],
        ]
        return parts.filter(([a, b]) => a <= b)
      }),
    [range],
  )

/** Places that are said to be forgotten and that no receipt speaks for, and those that were declared lost. */
function* vanished(outbox: Outbox, epoch: Epoch, isProven: Proves): Generator<Found> {
  const receipts = outbox.receipts.of(epoch.id).filter(one => isProven(epoch, one))
  for (const { first, last, why } of outbox.gone.of(epoch.id)) {
    const declared = why !== 'forgotten'
    const problem = declared ? why : 'missing'
    for (const [from, to] of declared ? [[first, last] as const] : uncovered([first, last], receipts)) {
      for (let seq = from; seq <= to; seq++) yield { seq, problem, declared }
    }
  }
}

/** Rows that stand beyond the end of their epoch. */
function* strays(outbox: Outbox, { id, base, seq }: Epoch): Generator<Found> {
  const limit = outbox.epochs.after(id)?.base ?? Number.MAX_SAFE_INTEGER
  const rows = outbox.db
    .prepare<[number, number], { id: number }>(
      'SELECT id FROM row WHERE id > ? AND id <= ? ORDER BY id LIMIT 1000',
    )
    .all(base + seq, limit)
  for (const row of rows) yield { seq: row.id - base, problem: 'misplaced', declared: false }
}

/** The problems of an examination, in order of what was found and where. */
function* broken({ findings, holes, end }: Examined): Generator<Found> {
  for (const { seq, problem } of findings) yield { seq, problem, declared: false }
  const named = new Set(findings.map(({ seq }) => seq))
  for (const { first, last } of holes) {
    for (let seq = first; seq <= last; seq++) {
      if (!named.has(seq)) yield { seq, problem: 'missing', declared: false }
    }
  }
  if (end !== undefined) yield { seq: 0, problem: 'altered', declared: false }
}

/** Walks the rows of an epoch, and examines it where it stumbles. */
function* walk(
  outbox: Outbox,
  id: number,
  limit: number,
): Generator<undefined, { rows: number; found: Iterable<Found> }> {
  const look = (): Epoch => outbox.epochs.get(id)!
  let mark = beginning(look())
  let rows = 0
  for (;;) {
    const epoch = look()
    const on = isOwned(outbox.chain, epoch) ? stride(outbox, epoch, mark, limit) : undefined
    if (on === undefined) {
      const examined = yield* examining(outbox, look, limit)
      return { rows: examined.rows, found: broken(examined) }
    }
    rows += on.rows
    if (on.done) return { rows, found: [] }
    mark = on.mark
    yield
  }
}

/**
 * Walks the whole chain on disk and names each place that is not as it was written. Changes nothing. It does
 * so in turns of about `limit` rows, between which the outbox may change: the report speaks of every place
 * as it was in the turn that reached it. A receipt that is not proven speaks for nothing.
 */
export function* verifying(
  outbox: Outbox,
  limit: number,
  isProven: Proves = () => true,
): Generator<undefined, VerifyReport> {
  const { epochs } = outbox
  const report: VerifyReport = { epochs: 0, rows: 0, problems: [], more: false }
  const add = (epoch: string, found: Iterable<Found>): void => {
    for (const one of found) {
      report.more ||= report.problems.length >= problemLimit
      if (report.more) return
      report.problems.push({ epoch, ...one })
    }
  }
  for (let next = epochs.after(0); next !== undefined; next = epochs.after(next.id)) {
    const forsaken = outbox.abandonments.of(next.id)
    if (forsaken !== undefined) {
      report.abandoned = [...(report.abandoned ?? []), forsaken]
      report.epochs += 1
      yield
      continue
    }
    const { rows, found } = yield* walk(outbox, next.id, limit)
    const epoch = epochs.get(next.id)!
    add(epoch.epoch, found)
    add(epoch.epoch, vanished(outbox, epoch, isProven))
    add(epoch.epoch, strays(outbox, epoch))
    report.rows += rows
    report.epochs += 1
    yield
  }
  return report
}
