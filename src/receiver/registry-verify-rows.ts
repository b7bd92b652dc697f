import { hex } from '../base/bytes.ts'
import { decodeBody, statementHash } from '../wire/statement.ts'
import { type MoveRow, moveHash, movePlace } from './moves.ts'
import {
  type ActRow,
  actHash,
  actPlace,
  type WaitingRow,
  waitingHash,
  waitingPlace,
} from './registry-acts.ts'
import { type EnrolmentRow, enrolmentHash, enrolmentName } from './registry-enrolments.ts'
import type { LogAct } from './registry-log.ts'
import { namedServer, placeOf, type StatementRow, statementOf } from './registry-rows.ts'
import type { RegistryProblem } from './registry-verify.ts'
import { type RenewalRow, renewalHash, renewalPlace } from './renewals.ts'
import type { Store } from './store.ts'

/** A row that the log tells of: how it names it, and with which hash. */
export interface LoggedRow {
  place: string
  hash: string
  at: number
  actor: string
}

/** The rows of all tables that the log tells of, but the statements. */
export function loggedRows(store: Store): { act: LogAct; rows: LoggedRow[] }[] {
  const of = <T extends { at: number; actor: string }>(
    sql: string,
    place: (row: T) => string,
    hash: (row: T) => string,
  ): LoggedRow[] =>
    store.all<T>(sql).map(row => ({ place: place(row), hash: hash(row), at: row.at, actor: row.actor }))
  const acts = (act: ActRow['act']) =>
    of<ActRow>(
      `SELECT id, act, about, at, actor, detail FROM flag_acts WHERE act = '${act}'`,
      actPlace,
      actHash,
    )
  return [
    {
      act: 'enrolled',
      rows: of<EnrolmentRow>('SELECT * FROM enrolments', enrolmentName, enrolmentHash),
    },
    { act: 'moved', rows: of<MoveRow>('SELECT * FROM moves', movePlace, moveHash) },
    { act: 'renewed', rows: of<RenewalRow>('SELECT * FROM renewals', renewalPlace, renewalHash) },
    { act: 'waiting', rows: of<WaitingRow>('SELECT * FROM waiting', waitingPlace, waitingHash) },
    { act: 'released', rows: acts('released') },
    { act: 'reviewed', rows: acts('reviewed') },
  ]
}

/** Statements that are numbered about a subject: from 1 without gaps, and lists name the hash before (WIRE 9.4). */
export function chainedRows(rows: readonly StatementRow[], server: string): RegistryProblem[] {
  const problems: RegistryProblem[] = []
  const last = new Map<string, StatementRow>()
  const ordered = [...rows].sort((a, b) => a.version - b.version)
  for (const row of ordered) {
    const name = `${row.type} ${row.subject}`
    const before = last.get(name)
    last.set(name, row)
    const place = placeOf(row)
    if (row.version !== (before?.version ?? 0) + 1 && isOurs(row, server)) {
      problems.push({ place, problem: `version ${row.version - 1} is missing` })
    } else if (before !== undefined && row.id < before.id) {
      problems.push({ place, problem: 'it was entered before the one that it follows' })
    } else if (row.type === 'device-list') {
      const named = before === undefined ? null : hex(statementHash(statementOf(before)))
      if (namedBefore(row) !== named) problems.push({ place, problem: 'it does not follow the list before' })
    }
  }
  return problems
}

/** Whether it is numbered here. What another server's registry says may come in any number of steps (WIRE 9.11). */
const isOurs = (row: StatementRow, server: string): boolean =>
  (row.type !== 'binding' && row.type !== 'server-entry') || namedServer(row) === server

/** What a body names as `before`; undefined where it cannot be read, which its signature tells of. */
function namedBefore(row: StatementRow): unknown {
  try {
    return decodeBody(statementOf(row).body).before
  } catch {
    return undefined
  }
}
