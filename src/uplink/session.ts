import type { Bytes } from '../base/bytes.ts'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import type { Moment } from '../reading/reading.ts'
import { noEpoch, open, pack } from '../wire/envelope.ts'
import type { BoxKey, VerifyKey } from '../wire/keys.ts'
import { saidFrom } from '../wire/message.ts'
import {
  makeNonce,
  type ReceiptBody,
  seenHash,
  type UpdateBody,
  type Versions,
  type WelcomeBody,
} from '../wire/session.ts'
import type { Statement } from '../wire/statement.ts'
import { topics } from '../wire/topics.ts'
import type { Backoff } from './backoff.ts'
import { type Address, type Connection, openConnection } from './connection.ts'
import type { Custodian, Settled } from './custodian.ts'
import { checkDates, type Dated } from './dates.ts'
import { sendWindow } from './window.ts'

/** Who speaks with whom, and what HELLO says of this box. */
export interface SessionParts {
  custodian: Custodian
  gateway: string
  server: string
  /** Under which welcome and receipt must verify. */
  receiptKey: VerifyKey
  box: BoxKey
  facts(): { boot: string; software: string; drivers: string; clock: Moment; versions: Versions }
  heartbeatMs: number
  /** Most rows on their way. */
  window: number
  /** How long a welcome or receipt may take before it is asked for (WIRE 7.10). */
  overdue: Backoff
}

/** What judging a command needs to know of the connection that it came on (WIRE 7.12). */
export interface CommandLine {
  /** When the hello with this nonce was sent on this very connection, steady time; undefined if none was. */
  helloAt(nonce: string): number | undefined
  /** The server's wall time by its last signed word, and now; undefined before its first. */
  serverTime(): number | undefined
}

/** What one connection tells. `closed` comes once, last; none may throw. */
export interface SessionEvents {
  connected(): void
  /** The server signed this time, now; whether the connection may stay is another question. */
  told(serverTime: number): void
  welcomed(body: WelcomeBody): void
  settled(settled: Settled, serverTime: number): void
  /** A command came, opened and not looked at further; what comes after it is settled after it. */
  commanded(statement: Statement, line: CommandLine): Promise<void>
  /** The server hands over statements of the registry; each is yet to prove itself (WIRE 7.11). */
  updated(body: UpdateBody): void
  /** What came down is not believed: the code of the check that failed. Nothing was changed. */
  refused(code: FaultCode): void
  /** Nobody answers HELLO behind this address. */
  silent(): void
  closed(why: Fault): void
}

/** One connection to the broker and what is said over it. */
export interface Session {
  /** Something was taken: send it. */
  wake(): void
  /** Rows that the broker took and the server has not receipted yet. */
  sent(): number
  close(): Promise<void>
}

/**
 * Messages that may wait to be settled. An honest server says less than the largest window holds rows, since
 * what is sent anew waits for what was settled; each is at most 64 KiB.
 */
const unsettledLimit = 2048

/** Hellos of a connection that are remembered: at the usual heartbeat those of five hours. */
const hellosKept = 64

