import type Database from 'better-sqlite3'
import { hex, sha256, unhex } from '../base/bytes.ts'
import { encodeBody } from '../wire/statement.ts'

/** What was done with the registry: a closed list. */
export type LogAct =
  | 'entered'
  | 'enrolled'
  | 'waiting'
  | 'released'
  | 'removed'
  | 'reviewed'
  | 'minimum'
  | 'renewed'
  | 'forgotten'
  | 'moved'

/** One act on the registry. */
export interface LogEntry {
  /** From 1, without gaps. */
  number: number
  /** Milliseconds since 1970. */
  at: number
  actor: string
  act: LogAct
  /** What it was done with, as people read it. */
  subject: string
  /** H(PAE) of the statement, or the hash of the row or envelope that it is about; hex. */
  hash: string | null
}

/** An entry with head(number): `H("VG1 registry" | head(number-1) | H(entry))`, hex. */
export interface Logged extends LogEntry {
  head: string
}

/** head(0): what the first entry follows. */
export const firstHead = '0'.repeat(64)

/** The head after an entry: over its compact JSON, members in this order. */
export function nextLogHead(before: string, entry: LogEntry): string {
  const { number, at, actor, act, subject, hash } = entry
  const bytes = encodeBody({ number, at, actor, act, subject, hash })
  return hex(sha256('VG1 registry', unhex(before), sha256(bytes)))
}

/** The newest entry; undefined before the first. */
export const lastLogged = (db: Database.Database): Logged | undefined =>
  db.prepare<[], Logged>('SELECT * FROM registry_log ORDER BY number DESC LIMIT 1').get()

/** Appends an act. Call it inside the transaction of the act itself: both are there or neither. */
export function appendLog(db: Database.Database, entry: Omit<LogEntry, 'number'>): Logged {
  const last = lastLogged(db)
  const numbered: LogEntry = { ...entry, number: (last?.number ?? 0) + 1 }
  const logged = { ...numbered, head: nextLogHead(last?.head ?? firstHead, numbered) }
  const { number, at, actor, act, subject, hash, head } = logged
  db.prepare(
    'INSERT INTO registry_log (number, at, actor, act, subject, hash, head) VALUES (?, ?, ?, ?, ?, ?, ?)',
  ).run(number, at, actor, act, subject, hash, head)
  return logged
}

/** The newest entries, oldest first; all of them without a limit. */
export const readLog = (db: Database.Database, limit = -1): Logged[] =>
  db.prepare<[number], Logged>('SELECT * FROM registry_log ORDER BY number DESC LIMIT ?').all(limit).reverse()
