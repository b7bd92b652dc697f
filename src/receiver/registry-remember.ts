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

/** Remembers answers until the counter of statements, their highest id, moves. */
export function remembering(db: Database.Database): Remembering {
  const counter = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM statements').pluck()
  const each = <T>(read: (subject: string) => T) => {
    const known = new Map<string, T>()
    let at = -1
    return (subject: string): T => {
      const now = counter.get() ?? 0
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
