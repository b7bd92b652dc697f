import { Fault } from '../base/fault.ts'
import type { Epoch } from '../outbox/epochs.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Answer } from '../outbox/receipts.ts'
import type { Settled } from '../uplink/custodian.ts'
import type { ReceiptBody, WelcomeBody } from '../wire/session.ts'
import type { Statement } from '../wire/statement.ts'
import type { Journal } from './custody-journal.ts'
import type { CustodySettings } from './custody-messages.ts'

/** A server's word, its signature verified by whoever hands it in. */
export interface Said<B> {
  body: B
  statement: Statement
}

/** Settles the outbox by what the server says (WIRE 7.5 to 7.8). */
export interface Settler {
  receipt(said: Said<ReceiptBody>): Settled
  welcome(said: Said<WelcomeBody>): Settled
  /** Stores the receipts that are not stored yet: before anything is forgotten, and before custody ends. */
  prove(): void
  /**
   * The same in small steps, for a disk that has no room for one large transaction: each step is one, true
   * by itself, and returns how many rows it changed; what is left is done by `receipt` or `welcome`.
   */
  steps(said: Said<ReceiptBody | WelcomeBody>): Generator<() => number>
}

/** Rows that one small step changes: with their pages it fits into the ballast even at the largest envelope. */
const stepRows = 50

/** Settling for the server of these settings; each call belongs into a transaction. */
export function settlerOf(outbox: Outbox, settings: CustodySettings, journal: Journal): Settler {
  const { gateway, server, graceMs } = settings
  const { abandonments, epochs, settling, receipts } = outbox
  const { losses, lose } = journal

  /** WIRE 7.6: an epoch of this route. */
  const ours = (name: string): Epoch | undefined => {
    const epoch = epochs.named(name)
    return epoch?.server === server ? epoch : undefined
  }

  const forUs = ({ iss, aud }: { iss: string; aud: string }): void => {
    if (iss === server && aud === gateway) return
    throw new Fault('receipt.refused', `statement of ${iss} for ${aud} settles nothing here`)
  }

  const isOurHead = (epoch: Epoch, { seq, head }: Answer): boolean =>
    settling.headsAt(epoch, seq).includes(head)

  /** A welcome speaks of many epochs; its statement is stored once, and only if it proves anything new. */
  const keepOnce = ({ type, body, signature }: Statement): (() => number) => {
    let id: number | undefined
    return () => {
      id ??= receipts.keep({ type, body, signature })
      return id
    }
  }

  const nothing = (): Settled => ({ receipted: 0, reopened: 0, forgotten: 0, upTo: [], refused: [] })

  const close = (settled: Settled): Settled => {
    const { since } = journal.memory
    since.receipted += settled.receipted
    since.reopened += settled.reopened
    since.forgotten += settled.forgotten
    for (const one of settled.upTo) one.seq = ours(one.epoch)!.settled
    return settled
  }

  /** One answer of a welcome; false if its head is not ours, and nothing was changed. */
  const settleAnswer = (answer: Answer, time: number, proof: () => number, settled: Settled): boolean => {
    const epoch = ours(answer.epoch)
    if (epoch === undefined) return false
    if (abandonments.isOver(epoch.id)) return true
    // Whoever holds nothing of an epoch need not know its key, which head(0) is made of: seq 0 asks for all of it
    const known = answer.seq === 0 || isOurHead(epoch, answer)
    // The head of a forgotten place is known no more: it can confirm nothing, but asks for what is above
    if (!known && !losses.isForgotten(epoch, answer.seq)) return false
    if (known && answer.seq > 0) {
      // Before confirming: what this welcome itself receipts, a later one forgets (DESIGN 7a.4)
      settled.forgotten += settling.forget(epoch, answer, time - graceMs)
      settled.receipted += settling.confirm(epochs.get(epoch.id)!, answer, time)
      receipts.add(epoch.id, answer, time, proof)
    }
    const reopened = settling.reopen(epoch, known ? answer : { ...answer, holes: [] }, true)
    settled.reopened += reopened
    lose(losses.regret(epoch, answer, known))
    // What is asked for again may have been damaged since it was receipted
    if (reopened > 0) lose(losses.examine(epochs.get(epoch.id)!))
    return known
  }

  function* steps({ body }: Said<ReceiptBody | WelcomeBody>): Generator<() => number> {
    if (body.iss !== server || body.aud !== gateway) return
    for (const answer of 'epochs' in body ? body.epochs : [body]) {
      const epoch = ours(answer.epoch)
      if (epoch === undefined || abandonments.isOver(epoch.id) || !isOurHead(epoch, answer)) continue
      if ('epochs' in body) {
        let forgotten = stepRows
        while (forgotten === stepRows) {
          yield () => {
            forgotten = settling.forget(epochs.get(epoch.id)!, answer, body.time - graceMs, stepRows)
            return forgotten
          }
        }
      }
      for (let seq = epoch.settled + stepRows; seq < answer.seq; seq += stepRows) {
        yield () => settling.confirm(epochs.get(epoch.id)!, { ...answer, seq }, body.time)
      }
    }
  }

  /**
   * Receipts that nothing was forgotten under yet, the last of each epoch: it says what those before it said, so they
   * need not be written one by one. Lost in a crash, the next welcome says it again.
   */
  const unproven = new Map<number, Said<ReceiptBody>>()

  const prove = (): void => {
    for (const [id, { body, statement }] of unproven) receipts.add(id, body, body.time, keepOnce(statement))
    unproven.clear()
  }

  const proveLater = (id: number, said: Said<ReceiptBody>): void => {
    const before = unproven.get(id)
    if (before !== undefined && before.body.seq >= said.body.seq) return
    // one with holes says less of some places than one before it
    if (said.body.holes.length > 0 || (before?.body.holes.length ?? 0) > 0) prove()
    unproven.set(id, said)
  }

  return {
    steps,
    prove,
    receipt: ({ body, statement }) => {
      forUs(body)
      const epoch = ours(body.epoch)
      if (epoch === undefined || !isOurHead(epoch, body)) {
        throw new Fault('receipt.refused', `receipt for ${body.epoch} ${body.seq} does not name our head`)
      }
      const settled = nothing()
      // the rows were given up since this was signed (WIRE 9.14)
      if (abandonments.isOver(epoch.id)) return close(settled)
      settled.receipted = settling.confirm(epoch, body, body.time)
      settled.reopened = settling.reopen(epoch, body, false)
      if (body.seq > 0) proveLater(epoch.id, { body, statement })
      settled.upTo.push({ epoch: body.epoch, seq: body.seq })
      return close(settled)
    },
    welcome: ({ body, statement }) => {
      forUs(body)
      const settled = nothing()
      const proof = keepOnce(statement)
      for (const answer of body.epochs) {
        const place = { epoch: answer.epoch, seq: answer.seq }
        if (settleAnswer(answer, body.time, proof, settled)) settled.upTo.push(place)
        else settled.refused.push(place)
      }
      const { moment } = journal.memory
      if (moment !== undefined) journal.declare(moment)
      return close(settled)
    },
  }
}
