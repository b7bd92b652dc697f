import { hex } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import { signAndSeal } from '../wire/message.ts'
import type { Versions } from '../wire/session.ts'
import { type PublicStatement, publish, type Statement, statementHash } from '../wire/statement.ts'
import { topics } from '../wire/topics.ts'
import { argsOf, type IntentRow, orderOf } from './commands.ts'
import { type Outgoing, sealDown } from './receipts.ts'
import type { Registry } from './registry.ts'
import type { Store } from './store.ts'
import type { Proven } from './verify.ts'

/** What goes down besides welcomes and receipts: statements of the registry, and commands. Each inside `write`. */
export interface Commander {
  /** Hands over what is newer than the hello tells (WIRE 7.11). */
  afterHello(hello: Proven & { type: 'hello' }): Outgoing[]
  /** Sends what waits, once the ready of this session has matched (WIRE 7.12). */
  afterReady(ready: Proven & { type: 'ready' }, now: number): Outgoing[]
}

export type CommandTrust = Pick<
  Registry,
  | 'gateway'
  | 'device'
  | 'versions'
  | 'server'
  | 'statement'
  | 'operators'
  | 'revocationStatements'
  | 'former'
  | 'revoked'
>

/** Revocations that one hello is answered with: a gateway that knows none of many asks again with its next. */
const revocationsAtOnce = 64

/** Statements of one update at most (WIRE 1.5), and their bytes: an envelope holds 16 KiB. */
const updateLimit = { statements: 8, bytes: 15_000 }

/** Commands that one ready is answered with; the others wait for the next. */
const commandsAtOnce = 8

/** Sessions whose nonce is kept: only the newest is ever asked for, and a few may cross. */
const keptHellos = 64

/** As few updates as hold these statements, in their order; what does not fit by itself is left out. */
function batches(statements: readonly PublicStatement[]): PublicStatement[][] {
  const all: PublicStatement[][] = []
  let bytes = 0
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

/** Commands and updates of this server. */
export function makeCommander(store: Store, trust: CommandTrust, log: Log): Commander {
  const { server } = trust

  const update = (gateway: string, nonce: string, statements: readonly Statement[]): Outgoing[] =>
    batches(statements.map(publish)).flatMap(batch => {
      const sealed = sealDown(trust, gateway, 'update', { nonce, statements: batch })
      return sealed === undefined
        ? []
        : [{ topic: topics(server.id, gateway).down, payload: sealed.envelope }]
    })

  /** Everybody whom the root certified: who signed a list or an order must be known there first. */
  const operators = (): Statement[] =>
    trust.operators().flatMap(({ name }) => trust.statement('operator', name) ?? [])

  const newer = (gateway: string, told: Versions): Statement[] => {
    const own = trust.versions(gateway)
    const lists: Statement[] = []
    const take = (statement: Statement | undefined): void => {
      if (statement !== undefined) lists.push(statement)
    }
    if (told.binding < own.binding) take(trust.statement('binding', gateway))
    if (told.serverEntry < own.serverEntry) take(trust.statement('server-entry', server.id))
    const signed: Statement[] = []
    const list = told.devices < own.devices ? trust.statement('device-list', gateway) : undefined
    if (list !== undefined) signed.push(list)
    if (told.revocations < own.revocations) {
      signed.push(...trust.revocationStatements(told.revocations).slice(0, revocationsAtOnce))
    }
    return signed.length === 0 ? lists : [...lists, ...operators(), ...signed]
  }

  const seal = (row: IntentRow, nonce: string): Outgoing | undefined => {
    const enrolled = trust.gateway(row.gateway)
    if (enrolled === undefined) return undefined
    const { envelope } = signAndSeal(
      'command',
      { id: server.id, key: server.command },
      { id: row.gateway, box: enrolled.boxPublic },
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

  return {
    afterHello({ gateway, body, statement }) {
      const session = store.get<{ token: number }>(
        'SELECT token FROM sessions WHERE gateway = ? AND hello = ?',
        gateway,
        hex(statementHash(statement)),
      )
      if (session === undefined) return []
      const { token } = session
      store.run(
        'INSERT INTO hellos (gateway, token, nonce) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        gateway,
        token,
        body.nonce,
      )
      store.run('DELETE FROM hellos WHERE gateway = ? AND token <= ?', gateway, token - keptHellos)
      return update(gateway, body.nonce, newer(gateway, body.versions))
    },
    afterReady({ gateway, body: { token } }, now) {
      const hello = store.get<{ nonce: string }>(
        'SELECT nonce FROM hellos WHERE gateway = ? AND token = ?',
        gateway,
        token,
      )
      if (hello === undefined) return []
      const rows = store.all<IntentRow>(
        `SELECT * FROM intents WHERE gateway = ? AND outcome IS NULL AND until > ?
           AND (token IS NULL OR token < ?) ORDER BY id LIMIT ?`,
        gateway,
        now,
        token,
        commandsAtOnce,
      )
      return rows.flatMap(row => {
        store.run('UPDATE intents SET token = ?, sent = ? WHERE id = ?', token, now, row.id)
        return send(row, hello.nonce)
      })
    },
  }
}
