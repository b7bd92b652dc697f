import { type Fault, type FaultCode, isFault } from '../base/fault.ts'
import type { VerifyKey } from '../wire/keys.ts'
import type { UpdateBody, WelcomeBody } from '../wire/session.ts'
import type { Statement } from '../wire/statement.ts'
import { backoff } from './backoff.ts'
import type { Address } from './connection.ts'
import type { Settled } from './custodian.ts'
import { explained } from './dates.ts'
import { Unpinned } from './pin.ts'
import { type CommandLine, openSession, type Session, type SessionParts } from './session.ts'

/** Where an uplink stands: `waiting` is between two tries, `welcomed` is all well. */
export type UplinkState = 'off' | 'connecting' | 'connected' | 'welcomed' | 'waiting'

/** Where the server is, and the key that it must have: as the newest server entry says. */
export interface Way {
  /** Broker addresses in the order of the server entry; tried in turn. At least one. */
  addresses: readonly Address[]
  receiptKey: VerifyKey
}

/** Everything the uplink is given; it owns none of it. */
export interface UplinkParts extends Omit<SessionParts, 'overdue' | 'receiptKey'> {
  /** Asked anew for each connection. */
  way(): Way
  events: UplinkEvents
}

/** What the uplink tells the daemon. None may throw. */
export interface UplinkEvents {
  state(state: UplinkState, broker: string, why?: Fault): void
  /** The server has answered over a connection to this address. */
  welcomed(body: WelcomeBody, address: Address): void
  settled(settled: Settled, serverTime: number): void
  commanded(statement: Statement, line: CommandLine): Promise<void>
  updated(body: UpdateBody): void
  refused(code: FaultCode): void
  /** Somebody answered in the server's place (SERVER_KEY_UNPINNED). */
  unpinned(fingerprint: string): void
  /** The outbox itself failed: the daemon must end. */
  broken(fault: Fault): void
}

/** The way up to one server. */
export interface Uplink {
  start(): void
  /** Something was taken: send it. */
  wake(): void
  /** The way has changed: leaves the present connection for one by the new way. */
  renew(): void
  /** Rows that the broker took and the server has not receipted yet. */
  sent(): number
  /**
   * The server's wall time now, by what it last signed and the steady clock since; undefined before its first
   * word. Kept in memory only: no lower bound of time outlives the process.
   */
  serverTime(): number | undefined
  stop(): Promise<void>
}

// DESIGN 7a.8: overdue starts at 30 s and doubles to 30 min. A box alone in a building may knock once a second;
// after an outage the jitter keeps a building's boxes apart.
const overdueMs = { first: 30_000, most: 1_800_000 }
const retryMs = { first: 1_000, most: 60_000 }

/** Keeps one route's connection alive: connects, and after a loss connects again, address by address. */
export function uplink(parts: UplinkParts): Uplink {
  const { events } = parts
  const retry = backoff(retryMs.first, retryMs.most)
  const overdue = backoff(overdueMs.first, overdueMs.most)
  let stopped = false
  let turn = 0
  let session: Session | undefined
  let waiting: NodeJS.Timeout | undefined
  let told: { time: number; mono: number } | undefined

  const mono = (): number => parts.facts().clock.mono
  const serverTime = (): number | undefined => told && told.time + mono() - told.mono

  const attempt = (): void => {
    const { addresses, receiptKey } = parts.way()
    const address = addresses[turn++ % addresses.length]!
    const state = (one: UplinkState, why?: Fault): void => events.state(one, address.broker, why)
    let wasLetIn = false
    const again = (seen: Fault): void => {
      session = undefined
      const why = wasLetIn ? seen : explained(seen, address.certificate, serverTime())
      if (why instanceof Unpinned) events.unpinned(why.fingerprint)
      if (isFault(why, 'outbox.damaged')) events.broken(why)
      if (stopped) return
      state('waiting', why)
      waiting = setTimeout(attempt, retry.next())
    }
    state('connecting')
    session = openSession({ ...parts, receiptKey, overdue }, address, {
      connected() {
        wasLetIn = true
        state('connected')
      },
      told(time) {
        told = { time, mono: mono() }
      },
      welcomed(body) {
        retry.reset()
        state('welcomed')
        events.welcomed(body, address)
      },
      settled: events.settled,
      commanded: events.commanded,
      updated: events.updated,
      refused: events.refused,
      silent() {
        // the broker is there and the server is not: with a second address, that one may lead to it
        if (addresses.length > 1) void leave()
      },
      closed: again,
    })
  }

  const leave = async (): Promise<void> => {
    const left = session
    session = undefined
    await left?.close()
    if (!stopped) attempt()
  }

  return {
    start: attempt,
    wake: () => session?.wake(),
    renew() {
      // what is newest stands ahead
      turn = 0
      // where none is, the next one goes by the new way anyhow
      if (session !== undefined && !stopped) void leave()
    },
    sent: () => session?.sent() ?? 0,
    serverTime,
    async stop() {
      stopped = true
      clearTimeout(waiting)
      await session?.close()
      events.state('off', '')
    },
  }
}
