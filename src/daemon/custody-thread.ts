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
  type CustodySettings,
  type Notice,
  type Prompt,
  type Reply,
  type Request,
  recordFault,
} from './custody-messages.ts'

/** At most this many requests share one transaction. */
const batchLimit = 256

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

function serve(port: MessagePort, settings: CustodySettings): void {
  const { outbox, salvaged } = openSound(settings)
  outbox.ballast.take()
  const holder = holderOf(outbox, settings, salvaged !== undefined)
  settings.seed.fill(0)
  const chores = makeChores(error => end(error, []))
  /** Verifications that are asked for and not answered yet. */
  const verifying = new Set<number>()

  const end = (error: unknown, asked: Request[]): void => {
    chores.drop()
    if (isCorrupt(error)) suspect(settings.path)
    const fault = recordFault(storeFault(error))
    for (const { call } of asked) port.postMessage({ call, fault } satisfies Reply)
    port.postMessage({ notice: 'ended', fault } satisfies Notice)
    port.close()
    process.exitCode = 1
  }

  /** One request in a savepoint: what fails here fails alone, unless the transaction went with it. */
  const attempt = (request: Prompt): Reply => {
    try {
      return { call: request.call, value: holder.answer(request) }
    } catch (error) {
      // What frees space is tried again with the ballast's, and not given up here
      if (codeOf(error) === 'SQLITE_FULL' && request.name !== 'take') throw error
      const fault = storeFault(error)
      // After SQLITE_FULL, SQLite may have rolled the whole transaction back by itself
      if (!isFault(fault) || isDamage(fault) || !outbox.db.inTransaction) throw error
      return { call: request.call, fault: recordFault(fault) }
    }
  }

  const together = (requests: Prompt[]): Reply[] => {
    const before = holder.mark()
    try {
      const replies = outbox.commit(() => requests.map(attempt))
      holder.committed(before)
      return replies
    } catch (error) {
      holder.restore(before)
      throw error
    }
  }

  /** On a full disk, what frees space is done with the ballast's space, and in small steps. */
  const relieve = (request: Prompt): Reply => {
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
      }
    }
    return { call: request.call, fault: recordFault(full) }
  }

  const settle = (requests: Prompt[]): Reply[] => {
    try {
      return together(requests)
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
      port.postMessage({ call, value } satisfies Reply)
      return true
    })
  }

  const stop = (call: number): void => {
    chores.drop()
    const fault = recordFault(new Fault('interrupted', 'custody was stopped before the outbox was verified'))
    for (const one of verifying) port.postMessage({ call: one, fault } satisfies Reply)
    outbox.close()
    port.postMessage({ call, value: undefined } satisfies Reply)
    port.close()
  }

  const handle = (first: Request): void => {
    const batch = [first]
    while (batch.length < batchLimit) {
      const next = receiveMessageOnPort(port)
      if (next === undefined) break
      batch.push(next.message as Request)
    }
    const at = batch.findIndex(({ name }) => name === 'stop')
    const asked: Prompt[] = []
    for (const request of at < 0 ? batch : batch.slice(0, at)) {
      if (request.name === 'verify') verify(request.call, request.argument?.receiptKeys)
      else if (request.name !== 'stop') asked.push(request)
    }
    try {
      if (asked.length > 0) for (const reply of settle(asked)) port.postMessage(reply)
      if (asked.some(({ name }) => name === 'welcome')) outbox.ballast.take()
      if (at >= 0) stop(batch[at]!.call)
    } catch (error) {
      end(error, batch)
    }
  }

  port.on('message', handle)
  try {
    if (!holder.check(checkStep)) chores.add(() => holder.check(checkStep))
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
