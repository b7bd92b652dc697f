import type { Epoch } from './epochs.ts'
import { examine, type ProblemKind } from './examine.ts'
import type { Outbox } from './outbox.ts'
import { covers } from './receipts.ts'
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
  /** Rows on disk, declared losses apart. */
  rows: number
  problems: Problem[]
  /** There are more problems than are named. */
  more: boolean
}

/** Ranges that are said to be forgotten, or were declared lost: [seq, problem, declared]. */
function* vanished(outbox: Outbox, epoch: Epoch): Generator<Omit<Problem, 'epoch'>> {
  const receipts = outbox.receipts.of(epoch.id)
  for (const { first, last, why } of outbox.gone.of(epoch.id)) {
    // One receipt over all of it is the usual case; only else is each place looked at
    const covered = receipts.some(
      one => one.seq >= last && one.holes.every(([from, to]) => to < first || from > last),
    )
    if (why === 'forgotten' && covered) continue
    for (let seq = first; seq <= last; seq++) {
      if (why !== 'forgotten') yield { seq, problem: why, declared: true }
      else if (!receipts.some(one => covers(one, seq))) yield { seq, problem: 'missing', declared: false }
    }
  }
}

/** What is on disk and not as it was written. */
function* broken(outbox: Outbox, epoch: Epoch): Generator<Omit<Problem, 'epoch'>> {
  const { findings, holes, end } = examine(outbox, epoch)
  for (const { seq, problem } of findings) yield { seq, problem, declared: false }
  const named = new Set(findings.map(({ seq }) => seq))
  for (const { first, last } of holes) {
    for (let seq = first; seq <= last; seq++) {
      if (!named.has(seq)) yield { seq, problem: 'missing', declared: false }
    }
  }
  if (end !== undefined) yield { seq: 0, problem: 'altered', declared: false }
}

/** Rows that stand beyond the end of their epoch. */
function strays(outbox: Outbox, { base, seq }: Epoch, limit: number): Omit<Problem, 'epoch'>[] {
  return outbox.db
    .prepare<[number, number], { id: number }>(
      'SELECT id FROM row WHERE id > ? AND id <= ? ORDER BY id LIMIT 1000',
    )
    .all(base + seq, limit)
    .map(({ id }) => ({ seq: id - base, problem: 'misplaced', declared: false }))
}

/** Walks the whole chain on disk and names each place that is not as it was written. Changes nothing. */
export function verifyOutbox(outbox: Outbox): VerifyReport {
  const epochs = outbox.epochs.all()
  const problems: Problem[] = []
  let more = false
  const add = (epoch: Epoch, found: Iterable<Omit<Problem, 'epoch'>>): void => {
    for (const one of found) {
      more = problems.length >= problemLimit
      if (more) return
      problems.push({ epoch: epoch.epoch, ...one })
    }
  }
  for (const [at, epoch] of epochs.entries()) {
    const walk = stride(outbox, epoch, beginning(epoch), Number.MAX_SAFE_INTEGER)
    if (walk === undefined || !isOwned(outbox.chain, epoch)) add(epoch, broken(outbox, epoch))
    add(epoch, vanished(outbox, epoch))
    add(epoch, strays(outbox, epoch, epochs[at + 1]?.base ?? Number.MAX_SAFE_INTEGER))
  }
  const { rows } = outbox.db
    .prepare<[], { rows: number }>("SELECT count(*) AS rows FROM row WHERE state <> 'lost'")
    .get()!
  return { epochs: epochs.length, rows, problems, more }
}
