import { hex, sha256 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { SigningKey } from '../wire/keys.ts'
import { type Review, signRegistry } from '../wire/registry.ts'
import { encodeBody } from '../wire/statement.ts'
import type { Registry } from './registry.ts'
import { type ActRow, actHash, actPlace } from './registry-acts.ts'
import { appendLog } from './registry-log.ts'
import { flagSubject } from './registry-reviews.ts'
import { insertStatement } from './registry-rows.ts'
import { operatorSigner } from './revoke.ts'
import type { Store } from './store.ts'

/** Whoever signs what is decided about flags: an operator, for one server. */
export interface Reviewer {
  server: string
  operator: string
  key: SigningKey
}

/** What somebody decides about a flag. */
export interface Decision {
  flag: number
  act: Review['act']
  by: string
  words: string
  /** Milliseconds since 1970. */
  at: number
  /** Of a release of a gateway: the highest session token that was given to it. */
  token?: number
}

/** The operator's key of this folder, unlocked. Faults `key.…` where it cannot be had, or is believed no more. */
export function openReviewer(state: string, registry: Registry): Reviewer {
  const key = operatorSigner(state, registry)
  const operator = registry.operators().find(one => one.key.kid === key.kid)?.name ?? registry.facts.operator
  return { server: registry.server.id, operator, key }
}

interface RaisedRow {
  id: number
  flag: string
  gateway: string | null
  device: string | null
  reading: string | null
  at: number
  detail: string
}

/** H over a flag as it was raised (WIRE 9.13), hex. Fault `flag.unknown` where there is none of this number. */
export function raisedHash(store: Store, flag: number): string {
  const row = store.get<RaisedRow>(
    `SELECT raised.id, raised.flag, raised.gateway, raised.device, readings.hash AS reading, raised.at, raised.detail
     FROM flag_acts AS raised LEFT JOIN readings ON readings.id = raised.reading
     WHERE raised.id = ? AND raised.act = 'raised'`,
    flag,
  )
  if (row === undefined) {
    throw new Fault('flag.unknown', `there is no flag ${flag}`, {
      hint: 'type: vitalgate-receiver flags list',
    })
  }
  const { id, flag: name, gateway, device, reading, at, detail } = row
  return hex(sha256(encodeBody({ id, flag: name, gateway, device, reading, at, detail })))
}

/**
 * Appends what was decided about a flag: the operator's signed words, the act, and the entries of the log about
 * both. Inside `write`. Fault `flag.unknown`.
 */
export function appendReview(store: Store, reviewer: Reviewer, decision: Decision): void {
  const { flag, act, by, words, at, token = 0 } = decision
  const { server, operator, key } = reviewer
  const subject = flagSubject(flag)
  const last = store.get<{ version: number | null }>(
    "SELECT max(version) AS version FROM statements WHERE type = 'review' AND subject = ?",
    subject,
  )
  const version = (last?.version ?? 0) + 1
  const raised = raisedHash(store, flag)
  const statement = signRegistry(
    'review',
    { operator, server, flag, version, raised, act, by, words, token, at },
    key,
  )
  insertStatement(store.db, { subject, version, statement, at, actor: by })
  const { lastInsertRowid } = store.run(
    `INSERT INTO flag_acts (act, about, flag, gateway, device, reading, at, actor, detail)
     SELECT ?, id, flag, gateway, device, reading, ?, ?, ? FROM flag_acts WHERE id = ?`,
    act,
    at,
    by,
    words,
    flag,
  )
  const row: ActRow = { id: Number(lastInsertRowid), act, about: flag, at, actor: by, detail: words }
  appendLog(store.db, { at, actor: by, act, subject: actPlace(row), hash: actHash(row) })
}

/** What operators signed, by the number of the flag. */
export type Reviews = Registry['reviews']

/** Nothing was signed: for whoever does not need to know what was done about a flag. */
export const unreviewed: Reviews = () => []

/** What was signed about a flag and is about it as it stands: not about one whose row was changed since. */
export function provenReviews(store: Store, reviews: Reviews, flag: number): readonly Review[] {
  const said = reviews(flag)
  if (said.length === 0) return said
  const raised = raisedHash(store, flag)
  return said.filter(one => one.flag === flag && one.raised === raised)
}

/** What an operator signed in the very words of a row; undefined where nobody did. */
export const signedAs = (
  proven: readonly Review[],
  { act, at, actor, detail }: Pick<ActRow, 'act' | 'at' | 'actor' | 'detail'>,
): Review | undefined =>
  proven.find(one => one.act === act && one.at === at && one.by === actor && one.words === detail)
