import { cpSync } from 'node:fs'
import { systemClock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import type { Message } from '../../src/receiver/verify.ts'
import { pack } from '../../src/wire/envelope.ts'
import { topics } from '../../src/wire/topics.ts'
import { openState } from './fill.ts'
import type { Stage } from './stage.ts'

/** Messages of one transaction, as a receiver under load takes them together. */
const batchSize = 64
/** Batches before the clock runs: the code is compiled by then. */
const warmUp = 4

/** Everything that waits in the outbox of a box that does not run, as it would come to its server. */
export async function messagesOf(state: string): Promise<Message[]> {
  const { custody, gateway, server } = await openState(state)
  try {
    const topic = topics(server, gateway).up
    const messages: Message[] = []
    for (let after = 0; ; ) {
      const rows = await custody.due(after, 1000)
      const last = rows.at(-1)
      if (last === undefined) return messages
      messages.push(...rows.map(({ parcel }) => ({ topic, payload: pack(parcel) })))
      after = last.id
    }
  } finally {
    await custody.stop()
  }
}

/**
 * Statements that one thread of the receiver opens, verifies, judges, commits and receipts in a second of a core: its
 * own code, on a copy of its own state, without broker and network. What it waits for the disk is no time of a core.
 */
export function measureVerified(stage: Stage, messages: readonly Message[]): number {
  const state = stage.makeFolder(`receiver-${process.hrtime.bigint()}`)
  cpSync(stage.site.receiver, state, { recursive: true })
  const store = openStore(paths(state).database)
  try {
    const trust = openRegistry(state, store.db)
    const receive = makeReceive({ store, trust, clock: systemClock, log: makeLog('error') })
    const take = (some: readonly Message[]): void => {
      for (let at = 0; at < some.length; at += batchSize) {
        const answers = receive(some.slice(at, at + batchSize))
        if (answers.length === 0) throw new Error('the receiver gave no receipt')
      }
    }
    const first = warmUp * batchSize
    take(messages.slice(0, first))
    const before = process.cpuUsage()
    take(messages.slice(first))
    const { user, system } = process.cpuUsage(before)
    return ((messages.length - first) / (user + system)) * 1e6
  } finally {
    store.close()
  }
}
