import type { Bytes } from '../base/bytes.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { type VerifyReport, verifying } from '../outbox/verify.ts'
import type { HelloMembers, Row } from '../uplink/custodian.ts'
import type { Draft } from '../wire/chained.ts'
import type { Sealed } from '../wire/message.ts'
import { abandonmentOf } from './custody-abandon.ts'
import { intakeOf } from './custody-intake.ts'
import { intentKeeperOf } from './custody-intents.ts'
import { journalOf, type Memory } from './custody-journal.ts'
import type { Calls, CustodySettings, OutboxStats, Place, Prompt, Room } from './custody-messages.ts'
import { provenUnder } from './custody-proofs.ts'
import { settlerOf } from './custody-settle.ts'

/** Epochs that one hello lists (WIRE 1.5). */
const helloEpochs = 64

/** Rows that one turn of a verification looks at: what is taken meanwhile waits no longer than for these. */
const verifyRows = 250

/** Does in one thread what the requests to custody ask for. */
export interface Holder {
  /**
   * The answer to a request. What it wrote is taken back with a fault, but where the disk failed: then the whole
   * transaction has to be.
   */
  answer(request: Prompt): unknown
  /** The request in small steps, each a transaction, for a disk that is full; see `Settler`. */
  steps(request: Prompt): Generator<() => number>
  /** Goes on with the check of the start over about so many rows; true when all were looked at. */
  check(rows: number): boolean
  /** Stores the receipts that are not stored yet; in a transaction. */
  prove(): void
  /** Goes on deleting what was given up; true when there is no more to do. */
  sweep(): boolean
  /** Walks the whole chain on disk in turns, between which requests may be answered. */
  verify(receiptKeys: readonly Bytes[] | undefined): Generator<undefined, VerifyReport>
  /** Counts a transaction that took statements, after it is on disk; false where it took none. */
  committed(before: Memory): boolean
  mark(): Memory
  restore(memory: Memory): void
}

/** Custody over this outbox, with the keys of these settings; `repaired` where the outbox was salvaged. */
export function holderOf(outbox: Outbox, settings: CustodySettings, repaired: boolean): Holder {
  const { server } = settings
  let room: Room = { intakeBytes: settings.intakeBytes, quotaBytes: settings.quotaBytes }
  const { epochs } = outbox
  const journal = journalOf(outbox, settings, repaired)
  const settler = settlerOf(outbox, settings, journal)
  const { losses } = journal
  const intents = intentKeeperOf(outbox, journal)
  const abandonment = abandonmentOf(outbox, settings, journal)
  const intake = intakeOf(outbox, () => room, journal, settler.prove)

  const take = (draft: Calls['take']['argument']): Place => {
    journal.memory.moment = draft.time
    const place =
      draft.type === 'result' ? intents.end(draft) : journal.write(draft.type, draft.time, draft.members)
    intake.watch(draft.time)
    return place
  }

  /** Whether taking it means one more row and nothing else: that needs no savepoint of its own. */
  const isAppended = ({ type }: Draft): boolean => type !== 'result' && journal.isOpen()

  /** What comes for every reading; all else finds the receipts stored. */
  const isCommon = ({ name }: Prompt): boolean =>
    name === 'take' || name === 'receipt' || name === 'due' || name === 'stats'

  const hello = (members: HelloMembers): Sealed => {
    const { memory } = journal
    memory.moment = members.clock
    journal.declare(members.clock)
    let held = epochs.held(server, memory.listed, helloEpochs)
    if (held.length === 0) held = epochs.held(server, 0, helloEpochs)
    memory.listed = held.length < helloEpochs ? 0 : held.at(-1)!.id
    const list = held.map(({ epoch, seq, head }) => ({ epoch, seq, head }))
    return journal.seal('hello', { ...members, epochs: list, token: outbox.token() })
  }

  const ready = ({ welcome: { token, serverNonce }, seen }: Calls['ready']['argument']): Sealed => {
    outbox.raiseToken(token)
    return journal.seal('ready', { serverNonce, token, seen })
  }

  const due = ({ afterId, limit }: Calls['due']['argument']): Row[] => {
    const rows = outbox.due(server, Math.max(afterId, abandonment.floor()), limit)
    const sound = rows.filter(row => outbox.chain.next(row.prev, row.envelope) === row.head)
    if (sound.length < rows.length) {
      // A row that its own head no longer proves is not sent as it is: it is mended, or declared lost
      const broken = new Set(rows.filter(row => !sound.includes(row)).map(row => row.epoch))
      for (const epoch of broken) journal.lose(losses.examine(epochs.named(epoch)!))
      if (journal.memory.moment !== undefined) journal.declare(journal.memory.moment)
    }
    return sound.map(({ id, epoch, seq, envelope }) => ({ id, parcel: { epoch, seq, envelope } }))
  }

  const stats = (): OutboxStats => {
    const since = { ...journal.memory.since }
    return { ...outbox.holding(), ...room, intake: intake.facts(), since }
  }

  const work = (request: Prompt): unknown => {
    switch (request.name) {
      case 'take':
        return take(request.argument)
      case 'hello':
        return hello(request.argument)
      case 'ready':
        return ready(request.argument)
      case 'due':
        return due(request.argument)
      case 'welcome':
        return settler.welcome(request.argument)
      case 'receipt':
        return settler.receipt(request.argument)
      case 'begin':
        return intents.begin(request.argument)
      case 'leftOver':
        return intents.leftOver(request.argument.time)
      case 'abandon':
        return abandonment.answer(request.argument)
      case 'sealTo':
        return journal.sealTo(request.argument.serverBox)
      case 'resize':
        room = request.argument
        return outbox.resize(room)
      case 'stats':
        return stats()
    }
  }

  return {
    answer: request => {
      if (request.name === 'take') intake.admit(request.argument)
      // it is refused before anything is written, or the disk failed and all of the transaction goes with it
      if (request.name === 'take' && outbox.db.inTransaction && isAppended(request.argument)) {
        return take(request.argument)
      }
      const before = journal.mark()
      try {
        return outbox.commit(() => {
          if (!isCommon(request)) settler.prove()
          return work(request)
        })
      } catch (error) {
        journal.restore(before)
        throw error
      }
    },
    *steps(request) {
      if (request.name === 'receipt' || request.name === 'welcome') yield* settler.steps(request.argument)
    },
    check: rows => {
      const found = losses.check(rows)
      journal.lose(found.losses)
      return found.done
    },
    prove: settler.prove,
    sweep: abandonment.sweep,
    verify: keys => verifying(outbox, verifyRows, keys && provenUnder(outbox, settings.gateway, keys)),
    committed: before => {
      const { since } = journal.memory
      if (since.taken === before.since.taken) return false
      since.commits += 1
      return true
    },
    mark: journal.mark,
    restore: journal.restore,
  }
}
