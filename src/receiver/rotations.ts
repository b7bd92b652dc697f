import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type VerifyKey, verifyKey } from '../wire/keys.ts'
import { bodyOf } from '../wire/message.ts'
import { type Request, verifyRegistry } from '../wire/registry.ts'
import {
  decodeBody,
  isSignedBy,
  type PublicStatement,
  publish,
  type Statement,
  unpublish,
} from '../wire/statement.ts'
import type { Registry } from './registry.ts'
import { turnedTo } from './registry-former.ts'
import { count, type Store } from './store.ts'
import type { Proven, Trust } from './verify.ts'

/** New keys that a gateway proposed (WIRE 9.9), with the signed event that says so. */
export interface RotationRow {
  id: number
  gateway: string
  /** Key id of the new signing key. */
  kid: string
  /** Key id of the one that signed the event. */
  by_kid: string
  /** The request's JSON text. */
  request: string
  body: Uint8Array
  signature: Uint8Array
  at: number
}

/** A request as far as it can be checked at once: its form, the keys in it, and its signature. Faults `wire.*`. */
function requestIn(form: PublicStatement): { body: Request; key: VerifyKey } {
  const statement = unpublish(form)
  const { sign } = (decodeBody(statement.body).keys ?? {}) as { sign?: unknown }
  if (typeof sign !== 'string') throw new Fault('wire.malformed', 'request names no signing key')
  const key = verifyKey(unbase64url(sign))
  return { body: verifyRegistry('request', statement, key), key }
}

/** What this event proposes: the new signing key, and the request as text. Undefined where it is not in order. */
function proposed(gateway: string, form: PublicStatement): { kid: string; request: string } | undefined {
  try {
    const { body, key } = requestIn(form)
    const request = JSON.stringify(publish(unpublish(form)))
    return body.gateway === gateway ? { kid: key.kid, request } : undefined
  } catch (error) {
    if (isFault(error) && (error.code.startsWith('wire.') || error.code === 'input.invalid')) return undefined
    throw error
  }
}

type Proposing = Proven & { type: 'event' } & { body: { event: 'keys-proposed' } }

/** Keeps proposed keys until the root signs a binding for them; the same again is one. Inside `write`. */
export function recordRotation(store: Store, event: Proposing, now: number): void {
  const { gateway, body, statement } = event
  const found = proposed(gateway, body.detail.request)
  if (found === undefined) count(store, 'ROTATION_UNFIT', gateway, now)
  else insertRotation(store, { gateway, ...found, by: body.kid, statement, at: now })
}

/** Appends what a gateway proposed by a proven event; the same request again is one. Inside `write`. */
export function insertRotation(
  store: Store,
  row: { gateway: string; kid: string; by: string; request: string; statement: Statement; at: number },
): void {
  const { gateway, kid, by, request, statement, at } = row
  store.run(
    `INSERT INTO rotations (gateway, kid, by_kid, request, body, signature, at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
    ...[gateway, kid, by, request, statement.body, statement.signature, at],
  )
}

/** The event that proposed it, in memory of our own. */
export const proposalOf = ({ body, signature }: RotationRow): Statement => ({
  type: 'event',
  body: Uint8Array.from(body),
  signature: Uint8Array.from(signature),
})

/**
 * Whether this key of this gateway signed a proposal of exactly this request for this server, and when, by the
 * gateway's clock; undefined if it did not.
 */
export function proposalSays(
  statement: Statement,
  wanted: { gateway: string; server: string; request: string; key: VerifyKey },
): { wall: number } | undefined {
  const { gateway, server, request, key } = wanted
  if (statement.type !== 'event' || !isSignedBy(statement, key)) return undefined
  try {
    const body = bodyOf('event', decodeBody(statement.body)) as Proposing['body']
    const same =
      body.event === 'keys-proposed' &&
      body.iss === gateway &&
      body.aud === server &&
      body.kid === key.kid &&
      JSON.stringify(publish(unpublish(body.detail.request))) === request
    return same ? { wall: body.time.wall } : undefined
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

type Known = Pick<Trust, 'bound' | 'revoked'> & { server: Pick<Registry['server'], 'id'> }

/**
 * The newest keys that a gateway proposed, if a binding for them may still be signed: the key that proposed them
 * counts, and they are neither bound nor revoked.
 */
export function waitingRotation(store: Store, registry: Known, gateway: string): RotationRow | undefined {
  const row = store.get<RotationRow>(
    'SELECT * FROM rotations WHERE gateway = ? ORDER BY id DESC LIMIT 1',
    gateway,
  )
  if (row === undefined || registry.bound(gateway, row.kid) !== undefined) return undefined
  const by = registry.bound(gateway, row.by_kid)
  if (by === undefined || by.version < turnedTo(store.db, gateway)) return undefined
  const isRevoked = [row.kid, row.by_kid].some(kid => registry.revoked(kid) !== undefined)
  return isRevoked ? undefined : row
}

/** What waits of all gateways, oldest first. */
export const waitingRotations = (store: Store, registry: Known): RotationRow[] =>
  store
    .all<{ gateway: string }>('SELECT DISTINCT gateway FROM rotations ORDER BY gateway')
    .flatMap(({ gateway }) => waitingRotation(store, registry, gateway) ?? [])
    .sort((a, b) => a.id - b.id)

/** The proposal of this very request, whatever became of it. */
export const rotationOf = (store: Store, gateway: string, request: string): RotationRow | undefined =>
  store.get<RotationRow>('SELECT * FROM rotations WHERE gateway = ? AND request = ?', gateway, request)
