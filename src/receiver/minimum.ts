import { appendLog } from './registry-log.ts'
import type { Store } from './store.ts'

/** What counts until somebody says otherwise: the first edition. */
const first = '0.1.0'

const subjectOf = (version: string): string => `minimum version ${version}`

/** Lowest gateway version that this server wants, and who said so when; null where nobody did. */
export interface Minimum {
  version: string
  by: string | null
  at: number | null
}

/** The minimum that was set last: the registry's log is where it stands, so that it cannot be changed unseen. */
export function readMinimum(store: Store): Minimum {
  const row = store.get<{ subject: string; actor: string; at: number }>(
    "SELECT subject, actor, at FROM registry_log WHERE act = 'minimum' ORDER BY number DESC LIMIT 1",
  )
  if (row === undefined) return { version: first, by: null, at: null }
  return { version: row.subject.slice(subjectOf('').length), by: row.actor, at: row.at }
}

/** Sets the minimum; false where it is so already. Not inside `write`. */
export function setMinimum(store: Store, version: string, by: string, at: number): boolean {
  return store.write(() => {
    if (readMinimum(store).version === version) return false
    appendLog(store.db, { at, actor: by, act: 'minimum', subject: subjectOf(version), hash: null })
    return true
  })
}
