import type { Epoch } from '../outbox/epochs.ts'
import { examine } from '../outbox/examine.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { type Answer, covers } from '../outbox/receipts.ts'
import { giveUp, mend } from '../outbox/repair.ts'
import { beginning, type Mark, stride } from '../outbox/walk.ts'

/** Rows that can be sent no more, as a `lost` event tells it (WIRE 6.4). */
export interface Loss {
  epoch: string
  from: number
  to: number
  before: string
  after: string
  why: 'missing' | 'altered'
  /** They were forgotten under a receipt, and a restored server asks for them. */
  forgotten: boolean
}

/** Finds what can be sent no more, mends what can be mended, and remembers what was declared. */
export interface Losses {
  /** Goes on with the check of the start over about so many rows, newest epoch first. */
  check(rows: number): { done: boolean; losses: Loss[] }
  /** Examines an epoch at once, mends what can be mended, and tells what is lost and not declared. */
  examine(epoch: Epoch): Loss[]
  /** Records that a loss was declared. */
  settle(loss: Loss): void
  /** Whether the row at this place was forgotten. */
  isForgotten(epoch: Epoch, seq: number): boolean
  /** Forgotten rows that a server's answer shows it lacks, and that were not declared yet (DESIGN 7a.4). */
  regret(epoch: Epoch, answer: Answer, known: boolean): Loss[]
}

/** The losses of this outbox, in the epochs of this server. */
export function lossesOf(outbox: Outbox, server: string): Losses {
  const { epochs, gone, receipts } = outbox
  const queue = epochs.all().filter(epoch => epoch.server === server && epoch.queued + epoch.receipted > 0)
  let mark: Mark | undefined

  const find = (epoch: Epoch): Loss[] => {
    const examined = examine(outbox, epoch)
    outbox.commit(() => mend(outbox, epoch, examined))
    const stored = receipts.of(epoch.id)
    const held = (first: number, last: number): boolean =>
      stored.some(one => covers(one, last) && one.holes.every(([from, to]) => to < first || from > last))
    return examined.holes
      .filter(({ first, last }) => !held(first, last))
      .map(({ first: from, last: to, before, after, why }) => ({
        epoch: epoch.epoch,
        from,
        to,
        before,
        after,
        why,
        forgotten: false,
      }))
  }

  return {
    check: rows => {
      const losses: Loss[] = []
      let left = rows
      while (queue.length > 0 && left > 0) {
        const epoch = epochs.get(queue.at(-1)!.id)!
        mark ??= beginning(epoch)
        const walk = stride(outbox, epoch, mark, left)
        if (walk === undefined) losses.push(...find(epoch))
        left -= walk?.rows ?? rows
        mark = walk?.mark
        if (walk === undefined || walk.done) {
          queue.pop()
          mark = undefined
        }
      }
      return { done: queue.length === 0, losses }
    },
    examine: find,
    settle: ({ epoch: name, from: first, to: last, before, after, why, forgotten }) => {
      const epoch = epochs.named(name)!
      if (forgotten) epochs.regret(epoch.id, last)
      else giveUp(outbox, epoch, { first, last, before, after, why })
    },
    isForgotten: (epoch, seq) =>
      gone.of(epoch.id).some(one => one.why === 'forgotten' && one.first <= seq && seq <= one.last),
    regret: (epoch, { seq, head }, known) =>
      gone
        .of(epoch.id)
        .filter(({ why, last }) => why === 'forgotten' && last > seq && last > epoch.regretted)
        .map(({ first, last, before, after }) => {
          const part = known && first <= seq
          return {
            epoch: epoch.epoch,
            from: part ? seq + 1 : first,
            to: last,
            before: part ? head : before,
            after,
            why: 'missing',
            forgotten: true,
          }
        }),
  }
}
