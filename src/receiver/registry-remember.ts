import type Database from 'better-sqlite3'

/** Answers that are kept until somebody enters a statement, in this process or another. */
export interface Remembering {
  /** Remembers one answer. */
  one<T>(read: () => T): () => T
  /** Remembers an answer for each subject; undefined is asked for anew. */
  each<T>(read: (subject: string) => T): (subject: string) => T
}

/** Most subjects that one question is remembered for. */
const subjectsKept = 10_000

/** The counters of a database that stands still, as they were when each was first looked at. */
const still = new WeakMap<Database.Database, Map<string, number>>()

/**
 * Does work during which the registry stands still: whether anything was entered is asked once and not with every
 * question. For work that enters nothing itself and ends at once, such as one batch of messages.
 */
export function standing<T>(db: Database.Database, work: () => T): T {
  if (still.has(db)) return work()
  still.set(db, new Map())
  try {
    return work()
  } finally {
    still.delete(db)
  }
}

/** Reads a number of the database: within `standing` once, else each time. `sql` gives one number. */
export function counter(db: Database.Database, sql: string): () => number {
  const query = db.prepare<[], number>(sql).pluck()
  return () => {
    const known = still.get(db)
    const held = known?.get(sql)
    if (held !== undefined) return held
    const fresh = query.get() ?? 0
    known?.set(sql, fresh)
    return fresh
  }
}

/** Remembers answers until the counter of statements, their highest id, moves. */
export function remembering(db: Database.Database): Remembering {
  const entered = counter(db, 'SELECT coalesce(max(id), 0) FROM statements')
  const each = <T>(read: (subject: string) => T) => {
    const known = new Map<string, T>()
    let at = -1
    return (subject: string): T => {
      const now = entered()
      if (now !== at || known.size > subjectsKept) {
        known.clear()
        at = now
      }
      const held = known.get(subject)
      if (held !== undefined) return held
      const fresh = read(subject)
      if (fresh !== undefined) known.set(subject, fresh)
      return fresh
    }
  }
  return {
    each,
    one: read => {
      const answer = each(read)
      return () => answer('')
    },
  }
}
