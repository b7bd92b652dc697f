import { z } from 'zod'
import { type Bytes, hex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Epoch } from '../outbox/epochs.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { envelopeHash, headAfter, headZero, makeEpoch } from '../wire/chain.ts'
import type { ChainedType, Draft, EpochOpenBody } from '../wire/chained.ts'
import { boxPublic, signingKey } from '../wire/keys.ts'
import { type Sealed, type SealedType, signAndSeal } from '../wire/message.ts'
import { type Loss, type Losses, lossesOf } from './custody-losses.ts'
import type { CustodySettings, OutboxStats, Place } from './custody-messages.ts'

type Moment = Draft['time']

/** What custody remembers beside the database: goes back together with a transaction that fails. */
export interface Memory {
  /** The epoch of this start; 0 until its first statement. */
  current: number
  /** Where the next hello goes on when the last could not list every epoch; an epoch's id. */
  listed: number
  /** The gateway's own time, as last told. */
  moment: Moment | undefined
  /** Losses that no `lost` event has declared yet. */
  losses: readonly Loss[]
  since: OutboxStats['since']
  /** Whether the intake is nearly full, since when it refuses (wall), and when that was last told (steady). */
  intake: { near: boolean; refusingSince: number | null; toldMono: number | undefined }
}

/** Signs what the gateway says, and chains what must be kept. Each call belongs into a transaction. */
export interface Journal {
  /** Signs and seals what is not chained. */
  seal(type: SealedType, members: object): Sealed
  /** What is sealed from now on is sealed to this box key of the server. */
  sealTo(serverBox: Bytes): void
  /** Declares what is lost, opens the epoch of this start if it is not open yet, and appends a statement. */
  write(type: ChainedType, time: Moment, members: object): Place
  /** Declares losses if any are known. */
  declare(time: Moment): void
  /** Notes losses, each once. */
  lose(losses: readonly Loss[]): void
  losses: Losses
  readonly memory: Memory
  /** Whether the next statement is appended and no more: nothing is to be declared or opened before it. */
  isOpen(): boolean
  mark(): Memory
  restore(memory: Memory): void
}

/** The journal of this start, with the keys of these settings; `repaired` where the outbox was salvaged. */
export function journalOf(outbox: Outbox, settings: CustodySettings, repaired: boolean): Journal {
  const { gateway, server, software } = settings
  const key = signingKey(settings.seed)
  const from = { id: gateway, key }
  let to = { id: server, box: boxPublic(settings.serverBox) }
  const { epochs } = outbox
  const losses = lossesOf(outbox, server)
  const since = {
    commits: 0,
    taken: 0,
    refused: 0,
    receipted: 0,
    reopened: 0,
    forgotten: 0,
    lost: 0,
  }
  const intake = { near: false, refusingSince: null, toldMono: undefined }
  let memory: Memory = { current: 0, listed: 0, moment: undefined, losses: [], since, intake }

  const seal = (type: SealedType, members: object): Sealed => {
    try {
      return signAndSeal(type, from, to, members)
    } catch (error) {
      if (!(error instanceof z.ZodError)) throw error
      // Only where, never what: a value in the message could be a health value
      const paths = error.issues.map(issue => issue.path.join('.') || '(whole)')
      throw new Fault('input.invalid', `${type} does not fit its schema at ${paths.join(', ')}`)
    }
  }

  /** The end of the epoch of this start, while nothing else than appending was done to it. */
  let end: Pick<Epoch, 'id' | 'epoch' | 'base' | 'seq' | 'head'> | undefined

  const append = (type: ChainedType, time: Moment, members: object): Place => {
    const before = end ?? epochs.get(memory.current)!
    const { id, epoch, base } = before
    const { envelope } = seal(type, { epoch, seq: before.seq + 1, prev: before.head, time, ...members })
    const hash = envelopeHash(envelope)
    const { seq, head } = outbox.append(before, envelope, time.wall, headAfter(before.head, hash))
    end = { id, epoch, base, seq, head }
    memory.since.taken += 1
    return { epoch, seq, head, hash: hex(hash) }
  }

  /** Why an epoch is opened after this one. New keys are told before all else: the server ends the former by it (WIRE 9.9). */
  const whyOpened = (before: Epoch | undefined): EpochOpenBody['why'] => {
    if (before !== undefined && before.kid !== key.kid) return 'rotated'
    if (repaired || memory.losses.length > 0) return 'repair'
    return before === undefined ? 'first' : 'start'
  }

  /** WIRE 5.4: the first statement after a start opens an epoch, in the transaction of that statement. */
  const openEpoch = (time: Moment): void => {
    if (memory.current !== 0) return
    const before = epochs.newest()
    const epoch = makeEpoch()
    const zero = headZero(epoch, { gateway, server, kid: key.kid })
    memory.current = epochs.add({ epoch, server, kid: key.kid, opened: time.wall, zero }).id
    append('epoch-open', time, {
      before: before === undefined ? null : { epoch: before.epoch, seq: before.seq, head: before.head },
      why: whyOpened(before),
      software,
    })
  }

  const declare = (time: Moment): void => {
    if (memory.losses.length === 0) return
    openEpoch(time)
    for (const loss of memory.losses) {
      const { epoch, from: first, to: last, before, after, why } = loss
      append('event', time, { event: 'lost', detail: { epoch, from: first, to: last, before, after, why } })
      losses.settle(loss)
      memory.since.lost += last - first + 1
    }
    memory.losses = []
  }

  return {
    seal,
    sealTo: serverBox => {
      to = { id: server, box: boxPublic(serverBox) }
    },
    declare,
    losses,
    get memory() {
      return memory
    },
    write: (type, time, members) => {
      declare(time)
      openEpoch(time)
      return append(type, time, members)
    },
    lose: found => {
      const known = new Set(memory.losses.map(one => `${one.epoch} ${one.from}`))
      const news = found.filter(one => !known.has(`${one.epoch} ${one.from}`))
      if (news.length > 0) memory.losses = [...memory.losses, ...news]
    },
    isOpen: () => memory.current !== 0 && memory.losses.length === 0,
    mark: () => {
      end = undefined
      return { ...memory, since: { ...memory.since } }
    },
    restore: before => {
      end = undefined
      memory = before
    },
  }
}
