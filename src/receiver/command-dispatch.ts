import { hex } from '../base/bytes.ts'
import { systemClock } from '../base/clock.ts'
import { isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import { signAndSeal } from '../wire/message.ts'
import type { HelloBody, Versions } from '../wire/session.ts'
import { type PublicStatement, publish, type Statement, statementHash } from '../wire/statement.ts'
import { topics } from '../wire/topics.ts'
import { isObeyedBelow } from '../wire/verbs.ts'
import { noteSending } from './command-sendings.ts'
import { type OpenSession, openSessions } from './command-sessions.ts'
import { argsOf, type IntentRow, orderOf } from './commands.ts'
import { lastHeard } from './heard.ts'
import { holdOf } from './hold.ts'
import { moveOf } from './moves.ts'
import { endsDown, type Outgoing, sealDown } from './receipts.ts'
import type { Registry } from './registry.ts'
import type { Certificates } from './renew.ts'
import { followsRoot } from './root-followers.ts'
import { isBelowMinimum } from './session.ts'
import type { Store } from './store.ts'
import type { Proven } from './verify.ts'

/** What goes down besides welcomes and receipts: statements of the registry, and commands. Each inside `write`. */
export interface Commander {
  /** Hands over what is newer than the hello tells (WIRE 7.11). */
  afterHello(hello: Proven & { type: 'hello' }): Outgoing[]
  /** Sends what waits, once the ready of this session has matched (WIRE 7.12). */
  afterReady(ready: Proven & { type: 'ready' }, now: number): Outgoing[]
  /** Sends what was stored since, over each session that is fresh and whose ready has matched. Not inside `write`. */
  atOnce(now: number): Outgoing[]
}

export type CommandTrust = Pick<
  Registry,
  | 'gateway'
  | 'bound'
  | 'bindings'
  | 'moved'
  | 'keys'
  | 'device'
  | 'versions'
  | 'server'
  | 'statement'
  | 'operators'
  | 'revocationStatements'
  | 'underRoot'
  | 'former'
  | 'revoked'
  | 'reviews'
>

/** Revocations that one hello is answered with: a gateway that knows none of many asks again with its next. */
const revocationsAtOnce = 64

/** Statements of one update at most (WIRE 1.5), and their bytes: an envelope holds 16 KiB. */
const updateLimit = { statements: 8, bytes: 15_000 }

/** Commands that one ready is answered with; the others wait for the next. */
const commandsAtOnce = 8

/** Sessions whose nonce is kept: only the newest is ever asked for, and a few may cross. */
const keptHellos = 64

/**
 * As few updates as hold these statements, in their order; what does not fit by itself is left out. The first one
 * has `taken` bytes less room, and is there for these even without a statement.
 */
function batches(statements: readonly PublicStatement[], taken: number): PublicStatement[][] {
  const all: PublicStatement[][] = taken > 0 ? [[]] : []
  let bytes = taken
  for (const one of statements) {
    const size = JSON.stringify(one).length + 1
    if (size > updateLimit.bytes) continue
    const last = all.at(-1)
    if (last === undefined || last.length === updateLimit.statements || bytes + size > updateLimit.bytes) {
      all.push([one])
      bytes = size
    } else {
      last.push(one)
      bytes += size
    }
  }
  return all
}

/** Commands and updates of this server. `mono` is the steady clock, milliseconds. */
export function makeCommander(
  store: Store,
  trust: CommandTrust,
  log: Log,
  mono: () => number = systemClock.mono,
  certificates?: Pick<Certificates, 'forHello'>,
): Commander {
  const { server } = trust
  const sessions = openSessions(mono)

  const update = (
    gateway: string,
    nonce: string,
    statements: readonly Statement[],
    certificate?: string,
  ): Outgoing[] => {
    const pem = certificate === undefined ? {} : { certificate }
    const taken = certificate === undefined ? 0 : JSON.stringify(pem).length
    return batches(statements.map(publish), taken).flatMap((batch, at) => {
      const members = { nonce, statements: batch, ...(at === 0 ? pem : {}) }
      const sealed = sealDown(trust, gateway, lastHeard(store, gateway), 'update', members)
      return sealed === undefined
        ? []
        : [{ topic: topics(server.id, gateway).down, payload: sealed.envelope }]
    })
  }

  /** Everybody whom the root certified: who signed a list or an order must be known there first. */
  const operators = (): Statement[] =>
    trust.operators().flatMap(({ name }) => trust.statement('operator', name) ?? [])

  const newer = (gateway: string, told: Versions): Statement[] => {
    const own = trust.versions(gateway)
    const lists: Statement[] = []
    const take = (statement: Statement | undefined): void => {
      if (statement !== undefined) lists.push(statement)
    }
    // what the root before had revoked is not taken under the next one any more: first that, then the next root
    if (told.revocations < own.revocations && !followsRoot(trust, gateway, told)) {
      const missing = trust.revocationStatements(told.revocations).slice(0, revocationsAtOnce)
      return [...operators(), ...missing]
    }
    // one to another server goes down with that one's entry and certificate
    if (told.binding < own.binding && trust.moved(gateway) === undefined)
      take(trust.statement('binding', gateway))
    if (told.serverEntry < own.serverEntry) take(trust.statement('server-entry', server.id))
    const signed: Statement[] = []
    const list = told.devices < own.devices ? trust.statement('device-list', gateway) : undefined
    if (list !== undefined) signed.push(list)
    if (told.revocations < own.revocations) {
      signed.push(...trust.revocationStatements(told.revocations).slice(0, revocationsAtOnce))
    }
    return signed.length === 0 ? lists : [...lists, ...operators(), ...signed]
  }

  /** What takes a gateway to the server that it belongs to by now, until it tells that it knows (WIRE 9.11). */
  const leave = (gateway: string, { nonce, versions }: HelloBody): Outgoing[] => {
    const moved = trust.moved(gateway)
    if (moved === undefined || versions.binding >= moved.version) return []
    const move = moveOf(store.db, gateway, moved.version)
    return move === undefined ? [] : update(gateway, nonce, move.statements, move.certificate)
  }

  const seal = (row: IntentRow, nonce: string): Outgoing | undefined => {
    const ends = endsDown(trust, row.gateway, lastHeard(store, row.gateway))
    if (ends === undefined) return undefined
    const { envelope } = signAndSeal(
      'command',
      { id: ends.keys.id, key: ends.keys.command },
      { id: row.gateway, box: ends.box },
      { nonce, intent: row.intent, verb: row.verb, args: argsOf(row), order: orderOf(row) },
    )
    return { topic: topics(server.id, row.gateway).down, payload: envelope }
  }

  /** A row that cannot be read, or is too large, must not keep the others from being sent. */
  const send = (row: IntentRow, nonce: string): Outgoing[] => {
    try {
      const command = seal(row, nonce)
      if (command === undefined) return []
      return row.orders === null ? [command] : [...update(row.gateway, nonce, operators()), command]
    } catch (error) {
      if (!isFault(error)) throw error
      log.error({ part: 'commands', intent: row.intent, err: error }, 'command not sent')
      return []
    }
  }

  /** What is to be sent to a gateway in a session, and was not sent in it yet. */
  const waiting = (gateway: string, token: number, now: number): IntentRow[] =>
    store.all<IntentRow>(
      `SELECT * FROM intents WHERE gateway = ? AND outcome IS NULL AND until > ?
         AND (token IS NULL OR token < ?) ORDER BY id LIMIT ?`,
      gateway,
      now,
      token,
      commandsAtOnce,
    )

  /** Sends what waits, once in a session between all workers. Inside `write`. */
  const dispatch = (gateway: string, { token, nonce }: OpenSession, now: number): Outgoing[] => {
    // nothing is said to a box that may be two (WIRE 9.13)
    if (holdOf(store, trust.reviews, gateway) !== undefined) return []
    // its commands come from the server that it belongs to (WIRE 9.11)
    if (trust.moved(gateway) !== undefined) return []
    const isOld = isBelowMinimum(store, gateway)
    return waiting(gateway, token, now).flatMap(row => {
      if (isOld && !isObeyedBelow(row.verb)) return []
      store.run('UPDATE intents SET token = ?, sent = ? WHERE id = ?', token, now, row.id)
      noteSending(store, row.intent, token, now)
      return send(row, nonce)
    })
  }

  /** Whether this is still the newest session of its gateway, and its ready has matched. Inside `write`. */
  const isPresent = (gateway: string, { token }: OpenSession): boolean => {
    const newest = store.get<{ token: number; ready: number | null }>(
      'SELECT token, ready FROM sessions WHERE gateway = ? ORDER BY token DESC LIMIT 1',
      gateway,
    )
    return newest?.token === token && newest.ready !== null
  }

  return {
    afterHello({ gateway, body, statement }) {
      const session = store.get<{ token: number }>(
        'SELECT token FROM sessions WHERE gateway = ? AND hello = ?',
        gateway,
        hex(statementHash(statement)),
      )
      if (session === undefined) return []
      const { token } = session
      const { changes } = store.run(
        'INSERT INTO hellos (gateway, token, nonce) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        gateway,
        token,
        body.nonce,
      )
      // one that comes again may be an old one: when it came first another worker knows
      if (changes > 0) sessions.began(gateway, { token, nonce: body.nonce })
      store.run('DELETE FROM hellos WHERE gateway = ? AND token <= ?', gateway, token - keptHellos)
      const certificate = certificates?.forHello(gateway, body.kid)
      const news = update(gateway, body.nonce, newer(gateway, body.versions), certificate)
      return [...news, ...leave(gateway, body)]
    },
    afterReady({ gateway, body: { token } }, now) {
      const hello = store.get<{ nonce: string }>(
        'SELECT nonce FROM hellos WHERE gateway = ? AND token = ?',
        gateway,
        token,
      )
      return hello === undefined ? [] : dispatch(gateway, { token, nonce: hello.nonce }, now)
    },
    atOnce(now) {
      const wanted = store.all<{ gateway: string }>(
        'SELECT DISTINCT gateway FROM intents WHERE outcome IS NULL AND until > ?',
        now,
      )
      if (wanted.length === 0) return []
      const fresh = sessions.fresh()
      const due = wanted.flatMap(({ gateway }): [string, OpenSession][] => {
        const session = fresh.get(gateway)
        const isDue = session !== undefined && waiting(gateway, session.token, now).length > 0
        return isDue ? [[gateway, session]] : []
      })
      if (due.length === 0) return []
      return store.write(() =>
        due.flatMap(([gateway, session]) =>
          isPresent(gateway, session) ? dispatch(gateway, session, now) : [],
        ),
      )
    },
  }
}
