import { hex, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { headAfter } from '../wire/chain.ts'
import type { Flag } from '../wire/flags.ts'
import { type Acceptances, openAcceptances } from './acceptances.ts'
import { takeRow } from './chains.ts'
import type { Commander } from './command-dispatch.ts'
import { takeResult } from './commands.ts'
import { addReading, markForked } from './readings.ts'
import { extentOfBranch, type Outgoing, receiptsFor } from './receipts.ts'
import { takeEvent } from './receive-events.ts'
import { firstOfOtherKey, judgeKey, noteTurn, type Speaker } from './registry-former.ts'
import { standing } from './registry-remember.ts'
import { takeHello, takeReady } from './session.ts'
import { count, dayOf, type Store } from './store.ts'
import { raiseOnce, raiseSampled } from './suspicion.ts'
import { type Doubted, type Message, type Proven, type Trust, verify } from './verify.ts'
import { isBug, printable, readable } from './verify-readable.ts'
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

/** What came of a message: what goes down at once, and the branches to receipt. */
interface Taken {
  answers: Outgoing[]
  branches: Iterable<number>
}

const nothing: Taken = { answers: [], branches: [] }

type Taking = (found: Proven, known: Acceptances, message: Message) => Taken | Doubted

/** What came of a batch. */
interface Kept {
  answers: Outgoing[]
  held: ReturnType<typeof extentOfBranch>[]
  /** Messages that brought out a bug of this program. */
  bugs: { flag: Flag; gateway: string | null; err: unknown }[]
}

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
    const found = standing(store.db, () => batch.map(message => verify(message, trust)))
    const { answers, held, bugs } = keepAll(found, batch)
    for (const bug of bugs) log.error({ part: 'receive', ...bug }, 'message not taken')
    return [...answers, ...receiptsFor(store, trust, held, clock.now())]
  }

  /**
   * All in one transaction. Only where a message brings out a bug, all is undone and begun anew with a part of the
   * transaction for each, so that this one alone is lost: a part costs as much as two rows.
   */
  function keepAll(found: readonly (Proven | Doubted)[], batch: readonly Message[]): Kept {
    try {
      return keepOnce(found, batch, take)
    } catch (error) {
      if (!isBug(error)) throw error
      return keepOnce(found, batch, takeApart)
    }
  }

  function takeApart(found: Proven, known: Acceptances, message: Message): Taken | Doubted {
    return readable(
      message,
      () => found.gateway,
      () => store.part(() => take(found, known)),
    )
  }

  function keepOnce(found: readonly (Proven | Doubted)[], batch: readonly Message[], taking: Taking): Kept {
    return store.write(() =>
      standing(store.db, () => {
        const branches = new Set<number>()
        const bugs: Kept['bugs'] = []
        const known = openAcceptances(store)
        const answers = found.flatMap((one, at) => {
          const taken = judged(one, batch[at]!) ?? taking(one as Proven, known, batch[at]!)
          if (isDoubted(taken)) {
            doubt(taken)
            if (taken.bug !== undefined)
              bugs.push({ flag: taken.flag, gateway: taken.gateway, err: taken.bug })
            return []
          }
          for (const branch of taken.branches) branches.add(branch)
          return taken.answers
        })
        return { answers, held: [...branches].map(branch => extentOfBranch(store, branch)), bugs }
      }),
    )
  }

  /** What becomes of a message that is not to be taken; undefined for one that is proven, under a key that counts. */
  function judged(found: Proven | Doubted, message: Message): Taken | Doubted | undefined {
    const { speaker } = found
    const key = speaker === undefined ? 'believed' : judgeKey(store, trust, speaker)
    if (speaker !== undefined && key === 'late') {
      count(store, 'FORMER_LATE', speaker.gateway, clock.now())
      return nothing
    }
    if (speaker !== undefined && key === 'former') return formerDoubt(speaker, message)
    return isDoubted(found) ? found : undefined
  }

  function doubt(found: Doubted): void {
    const { gateway, rollback } = found
    sample(store, found, clock.now())
    if (rollback !== undefined) {
      raiseOnce(store, { flag: 'REGISTRY_ROLLBACK', gateway, detail: rollback, at: clock.now() })
    }
  }

  function take(found: Proven, known: Acceptances): Taken {
    const now = clock.now()
    noteTurn(store, trust, found, now)
    if (found.type === 'hello') {
      const answers = takeHello(store, trust, found, now)
      return { answers: [...answers, ...(commander?.afterHello(found) ?? [])], branches: [] }
    }
    if (found.type !== 'ready') return { answers: [], branches: keepChained(found, now, known) }
    const matched = takeReady(store, trust, found, now)
    return { answers: (matched ? commander?.afterReady(found, now) : undefined) ?? [], branches: [] }
  }

  /** Custody, whatever the verdict on what is said. Gives the branches to receipt. */
  function keepChained(found: Chained, now: number, known: Acceptances): Iterable<number> {
    const { gateway, hash, envelope, type } = found
    const { epoch, seq, prev, kid } = found.body
    const row = {
      gateway,
      epoch,
      kid,
      seq,
      prev,
      head: headAfter(prev, Buffer.from(hash, 'hex')),
      hash,
      type,
      envelope,
    }
    const { fresh, rivals, branches } = takeRow(store, { ...row, received: now }, trust.server.id)
    if (!fresh) {
      count(store, 'DUPLICATE', gateway, now)
      return branches
    }
    const more = keepMeaning(found, now, known)
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

  function keepMeaning(found: Chained, now: number, known: Acceptances): Iterable<number> {
    if (found.type === 'event') {
      known.forget()
      return takeEvent(store, trust, found, now)
    }
    if (found.type === 'result') takeResult(store, found.gateway, found.body, now)
    if (found.type === 'reading') {
      const { gateway, hash, body } = found
      const accepted = trust.device(gateway, body.device)
      const wiring = accepted === undefined ? undefined : known.of(gateway, accepted, body)
      const judgement = judge(body, wiring === undefined ? undefined : accepted, now, wiring)
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
