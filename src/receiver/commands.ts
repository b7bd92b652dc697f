import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { hex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { ResultBody } from '../wire/chained.ts'
import type { Args } from '../wire/members.ts'
import { publicForm, signRegistry } from '../wire/registry.ts'
import { type PublicStatement, publish } from '../wire/statement.ts'
import { type VerbName, verbs } from '../wire/verbs.ts'
import { excuseCrossed } from './command-sendings.ts'
import type { Registry } from './registry.ts'
import { operatorSigner } from './revoke.ts'
import { count, type Store } from './store.ts'

/** How long an intent stands; afterwards it is not sent any more (DESIGN 7a.10 gives each sending five minutes). */
export const standsMs = 900_000

/** Where a command is: `expired` had no answer in its time, and a late one still counts. */
export type CommandState = 'waiting' | 'sent' | 'done' | 'failed' | 'interrupted' | 'refused' | 'expired'

/** A command as people and `--json` see it. */
export interface CommandLine {
  intent: string
  gateway: string
  verb: string
  args: Args
  by: string
  state: CommandState
  made: string
  until: string
  sent: string | null
  ended: string | null
  /** What the gateway told of it; where it refused, `why` is the name of the check. */
  detail: Args
}

/** A row of `intents`. */
export interface IntentRow {
  id: number
  intent: string
  gateway: string
  verb: string
  args: string
  orders: string | null
  actor: string
  made: number
  until: number
  token: number | null
  sent: number | null
  outcome: 'done' | 'failed' | 'interrupted' | 'refused' | null
  detail: string | null
  ended: number | null
}

/** What somebody wants of a gateway. */
export interface Wanted {
  gateway: string
  verb: VerbName
  args: Args
  actor: string
  now: number
  /** A person carries its order to the box, and it stands for so long, milliseconds; it is not sent then. */
  carriedMs?: number | undefined
}

/** What an operator's key of this folder says of a dangerous command; null for any other. */
function orderFor(
  state: string,
  registry: Registry,
  { gateway, verb, args, now, carriedMs = standsMs }: Wanted,
  intent: string,
): PublicStatement | null {
  if (!verbs[verb].dangerous) return null
  const key = operatorSigner(state, registry)
  const operator = registry.operators().find(one => one.key.kid === key.kid)?.name ?? registry.facts.operator
  const order = { operator, gateway, intent, verb, args, made: now, until: now + carriedMs }
  return publish(signRegistry('order', order, key))
}

/**
 * Stores an intent, with an operator's order where the verb is dangerous, before anything of it is sent; gives its
 * id. Faults `key.…` where the operator's key cannot be had, or is believed no more.
 */
export function storeIntent(state: string, store: Store, registry: Registry, wanted: Wanted): string {
  const { gateway, verb, args, actor, now, carriedMs } = wanted
  const moved = registry.moved(gateway)
  if (moved !== undefined) {
    throw new Fault('registry.moved', `gateway ${gateway} belongs to server ${moved.server} by now`, {
      hint: 'send the command there: this server is obeyed no more',
    })
  }
  const intent = hex(randomBytes(16))
  const order = orderFor(state, registry, wanted, intent)
  store.write(() =>
    store.run(
      `INSERT INTO intents (intent, gateway, verb, args, orders, actor, made, until, token, sent)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      intent,
      gateway,
      verb,
      JSON.stringify(args),
      order === null ? null : JSON.stringify(order),
      actor,
      now,
      now + (carriedMs ?? standsMs),
      // it went out by hand: no session is later than this
      ...(carriedMs === undefined ? [null, null] : [Number.MAX_SAFE_INTEGER, now]),
    ),
  )
  return intent
}

const argsForm = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))

function parsed<T>(form: z.ZodType<T>, text: string, intent: string): T {
  try {
    return form.parse(JSON.parse(text))
  } catch (cause) {
    throw new Fault('store.damaged', `command ${intent} cannot be read`, { cause })
  }
}

/** What a row says of arguments and order. */
export const argsOf = ({ args, intent }: IntentRow): Args => parsed(argsForm, args, intent)
export const orderOf = ({ orders, intent }: IntentRow): PublicStatement | null =>
  orders === null ? null : parsed(publicForm, orders, intent)

const timeOf = (at: number): string => new Date(at).toISOString()

/** A row as it stands at this moment. */
export function commandLine(row: IntentRow, now: number): CommandLine {
  const open = now >= row.until ? 'expired' : row.token === null ? 'waiting' : 'sent'
  return {
    intent: row.intent,
    gateway: row.gateway,
    verb: row.verb,
    args: argsOf(row),
    by: row.actor,
    state: row.outcome ?? open,
    made: timeOf(row.made),
    until: timeOf(row.until),
    sent: row.sent === null ? null : timeOf(row.sent),
    ended: row.ended === null ? null : timeOf(row.ended),
    detail: row.detail === null ? {} : parsed(argsForm, row.detail, row.intent),
  }
}

/** A command by its id. */
export const readIntent = (store: Store, intent: string): IntentRow | undefined =>
  store.get<IntentRow>('SELECT * FROM intents WHERE intent = ?', intent)

/** The command that an intent or its beginning (8 digits or more) names; undefined for none, or more than one. */
export function findIntent(store: Store, prefix: string): IntentRow | undefined {
  if (!/^[0-9a-f]{8,32}$/.test(prefix)) return undefined
  const rows = store.all<IntentRow>(
    'SELECT * FROM intents WHERE substr(intent, 1, ?) = ? LIMIT 2',
    prefix.length,
    prefix,
  )
  return rows.length === 1 ? rows[0] : undefined
}

/** The newest commands, the newest last; of one gateway if it is named. */
export const listIntents = (store: Store, gateway: string | undefined, limit: number): IntentRow[] =>
  store
    .all<IntentRow>(
      'SELECT * FROM intents WHERE ? IS NULL OR gateway = ? ORDER BY id DESC LIMIT ?',
      gateway ?? null,
      gateway ?? null,
      limit,
    )
    .reverse()

/** A gateway's chained result: the first one closes its command, whatever was believed before. Inside `write`. */
export function takeResult(store: Store, gateway: string, body: ResultBody, now: number): void {
  const { changes } = store.run(
    `UPDATE intents SET outcome = ?, detail = ?, ended = ?
     WHERE intent = ? AND gateway = ? AND (outcome IS NULL OR outcome = 'refused')`,
    body.outcome,
    JSON.stringify(body.detail),
    now,
    body.intent,
    gateway,
  )
  if (changes > 0) return
  const known = readIntent(store, body.intent)?.gateway === gateway
  count(store, known ? 'RESULT_AGAIN' : 'RESULT_UNASKED', gateway, now)
}

/**
 * Whose a command was that a gateway did not obey: nobody's that we know, ours, or ours and refused for an honest
 * reason: it crossed the next connection, or the gateway had been told of a lowest version that does not hold any more.
 */
export type Refused = 'unknown' | 'ours' | 'honest'

/** A gateway says that it did not obey. Inside `write`. */
export function takeRefusal(
  store: Store,
  gateway: string,
  { why, intent, count: times }: { why: string; intent: string | null; count: number },
  now: number,
): Refused {
  if (intent === null) return 'unknown'
  // it was not obeyed, so it may be sent again: with the next ready, as any that waits
  if (why === 'command.replayed' && times === 1 && excuseCrossed(store, gateway, intent)) return 'honest'
  const { changes } = store.run(
    `UPDATE intents SET outcome = 'refused', detail = ?, ended = ?
     WHERE intent = ? AND gateway = ? AND outcome IS NULL AND sent IS NOT NULL`,
    JSON.stringify({ why }),
    now,
    intent,
    gateway,
  )
  if (changes === 0) return 'unknown'
  return why === 'command.outdated' && times === 1 ? 'honest' : 'ours'
}
