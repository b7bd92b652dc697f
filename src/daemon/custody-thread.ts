import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Bytes } from '../base/bytes.ts'
import { codeOf, Fault, isFault } from '../base/fault.ts'
import type { Chain } from '../outbox/epochs.ts'
import { type Outbox, openOutbox } from '../outbox/outbox.ts'
import { isCorrupt, isSuspect, type Salvaged, salvage, suspect } from '../outbox/salvage.ts'
import { storeFault } from '../outbox/schema.ts'
import { headZero, nextHead } from '../wire/chain.ts'
import { makeChores } from './custody-chores.ts'
import { holderOf } from './custody-holder.ts'
import {
  type Carried,
  type CustodySettings,
  type Notice,
  type Prompt,
  type Reply,
  type Request,
  recordFault,
} from './custody-messages.ts'

/** From so many requests on what comes waits for the next transaction: rows are sent between two. */
const batchLimit = 128

/** How long what receipts settled may wait to be written, milliseconds. */
const settledMs = 1000

/** Rows that the check of the start looks at before the first request is heard, and then between two batches. */
const checkStep = 250

/** Whether an error means that the disk or the file can no longer be believed (SQLite's result codes). */
function isDamage(error: unknown): boolean {
  return isFault(storeFault(error), 'outbox.damaged')
}

/** The outbox; if the file is corrupt, what can be salvaged of it. */
function openSound(settings: CustodySettings): { outbox: Outbox; salvaged: Salvaged | undefined } {
  const { path, quotaBytes, gateway } = settings
  const chain: Chain = {
    zero: (epoch, server, kid) => headZero(epoch, { gateway, server, kid }),
    next: nextHead,
  }
  const repair = () => {
    const salvaged = salvage(path, quotaBytes, Date.now())
    return { outbox: openOutbox({ ...settings, chain }), salvaged }
  }
  if (isSuspect(path)) return repair()
  try {
    return { outbox: openOutbox({ ...settings, chain }), salvaged: undefined }
  } catch (error) {
    if (!isCorrupt(error)) throw error
    return repair()
  }
}

const opened = (carried: Carried): Request =>
  carried.name === 'take' ? { ...carried, argument: JSON.parse(carried.argument) } : carried

