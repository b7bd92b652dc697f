import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { codeOf, Fault, isFault } from '../base/fault.ts'
import { openOutbox } from '../outbox/outbox.ts'
import { storeFault } from '../outbox/schema.ts'
import { headZero, nextHead } from '../wire/chain.ts'
import { holderOf } from './custody-holder.ts'
import {
  type CustodySettings,
  type Notice,
  type Reply,
  type Request,
  recordFault,
} from './custody-messages.ts'

/** At most this many requests share one transaction. */
const batchLimit = 256

/** Rows looked at between two batches while the check of the start is still under way. */
const checkStep = 2000

/** Whether an error means that the disk or the file can no longer be believed (SQLite's result codes). */
function isDamage(error: unknown): boolean {
  return isFault(storeFault(error), 'outbox.damaged')
}

function serve(port: MessagePort, settings: CustodySettings): void {
  const outbox = openOutbox({
    ...settings,
    chain: {
      zero: (epoch, server, kid) => headZero(epoch, { gateway: settings.gateway, server, kid }),
      next: nextHead,
    },
  })
  const holder = holderOf(outbox, settings)
  settings.seed.fill(0)
  let checking = false

  const end = (error: unknown, asked: Request[]): void => {
    const fault = recordFault(storeFault(error))
    for (const { call } of asked) port.postMessage({ call, fault } satisfies Reply)
    port.postMessage({ notice: 'ended', fault } satisfies Notice)
    port.close()
    process.exitCode = 1
  }

  /** One request in a savepoint: what fails here fails alone, unless the transaction went with it. */
  const attempt = (request: Request): Reply => {
    try {
      return { call: request.call, value: holder.answer(request) }
    } catch (error) {
      const fault = storeFault(error)
      // After SQLITE_FULL, SQLite may have rolled the whole transaction back by itself
      if (!isFault(fault) || isDamage(fault) || !outbox.db.inTransaction) throw error
      return { call: request.call, fault: recordFault(fault) }
    }
  }

  const together = (requests: Request[]): Reply[] => {
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

  const alone = (request: Request): Reply => {
    try {
      return together([request])[0]!
    } catch (error) {
      if (codeOf(error) !== 'SQLITE_FULL') throw error
      return { call: request.call, fault: recordFault(storeFault(error)) }
    }
  }

  const settle = (requests: Request[]): Reply[] => {
    try {
      return together(requests)
    } catch (error) {
      if (codeOf(error) !== 'SQLITE_FULL') throw error
      return requests.map(alone)
    }
  }

  const check = (): void => {
    checking = false
    try {
      if (!holder.check(checkStep)) later()
    } catch (error) {
      end(error, [])
    }
  }
  const later = (): void => {
    if (!checking) setImmediate(check)
    checking = true
  }

  const stop = (call: number): void => {
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
    const asked = at < 0 ? batch : batch.slice(0, at)
    try {
      if (asked.length > 0) for (const reply of settle(asked)) port.postMessage(reply)
      if (at >= 0) stop(batch[at]!.call)
    } catch (error) {
      end(error, batch)
    }
  }

  port.on('message', handle)
  if (!holder.check(checkStep)) later()
  port.postMessage({ notice: 'open' } satisfies Notice)
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
