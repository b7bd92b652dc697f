import type Database from 'better-sqlite3'
import { Fault } from '../base/fault.ts'
import type { ServerEntry } from '../wire/registry.ts'
import { believe, disbelieved, type OrNone } from './registry-believe.ts'
import type { Remembering } from './registry-remember.ts'
import type { Roots } from './registry-roots.ts'
import { newestRows, rowsAbove } from './registry-rows.ts'

/** The server entries of this server. */
export interface ServerEntries {
  /** The newest, or the one that was believed last; undefined where there is none. */
  newest(): ServerEntry | undefined
  at(version: number): ServerEntry | undefined
  /** All that are believed, oldest first. */
  all(): ServerEntry[]
}

/** Opens the entries of a server. Rows that are not believed count as none. Fault `registry.missing` before the first. */
export function openEntries(
  db: Database.Database,
  server: string,
  roots: Roots,
  known: Remembering,
  orNone: OrNone,
): ServerEntries {
  const [newest, above] = [newestRows(db), rowsAbove(db)]
  const byVersion = known.one(
    () =>
      new Map(
        above('server-entry', server, 0).flatMap(row =>
          orNone(() => [[row.version, believe('server-entry', row, roots.of(row))] as const], []),
        ),
      ),
  )
  let last: ServerEntry | undefined
  const read = known.one(() => {
    const [row] = newest('server-entry', server)
    if (row === undefined) throw new Fault('registry.missing', `there is no server entry of ${server}`)
    const entry = orNone(() => {
      const body = believe('server-entry', row, roots.of(row))
      if (roots.isOfToday(row)) return body
      throw disbelieved(row, 'it is under a former root')
    }, undefined)
    last = entry ?? last
    return { entry: last }
  })
  return {
    newest: () => read().entry,
    at: version => byVersion().get(version),
    all: () => [...byVersion().values()],
  }
}