function serve(port: MessagePort, settings: CustodySettings): void {
  const { outbox, salvaged } = openSound(settings)
  outbox.ballast.take()
  const holder = holderOf(outbox, settings, salvaged !== undefined)
  settings.seed.fill(0)
  const chores = makeChores(error => end(error, []))
  /** Verifications that are asked for and not answered yet. */
  const verifying = new Set<number>()
  let waiting: NodeJS.Timeout | undefined
  /** The disk had no room, and nothing has been taken since. */
  let isFull = false

  /** Requests that change nothing which could be lost. On a full disk a receipt is what makes room: it is brought there. */
  const isLoose = ({ name }: Prompt): boolean =>
    name === 'due' || name === 'stats' || (name === 'receipt' && !isFull)

  const say = (replies: Reply[]): void => {
    if (replies.length > 0) port.postMessage(replies)
  }

  const end = (error: unknown, asked: Request[]): void => {
    chores.drop()
    clearTimeout(waiting)
    if (isCorrupt(error)) suspect(settings.path)
    const fault = recordFault(storeFault(error))
    say(asked.map(({ call }) => ({ call, fault })))
    port.postMessage({ notice: 'ended', fault } satisfies Notice)
    port.close()
    process.exitCode = 1
  }

  /** One request in a savepoint: what fails here fails alone, unless the transaction went with it. */
  const attempt = (request: Prompt): Reply => {
    const { inTransaction } = outbox.db
    try {
      return { call: request.call, value: holder.answer(request) }
    } catch (error) {
      // Each is tried again by itself: what frees space then with the ballast's
      if (codeOf(error) === 'SQLITE_FULL') throw error
      const fault = storeFault(error)
      // After SQLITE_FULL, SQLite may have rolled the whole transaction back by itself
      if (!isFault(fault) || isDamage(fault) || (inTransaction && !outbox.db.inTransaction)) throw error
      return { call: request.call, fault: recordFault(fault) }
    }
  }

  /** Brings to the disk what receipts settled. */
  const bring = (): void => {
    clearTimeout(waiting)
    waiting = undefined
    try {
      try {
        outbox.begin()
        outbox.commit(holder.prove)
      } finally {
        outbox.end()
      }
    } catch (error) {
      // it is taken back, and the server says it again with its next receipt or welcome
      if (codeOf(error) === 'SQLITE_FULL') isFull = true
      else end(error, [])
    }
  }

  /**
   * Settles in a transaction that is left open, for the next one that must be on disk to take along: a receipt that is
   * lost in a crash is asked for again, and what it allows to forget is forgotten by a welcome, which is brought to the
   * disk with everything before it.
   */
  const loosely = (requests: Prompt[]): Reply[] => {
    const settles = requests.some(({ name }) => name === 'receipt')
    if (settles) outbox.begin()
    const { taken } = holder.mark().since
    try {
      const replies = requests.map(attempt)
      // a loss that was found and declared is a statement like any other: it is sent only from the disk
      if (holder.mark().since.taken > taken) outbox.end()
      return replies
    } finally {
      if (settles) waiting ??= setTimeout(bring, settledMs)
    }
  }

  const together = (requests: Prompt[]): Reply[] => {
    const before = holder.mark()
    try {
      const replies = outbox.commit(() => requests.map(attempt))
      outbox.end()
      if (holder.committed(before)) isFull = false
      return replies
    } catch (error) {
      holder.restore(before)
      throw error
    }
  }

  /** On a full disk, what frees space is done with the ballast's space, and in small steps. */
  const relieve = (request: Prompt): Reply => {
    bring()
    outbox.ballast.drop()
    outbox.fold()
    for (const step of holder.steps(request)) {
      outbox.commit(step)
      outbox.fold()
    }
    return together([request])[0]!
  }

  const alone = (request: Prompt): Reply => {
    const tries = [() => together([request])[0]!, () => relieve(request)]
    let full: unknown
    for (const work of request.name === 'take' ? tries.slice(0, 1) : tries) {
      try {
        return work()
      } catch (error) {
        if (codeOf(error) !== 'SQLITE_FULL') throw error
        full = storeFault(error)
        isFull = true
      }
    }
    return { call: request.call, fault: recordFault(full) }
  }

  const settle = (requests: Prompt[], how: (requests: Prompt[]) => Reply[]): Reply[] => {
    if (requests.length === 0) return []
    try {
      return how(requests)
    } catch (error) {
      if (codeOf(error) !== 'SQLITE_FULL') throw error
      return requests.map(alone)
    }
  }

  const verify = (call: number, receiptKeys: Bytes[] | undefined): void => {
    const steps = holder.verify(receiptKeys)
    verifying.add(call)
    chores.add(() => {
      const { done, value } = steps.next()
      if (done !== true) return false
      verifying.delete(call)
      say([{ call, value }])
      return true
    })
  }

  const stop = (call: number): void => {
    chores.drop()
    bring()
    const fault = recordFault(new Fault('interrupted', 'custody was stopped before the outbox was verified'))
    outbox.close()
    say([...[...verifying].map(one => ({ call: one, fault })), { call, value: undefined }])
    port.close()
  }

  const handle = (first: Carried[]): void => {
    const batch = first.map(opened)
    while (batch.length < batchLimit) {
      const next = receiveMessageOnPort(port)
      if (next === undefined) break
      batch.push(...(next.message as Carried[]).map(opened))
    }
    const at = batch.findIndex(({ name }) => name === 'stop')
    const asked: Prompt[] = []
    for (const request of at < 0 ? batch : batch.slice(0, at)) {
      if (request.name === 'verify') verify(request.call, request.argument?.receiptKeys)
      else if (request.name !== 'stop') asked.push(request)
    }
    try {
      // who waits for these waits for no disk, and must not wait for those who do
      say(settle(asked.filter(isLoose), loosely))
      say(
        settle(
          asked.filter(request => !isLoose(request)),
          together,
        ),
      )
      if (asked.some(({ name }) => name === 'welcome')) outbox.ballast.take()
      if (asked.some(({ name }) => name === 'abandon')) chores.add(holder.sweep)
      if (at >= 0) stop(batch[at]!.call)
    } catch (error) {
      end(error, batch)
    }
  }

  port.on('message', handle)
  try {
    if (!holder.check(checkStep)) chores.add(() => holder.check(checkStep))
    chores.add(holder.sweep)
  } catch (error) {
    end(error, [])
    return
  }
  port.postMessage({ notice: 'open', salvaged } satisfies Notice)
}

const port = parentPort
if (port === null) throw new Fault('usage', 'custody runs in a worker thread of the daemon only')
try {
  serve(port, workerData as CustodySettings)
} catch (error) {
  port.postMessage({ notice: 'ended', fault: recordFault(storeFault(error)) } satisfies Notice)
  port.close()
  process.exitCode = 1
}
