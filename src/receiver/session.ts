import { hex } from '../base/bytes.ts'
import { isBelow } from '../base/version.ts'
import { holesLimit } from '../wire/members.ts'
import { makeNonce, seenHash } from '../wire/session.ts'
import { statementHash } from '../wire/statement.ts'
import { topics } from '../wire/topics.ts'
import { confirmHeard, keepHeard, lastHeard } from './heard.ts'
import { holdOf, releasedToken } from './hold.ts'
import { readMinimum } from './minimum.ts'
import { type Extent, extentAsked, type Outgoing, sealDown } from './receipts.ts'
import { count, type Store } from './store.ts'
import { raiseOnce } from './suspicion.ts'
import type { Proven, Trust } from './verify.ts'

/** Sessions of a gateway that are kept, the newest. A hello of one gets the same bytes again (WIRE 7.2). */
const keptSessions = 64

/**
 * A hello and a ready of one box may cross for as long as a hello is on its way; only what was confirmed
 * longer before a hello came must be known to it (WIRE 7.4).
 */
const crossingMs = 60_000

/** Above this no token of a gateway is followed: it must stay a safe integer for ever (WIRE 1.5). */
const tokenLimit = 2 ** 52

/** Answers a hello (WIRE 7.2); the same hello gets the same bytes. Inside `write`. */
export function takeHello(
  store: Store,
  trust: Trust,
  hello: Proven & { type: 'hello' },
  now: number,
): Outgoing[] {
  const { gateway, body } = hello
  const topic = topics(trust.server.id, gateway).down
  const name = hex(statementHash(hello.statement))
  const known = store.get<{ welcome: Uint8Array }>(
    'SELECT welcome FROM sessions WHERE gateway = ? AND hello = ?',
    gateway,
    name,
  )
  if (known !== undefined) return [{ topic, payload: known.welcome }]

  noteRollback(store, trust, hello, now)
  const token = nextToken(store, gateway, body.token)
  const serverNonce = makeNonce()
  keepHeard(store, gateway, body, name, now)
  const welcome = sealDown(trust, gateway, lastHeard(store, gateway), 'welcome', {
    nonce: body.nonce,
    serverNonce,
    epochs: answersTo(store, hello, trust.server.id),
    status: holdOf(store, trust.reviews, gateway) === undefined ? 'ok' : 'hold',
    token,
    time: now,
    minVersion: readMinimum(store).version,
    versions: trust.versions(gateway),
  })
  if (welcome === undefined) return []
  store.run(
    `INSERT INTO sessions (gateway, hello, told, token, server_nonce, seen, welcome, software, drivers, versions, at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    gateway,
    name,
    body.token,
    token,
    serverNonce,
    seenHash(hello.statement, welcome.statement),
    welcome.envelope,
    body.software,
    body.drivers,
    JSON.stringify(body.versions),
    now,
  )
  store.run(
    `DELETE FROM sessions WHERE gateway = ? AND token <=
       (SELECT token FROM sessions WHERE gateway = ? ORDER BY token DESC LIMIT 1 OFFSET ?)`,
    gateway,
    gateway,
    keptSessions,
  )
  return [{ topic, payload: welcome.envelope }]
}

const versionNames = {
  binding: 'binding',
  serverEntry: 'server entry',
  devices: 'device list',
  revocations: 'revocation',
} as const

/** What a gateway knows and this registry does not know yet, or no more: it was set back (WIRE 9.7). */
function noteRollback(
  store: Store,
  trust: Trust,
  { gateway, body }: Proven & { type: 'hello' },
  at: number,
): void {
  const ours = trust.versions(gateway)
  const ahead = (Object.keys(versionNames) as (keyof typeof versionNames)[])
    .filter(what => body.versions[what] > ours[what])
    .map(what => `${versionNames[what]} ${body.versions[what]}, here it is ${ours[what]}`)
  if (ahead.length === 0) return
  raiseOnce(store, { flag: 'REGISTRY_ROLLBACK', gateway, detail: `it knows ${ahead.join('; ')}`, at })
}

/** The answer to each epoch of a hello; the holes that a welcome has room for go to the oldest (WIRE 7.2). */
function answersTo(store: Store, { gateway, body }: Proven & { type: 'hello' }, server: string): Extent[] {
  let room: number = holesLimit.welcome
  return body.epochs.map(({ epoch, ...asked }) => {
    const answer = extentAsked(store, { gateway, epoch, kid: body.kid }, asked, server, room)
    room -= answer.holes.length
    return answer
  })
}

/**
 * A token above all that were given, and above the gateway's: a restored server has forgotten some of its
 * own (DESIGN 7a.9).
 */
function nextToken(store: Store, gateway: string, told: number): number {
  const last = store.get<{ token: number | null }>(
    'SELECT max(token) AS token FROM sessions WHERE gateway = ?',
    gateway,
  )
  return Math.max(last?.token ?? 0, told < tokenLimit ? told : 0) + 1
}

/** Judges a ready: whether it saw the very hello and welcome of its session (WIRE 7.4). Inside `write`. */
export function takeReady(
  store: Store,
  trust: Pick<Trust, 'reviews'>,
  { gateway, body }: Proven & { type: 'ready' },
  now: number,
): boolean {
  const session = store.get<Session>(
    `SELECT id, hello, told, token, at, ready FROM sessions
     WHERE gateway = ? AND server_nonce = ? AND token = ? AND seen = ?`,
    gateway,
    body.serverNonce,
    body.token,
    body.seen,
  )
  if (session === undefined) {
    count(store, 'READY_UNMATCHED', gateway, now)
    return false
  }
  if (session.ready !== null) return true
  store.run('UPDATE sessions SET ready = ? WHERE id = ?', now, session.id)
  confirmHeard(store, gateway, session.hello)
  const missed = missedToken(store, trust, gateway, session)
  if (missed !== undefined) {
    const detail = `it knows session ${session.told}, though session ${missed} was confirmed in its name`
    raiseOnce(store, { flag: 'CLONE_SUSPECT', gateway, detail, at: now })
  }
  return true
}

interface Session {
  id: number
  hello: string
  told: number
  token: number
  at: number
  ready: number | null
}

/**
 * The token that the key of this gateway confirmed and this box does not know: two have the key, or its disk
 * went back in time. A token of its own that is confirmed it has on disk before (WIRE 7.4), so an honest box
 * tells it in every later hello; a box whose disk was lost tells 0 once, which accuses nobody.
 */
function missedToken(
  store: Store,
  trust: Pick<Trust, 'reviews'>,
  gateway: string,
  { told, token, at }: Session,
): number | undefined {
  if (told === 0) return undefined
  const missed = store.get<{ token: number }>(
    `SELECT token FROM sessions WHERE gateway = ? AND token > ? AND token < ? AND ready <= ?
     ORDER BY token DESC LIMIT 1`,
    gateway,
    told,
    token,
    at - crossingMs,
  )
  if (missed === undefined) return undefined
  // a person has looked into that one, and released the gateway (WIRE 9.13)
  return missed.token > releasedToken(store, trust.reviews, gateway) ? missed.token : undefined
}

/** When a gateway last said hello, and with which software; undefined if it never did. */
export const lastSeen = (
  store: Store,
  gateway: string,
): { at: number; software: string; ready: number | null } | undefined =>
  store.get('SELECT at, software, ready FROM sessions WHERE gateway = ? ORDER BY token DESC LIMIT 1', gateway)

/** Whether the last handshake of a gateway told a lower version than this server wants. */
export function isBelowMinimum(store: Store, gateway: string): boolean {
  const seen = lastSeen(store, gateway)
  return seen !== undefined && isBelow(seen.software, readMinimum(store).version)
}
