import { Worker } from 'node:worker_threads'
import type { Bytes } from '../base/bytes.ts'
import { threadEnv } from '../base/compiled.ts'
import { Fault } from '../base/fault.ts'
import type { Salvaged } from '../outbox/salvage.ts'
import type { VerifyReport } from '../outbox/verify.ts'
import type { Custodian } from '../uplink/custodian.ts'
import type { Draft } from '../wire/chained.ts'
import type { VerifyKey } from '../wire/keys.ts'
import { type Abandoner, abandonerBy } from './custody-abandon.ts'
import {
  type Beginning,
  type Begun,
  type CallName,
  type Calls,
  type Carried,
  type CustodySettings,
  faultOf,
  type LeftOver,
  type Notice,
  type OutboxStats,
  type Place,
  type Reply,
  type Room,
} from './custody-messages.ts'

export type { Beginning, CustodySettings, LeftOver, OutboxStats, Place, Room } from './custody-messages.ts'

/**
 * Keeps what the gateway says until the server has it. The database and the signing key live in a worker
 * thread, so a slow disk never holds up ports or network. Every promise rejects with a Fault.
 */
export interface Custody extends Custodian {
  /** Resolves when the statement is on disk. `outbox.full`, `wire.too-large`, `input.invalid` concern this draft alone. */
  take(draft: Draft): Promise<Place>
  /** Resolves when the command is written down, which its result then ends: a `result` that is taken. */
  begin(begun: Begun): Promise<Beginning>
  /** Once after the start: answers commands that the start before left without a result. */
  leftOver(time: Draft['time']): Promise<LeftOver>
  /** Gives up rows that nobody will sign for. */
  abandoner: Abandoner
  /** The server has another box key, 32 bytes: what is said from now on is sealed to it (WIRE 9.10). */
  sealTo(serverBox: Bytes): Promise<void>
  /** There is more room or less than at the start. */
  resize(room: Room): Promise<void>
  stats(): Promise<OutboxStats>
  /**
   * Walks the whole chain on disk and names every row that is not as it was written, while everything else is
   * served. With `receiptKeys` what was forgotten must be proven by a receipt under one of them. A fault `interrupted`
   * if custody is stopped meanwhile.
   */
  verify(receiptKeys?: readonly Pick<VerifyKey, 'publicKey'>[]): Promise<VerifyReport>
  /** Finishes what was asked, closes the database and ends the worker. */
  stop(): Promise<void>
  /** Settles when the worker has ended: undefined after `stop`, else the fault that ended it. */
  ended: Promise<Fault | undefined>
  /** Set when the file was corrupt: what was brought over into a new one, and where the old one is. */
  salvaged: Salvaged | undefined
}

interface Pending {
  resolve(value: never): void
  reject(fault: Fault): void
}

/** Starts custody; resolves when the outbox is open. Faults `outbox.locked`, `outbox.damaged`, `key.invalid`. */
export async function openCustody(settings: CustodySettings): Promise<Custody> {
  const seed = Uint8Array.from(settings.seed)
  const worker = new Worker(new URL('./custody-thread.ts', import.meta.url), {
    env: threadEnv(),
    name: 'custody',
    workerData: { ...settings, seed },
    transferList: [seed.buffer],
  })
  const pending = new Map<number, Pending>()
  let calls = 0
  let stopping = false
  let end: Fault | undefined
  const opened = Promise.withResolvers<Salvaged | undefined>()
  const ended = Promise.withResolvers<Fault | undefined>()

  worker.on('message', (message: Reply[] | Notice) => {
    if ('notice' in message) {
      if (message.notice === 'open') opened.resolve(message.salvaged)
      else end = faultOf(message.fault)
      return
    }
    for (const reply of message) {
      const call = pending.get(reply.call)
      pending.delete(reply.call)
      if ('fault' in reply) call?.reject(faultOf(reply.fault))
      else call?.resolve(reply.value as never)
    }
  })
  worker.on('error', cause => {
    end ??= new Fault('outbox.damaged', `custody thread failed: ${String(cause)}`, { cause })
  })
  worker.on('exit', code => {
    if (!stopping || code !== 0) end ??= new Fault('outbox.damaged', `custody thread ended with ${code}`)
    const fault = end ?? new Fault('outbox.damaged', 'custody has stopped')
    opened.reject(fault)
    for (const { reject } of pending.values()) reject(fault)
    pending.clear()
    stopping = true
    ended.resolve(end)
  })

  let asked: Carried[] = []
  const hand = (): void => {
    const all = asked
    asked = []
    worker.postMessage(all)
  }

  const ask = <N extends CallName>(name: N, argument: Calls[N]['argument']): Promise<Calls[N]['answer']> => {
    if (stopping) return Promise.reject(end ?? new Fault('outbox.damaged', 'custody has stopped'))
    const { promise, resolve, reject } = Promise.withResolvers<Calls[N]['answer']>()
    calls += 1
    pending.set(calls, { resolve, reject })
    // what is asked in one turn goes over as one message
    const carried = name === 'take' ? JSON.stringify(argument) : argument
    if (asked.push({ call: calls, name, argument: carried } as Carried) === 1) queueMicrotask(hand)
    return promise
  }

  const salvaged = await opened.promise
  return {
    take: draft => ask('take', draft),
    hello: members => ask('hello', members),
    ready: (welcome, seen) => ask('ready', { welcome, seen }),
    due: (afterId, limit) => ask('due', { afterId, limit }),
    welcome: (body, statement) => ask('welcome', { body, statement }),
    receipt: (body, statement) => ask('receipt', { body, statement }),
    begin: begun => ask('begin', begun),
    leftOver: time => ask('leftOver', { time }),
    abandoner: abandonerBy(request => ask('abandon', request)),
    sealTo: serverBox => ask('sealTo', { serverBox }),
    resize: room => ask('resize', room),
    stats: () => ask('stats', undefined),
    verify: keys => ask('verify', keys && { receiptKeys: keys.map(one => one.publicKey) }),
    stop: async () => {
      if (!stopping) {
        const stopped = ask('stop', undefined)
        stopping = true
        await stopped
      }
      await ended.promise
    },
    ended: ended.promise,
    salvaged,
  }
}
