import type Database from 'better-sqlite3'
import { hex } from '../base/bytes.ts'
import type { Place } from '../wire/members.ts'
import { type Statement, statementHash } from '../wire/statement.ts'
import type { Store } from './store.ts'
import type { Proven, Trust } from './verify.ts'

/** Whoever signed a statement, and what he says in it: its members may still be of any shape. */
export interface Speaker {
  gateway: string
  kid: string
  statement: Statement
  members: Record<string, unknown>
  /** H(envelope), hex. */
  hash: string
}

/** What a key is believed in: this, no more, or no more and yet honest, for it only comes late. */
export type KeyJudgement = 'believed' | 'former' | 'late'

const turnQuery = 'SELECT coalesce(max(version), 0) AS version FROM key_turns WHERE gateway = ?'

/** The highest binding under whose key a gateway has spoken; 0 before the first was noted. */
export const turnedTo = (db: Database.Database, gateway: string): number =>
  db.prepare<[string], { version: number }>(turnQuery).get(gateway)?.version ?? 0

/**
 * Whether a key still counts for what it signed (WIRE 9.9). To be asked inside the transaction that takes the
 * statement, in the order in which statements are taken: another worker may have heard the later key meanwhile.
 */
export function judgeKey(store: Store, trust: Trust, speaker: Speaker): KeyJudgement {
  const { gateway, kid, statement } = speaker
  if (trust.bindings(gateway).length < 2) return 'believed'
  const version = trust.bound(gateway, kid)?.version ?? 0
  const turn = store.get<{ version: number }>(turnQuery, gateway)
  if (version >= (turn?.version ?? 0)) return 'believed'
  if (statement.type === 'hello') return judgeHello(store, speaker, version)
  if (statement.type === 'ready') return isReadyOfOurs(store, speaker) ? 'late' : 'former'
  if (isHeld(store, speaker) || isNamed(store, trust, speaker, version)) return 'believed'
  return 'former'
}

/** The same hello again changes nothing; another one is late where its own boot tells that it was said before. */
function judgeHello(store: Store, { gateway, members, statement }: Speaker, version: number): KeyJudgement {
  const known = store.get(
    'SELECT 1 FROM sessions WHERE gateway = ? AND hello = ?',
    gateway,
    hex(statementHash(statement)),
  )
  if (known !== undefined) return 'believed'
  const { boot, mono } = (members.clock ?? {}) as Record<string, unknown>
  if (typeof boot !== 'string' || typeof mono !== 'number') return 'former'
  const later = store.get(
    'SELECT 1 FROM key_turns WHERE gateway = ? AND version > ? AND boot = ? AND mono > ?',
    gateway,
    version,
    boot,
    mono,
  )
  return later === undefined ? 'former' : 'late'
}

/** Whether its envelope is kept, at the place that it names. */
function isHeld(store: Store, { gateway, members, hash }: Speaker): boolean {
  const { epoch, seq } = members
  if (typeof epoch !== 'string' || typeof seq !== 'number') return false
  const held = store.get(
    'SELECT 1 FROM chains WHERE gateway = ? AND epoch = ? AND seq = ? AND hash = ?',
    gateway,
    epoch,
    seq,
    hash,
  )
  return held !== undefined
}

/** Whether it answers a welcome of this server: such a one is late and does no harm. */
function isReadyOfOurs(store: Store, { gateway, members }: Speaker): boolean {
  const { serverNonce, token, seen } = members
  if (typeof serverNonce !== 'string' || typeof token !== 'number' || typeof seen !== 'string') return false
  const session = store.get(
    'SELECT 1 FROM sessions WHERE gateway = ? AND server_nonce = ? AND token = ? AND seen = ?',
    gateway,
    serverNonce,
    token,
    seen,
  )
  return session !== undefined
}

/** Whether a later key vouched for the place, in an epoch that no later key opened: an epoch has one key (WIRE 5.1). */
function isNamed(store: Store, trust: Trust, { gateway, members }: Speaker, version: number): boolean {
  const { epoch, seq } = members
  if (typeof epoch !== 'string' || typeof seq !== 'number') return false
  const end = store.get<{ seq: number | null }>(
    'SELECT max(seq) AS seq FROM named_ends WHERE gateway = ? AND epoch = ? AND version > ?',
    gateway,
    epoch,
    version,
  )
  if (seq > (end?.seq ?? 0)) return false
  const openers = store.all<{ kid: string }>(
    'SELECT DISTINCT kid FROM branches WHERE gateway = ? AND epoch = ?',
    gateway,
    epoch,
  )
  return openers.every(({ kid }) => (trust.bound(gateway, kid)?.version ?? 0) <= version)
}

/**
 * Notes under which binding a gateway speaks, and the places that it vouches for: those that its hello or
 * epoch-open names, but for the epochs of this very key. Inside the transaction that takes the statement.
 */
export function noteTurn(store: Store, trust: Trust, { gateway, type, body }: Proven, now: number): void {
  if ((type !== 'hello' && type !== 'epoch-open') || trust.bindings(gateway).length < 2) return
  const bound = trust.bound(gateway, body.kid)
  if (bound === undefined) return
  const { boot, mono } = type === 'hello' ? body.clock : body.time
  const { version } = bound
  store.run(
    'INSERT INTO key_turns (gateway, version, boot, mono, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    gateway,
    version,
    boot,
    mono,
    now,
  )
  const named: Place[] = type === 'hello' ? body.epochs : [body.before ?? []].flat()
  for (const { epoch, seq } of named) {
    store.run(
      `INSERT INTO named_ends (gateway, epoch, version, seq) SELECT ?, ?, ?, ?
       WHERE NOT EXISTS (SELECT 1 FROM branches WHERE gateway = ? AND epoch = ? AND kid = ?)
       ON CONFLICT DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq`,
      gateway,
      epoch,
      version,
      seq,
      gateway,
      epoch,
      body.kid,
    )
  }
}

/**
 * The lowest place of an epoch that was claimed under another key than the one that opens it now: an epoch has one
 * key (WIRE 5.1), and whoever holds a former one may have come first.
 */
export function firstOfOtherKey(
  store: Store,
  trust: Trust,
  { gateway, body }: Proven & { type: 'epoch-open' },
): number | undefined {
  if (trust.bindings(gateway).length < 2) return undefined
  const row = store.get<{ seq: number | null }>(
    'SELECT min(seq) AS seq FROM chains WHERE gateway = ? AND epoch = ? AND kid <> ?',
    gateway,
    body.epoch,
    body.kid,
  )
  return row?.seq ?? undefined
}
