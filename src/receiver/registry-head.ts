import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { z } from 'zod'
import { Fault } from '../base/fault.ts'
import { isThere, readSecretFile, writeSecretFile } from '../base/files.ts'
import { hash, seq } from '../wire/members.ts'
import { lastLogged } from './registry-log.ts'

/** A place in the log that somebody has seen. */
const headForm = z.strictObject({ number: seq, head: hash })
export type SeenHead = z.infer<typeof headForm>

/** Outside the database: whoever rewrites that alone, or sets it back, leaves this behind. */
export const headPath = (state: string): string => join(state, 'registry.head')

/** Where the log ended when a command last looked; undefined before the first. Fault `store.damaged`. */
export function readHead(state: string): SeenHead | undefined {
  const path = headPath(state)
  if (!isThere(path)) return undefined
  try {
    return headForm.parse(JSON.parse(readSecretFile(path).toString('utf8')))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('store.damaged', `${path} is damaged`, {
      hint: 'type: vitalgate-receiver registry verify; if it finds nothing else, remove the file',
      cause,
    })
  }
}

/** Whether the log holds this very entry. */
export const holdsHead = (db: Database.Database, { number, head }: SeenHead): boolean =>
  db
    .prepare<[number, string], 1>('SELECT 1 FROM registry_log WHERE number = ? AND head = ?')
    .get(number, head) !== undefined

/**
 * Remembers where the log ends. Not where what was remembered before is no longer in the log: that stays, until
 * a person has looked (`registry verify`) and removed the file.
 */
export function keepHead(
  state: string,
  db: Database.Database,
  last: SeenHead | undefined = lastLogged(db),
): void {
  if (last === undefined) return
  const seen = readHead(state)
  if (seen?.head === last.head || (seen !== undefined && !holdsHead(db, seen))) return
  writeSecretFile(headPath(state), `${JSON.stringify({ number: last.number, head: last.head })}\n`)
}