/** Connects, says HELLO, and after a verified WELCOME sends rows and settles receipts (WIRE 7). */
export function openSession(parts: SessionParts, address: Address, events: SessionEvents): Session {
  const { custodian, overdue } = parts
  const { up, down } = topics(parts.server, parts.gateway)
  const expected = { iss: parts.server, key: parts.receiptKey, aud: parts.gateway, box: parts.box }
  let hello: { nonce: string; statement: Statement } | undefined
  const hellos = new Map<string, number>()
  /** Hellos of this connection after which another was said before their answer came. */
  const overtaken = new Set<string>()
  let heard: { time: number; mono: number } | undefined
  let shown: readonly Dated[] = []
  let welcomed = false
  let over = false
  /** Everything unreceipted is sent anew after the next welcome. */
  let anew = true
  let size = parts.window
  let patience = overdue.next()
  let beat: NodeJS.Timeout | undefined
  let late: NodeJS.Timeout | undefined
  // what comes down is settled in the order in which it came
  let settling: Promise<void> = Promise.resolve()
  let unsettled = 0

  const finish = (): void => {
    over = true
    clearTimeout(beat)
    clearTimeout(late)
    window.stop()
  }

  const closed = (why: Fault): void => {
    if (over) return
    finish()
    events.closed(why)
  }

  const failed = (error: unknown): void => {
    if (over) return
    connection.close().catch(() => undefined) // it is gone already; why it failed is told below
    closed(isFault(error) ? error : new Fault('server.unreachable', 'connection lost', { cause: error }))
  }

  const window = sendWindow(
    custodian,
    row => {
      watch()
      return connection.publish(up, pack(row.parcel))
    },
    failed,
  )

  /**
   * Watches for a welcome or a receipt that does not come. Only a receipt begins the time anew: a heartbeat
   * and its welcome confirm nothing, and may come more often than it runs out (WIRE 7.10).
   */
  const watch = (): void => {
    if (window.open() > 0 || hello !== undefined) {
      late ??= setTimeout(onOverdue, patience)
      return
    }
    clearTimeout(late)
    late = undefined
  }

  /** An answer did not come: ask again, and send one row at a time until one does (WIRE 7.10). */
  const onOverdue = (): void => {
    late = undefined
    patience = overdue.next()
    if (!welcomed) events.silent()
    if (over) return
    anew = true
    size = 1
    sayHello().catch(failed)
  }

  const sayHello = async (): Promise<void> => {
    const nonce = makeNonce()
    const facts = parts.facts()
    const { statement, envelope } = await custodian.hello({ nonce, ...facts })
    if (over) return
    hellos.set(nonce, facts.clock.mono)
    if (hellos.size > hellosKept) hellos.delete(hellos.keys().next().value!)
    if (hello !== undefined) overtaken.add(hello.nonce)
    if (overtaken.size > hellosKept) overtaken.delete(overtaken.keys().next().value!)
    hello = { nonce, statement }
    clearTimeout(beat)
    beat = setTimeout(() => sayHello().catch(failed), parts.heartbeatMs)
    watch()
    await connection.publish(up, pack({ epoch: noEpoch, seq: 0, envelope }))
  }

  /** Something was confirmed: the way is open again in its whole width. */
  const progress = (settled: Settled, serverTime: number): void => {
    events.settled(settled, serverTime)
    if (settled.receipted > 0) {
      overdue.reset()
      patience = overdue.next()
      clearTimeout(late)
      late = undefined
      if (size < parts.window) {
        size = parts.window
        window.widen(size)
      }
    }
    watch()
    window.pump()
  }

  const onWelcome = async (body: WelcomeBody, statement: Statement): Promise<void> => {
    if (hello === undefined || body.nonce !== hello.nonce) {
      // a slow server's first answer to a hello of before accuses nobody, and a later one is under way
      if (!overtaken.delete(body.nonce)) events.refused('wire.wrong-audience')
      return
    }
    // before anything is done or said on the strength of it: the dates are good now, or this line ends (WIRE 8.4)
    events.told(body.time)
    checkDates(shown, body.time)
    const asked = hello
    hello = undefined
    const settled = await custodian.welcome(body, statement)
    const ready = await custodian.ready(body, seenHash(asked.statement, statement))
    if (over) return
    // not awaited: what comes down is settled in its order, and a broker that keeps one PUBACK to itself must not end that
    connection.publish(up, pack({ epoch: noEpoch, seq: 0, envelope: ready.envelope })).catch(failed)
    welcomed = true
    heard = { time: body.time, mono: parts.facts().clock.mono }
    for (const one of body.epochs) window.confirmed(one.epoch, one.seq)
    if (anew || settled.reopened > 0) window.begin(size)
    anew = false
    events.welcomed(body)
    progress(settled, body.time)
  }

  const onReceipt = async (body: ReceiptBody, statement: Statement): Promise<void> => {
    const settled = await custodian.receipt(body, statement)
    window.confirmed(body.epoch, body.seq)
    progress(settled, body.time)
  }

  const line: CommandLine = {
    helloAt: nonce => hellos.get(nonce),
    serverTime: () => heard && heard.time + parts.facts().clock.mono - heard.mono,
  }

  const onMessage = async (payload: Bytes): Promise<void> => {
    if (over) return
    try {
      const statement = open(payload, parts.box)
      // it has a key of its own, and whoever judges it tells why it is refused
      if (statement.type === 'command') return await events.commanded(statement, line)
      const said = saidFrom(statement, ['welcome', 'receipt', 'update'], expected)
      if (said.type === 'welcome') await onWelcome(said.body, statement)
      else if (said.type === 'receipt') await onReceipt(said.body, statement)
      else events.updated(said.body)
    } catch (error) {
      const unbelieved =
        isFault(error) && (error.code.startsWith('wire.') || error.code === 'receipt.refused')
      if (!unbelieved) throw error
      events.refused(error.code)
    }
  }

  const connection: Connection = openConnection(address, down, {
    open(dates) {
      shown = dates
      events.connected()
      sayHello().catch(failed)
    },
    message(payload) {
      if (unsettled === unsettledLimit) {
        return failed(
          new Fault('server.refused', `${unsettledLimit} messages came down faster than the disk`),
        )
      }
      unsettled++
      settling = settling
        .then(() => onMessage(payload))
        .catch(failed)
        .finally(() => {
          unsettled--
        })
    },
    closed,
  })

  return {
    sent: window.taken,
    wake() {
      if (welcomed && !over) window.pump()
    },
    close() {
      finish()
      return connection.close()
    },
  }
}
