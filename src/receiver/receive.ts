import { hex, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { nextHead } from '../wire/chain.ts'
import { takeRow } from './chains.ts'
import type { Commander } from './command-dispatch.ts'
import { takeResult } from './commands.ts'
import { proposedWiring } from './ports.ts'
import { addReading, markForked } from './readings.ts'
import { extentOfBranch, type Outgoing, receiptsFor } from './receipts.ts'
import { takeEvent } from './receive-events.ts'
import { firstOfOtherKey, judgeKey, noteTurn, type Speaker } from './registry-former.ts'
import { isRemoved } from './removals.ts'
import { takeHello, takeReady } from './session.ts'
import { count, dayOf, type Store } from './store.ts'
import { raiseOnce, raiseSampled } from './suspicion.ts'
import { type Doubted, type Message, type Proven, type Trust, verify } from './verify.ts'
import { printable, readable } from './verify-readable.ts'
import { judge } from './verify-reading.ts'

/** What receiving needs. */
export interface Receiving {
  store: Store
  trust: Trust
  clock: Clock
  log: Log
  /** Sends commands and newer statements of the registry; nobody if left out. */
  commander?: Commander
}

/** Takes messages and gives what is to be published for them. Throws faults and what the database throws. */
export type Receive = (batch: readonly Message[]) => Outgoing[]

type Chained = Exclude<Proven, { type: 'hello' | 'ready' }>

const isDoubted = (found: object): found is Doubted => 'flag' in found

/** A statement under a key that its gateway has replaced, at a place that it did not name (WIRE 9.9). */
function formerDoubt({ gateway, kid, statement, members }: Speaker, message: Message): Doubted {
  const { epoch, seq } = members
  const where =
    typeof seq === 'number' ? `place ${seq} of epoch ${String(epoch)} was not named` : 'it is no place'
  return {
    flag: 'FORMER_KEY',
    gateway,
    why: printable(`a ${statement.type} under key ${kid}, which was replaced: ${where}`),
    message,
  }
}

/**
 * Receives batches of messages: verifies each, keeps all of them in one transaction, and only when that is
 * committed signs one receipt for each branch that grew (WIRE 12, 7.5). Any worker may get any message, in
 * any order, twice.
 */
export function makeReceive({ store, trust, clock, log, commander }: Receiving): Receive {
  return batch => {
    const found = batch.map(message => verify(message, trust))
    const { answers, held } = store.write(() => {
      const branches = new Set<number>()
      const answers = found.flatMap((one, at) => keep(one, batch[at]!, branches))
      return { answers, held: [...branches].map(branch => extentOfBranch(store, branch)) }
    })
    return [...answers, ...receiptsFor(store, trust, held, clock.now())]
  }

  function keep(found: Proven | Doubted, message: Message, branches: Set<number>): Outgoing[] {
    const { speaker } = found
    const key = speaker === undefined ? 'believed' : judgeKey(store, trust, speaker)
    if (speaker !== undefined && key === 'late') {
      count(store, 'FORMER_LATE', speaker.gateway, clock.now())
      return []
    }
    if (speaker !== undefined && key === 'former') return doubt(formerDoubt(speaker, message))
    if (isDoubted(found)) return doubt(found)
    const taken = readable(
      message,
      () => found.gateway,
      () => store.part(() => take(found)),
    )
    if (isDoubted(taken)) return doubt(taken)
    for (const branch of taken.branches) branches.add(branch)
    return taken.answers
  }

  function doubt(found: Doubted): Outgoing[] {
    const { flag, gateway, bug, rollback } = found
    sample(store, found, clock.now())
    if (rollback !== undefined) {
      raiseOnce(store, { flag: 'REGISTRY_ROLLBACK', gateway, detail: rollback, at: clock.now() })
    }
    if (bug !== undefined) log.error({ part: 'receive', flag, gateway, err: bug }, 'message not taken')
    return []
  }

  function take(found: Proven): { answers: Outgoing[]; branches: Iterable<number> } {
    const now = clock.now()
    noteTurn(store, trust, found, now)
    if (found.type === 'hello') {
      const answers = takeHello(store, trust, found, now)
      return { answers: [...answers, ...(commander?.afterHello(found) ?? [])], branches: [] }
    }
    if (found.type !== 'ready') return { answers: [], branches: keepChained(found, now) }
    const matched = takeReady(store, trust, found, now)
    return { answers: (matched ? commander?.afterReady(found, now) : undefined) ?? [], branches: [] }
  }

  /** Custody, whatever the verdict on what is said. Gives the branches to receipt. */
  function keepChained(found: Chained, now: number): Iterable<number> {
    const { gateway, hash, envelope, type } = found
    const { epoch, seq, prev, kid } = found.body
    const row = { gateway, epoch, kid, seq, prev, head: nextHead(prev, envelope), hash, type, envelope }
    const { fresh, rivals, branches } = takeRow(store, { ...row, received: now }, trust.server.id)
    if (!fresh) {
      count(store, 'DUPLICATE', gateway, now)
      return branches
    }
    const more = keepMeaning(found, now)
    const foreign = type === 'epoch-open' ? firstOfOtherKey(store, trust, found) : undefined
    if (foreign !== undefined) {
      markForked(store, { gateway, epoch, seq: foreign })
      const detail = `statements under two keys claim epoch ${epoch}`
      raiseSampled(store, { flag: 'FORK', gateway, detail, at: now })
    }
    if (rivals > 0) markForked(store, { gateway, epoch, seq })
    if (rivals === 1) {
      const detail = `two statements claim place ${seq} of epoch ${epoch}`
      raiseSampled(store, { flag: 'FORK', gateway, detail, at: now })
    }
    return [...branches, ...more]
  }

  function keepMeaning(found: Chained, now: number): Iterable<number> {
    if (found.type === 'event') return takeEvent(store, trust, found, now)
    if (found.type === 'result') takeResult(store, found.gateway, found.body, now)
    if (found.type === 'reading') {
      const { gateway, hash, body } = found
      const accepted = trust.device(gateway, body.device)
      const gone = accepted !== undefined && isRemoved(store, gateway, accepted.proposal, body)
      const wiring = accepted === undefined ? {} : proposedWiring(store, accepted.proposal)
      const judgement = judge(body, gone ? undefined : accepted, now, wiring)
      addReading(store, { gateway, hash, body, judgement, received: now })
    }
    return []
  }
}

/** Keeps the first samples of what was not proven, and counts the rest; the same message is kept once. */
function sample(store: Store, { flag, gateway, why, message }: Doubted, at: number): void {
  const hash = hex(sha256(message.payload))
  if (store.get('SELECT 1 FROM quarantine WHERE hash = ? AND topic = ?', hash, message.topic) !== undefined) {
    count(store, flag, gateway, at)
    return
  }
  const act = raiseSampled(store, { flag, gateway, detail: why, at })
  if (act === undefined) return
  store.run(
    `INSERT INTO quarantine (day, gateway, flag, hash, topic, payload, act, at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    dayOf(at),
    gateway ?? '',
    flag,
    hash,
    message.topic,
    message.payload,
    act,
    at,
  )
}
