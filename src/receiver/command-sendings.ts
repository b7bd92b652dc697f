import type { Store } from './store.ts'

/** Each time that a command was sent: in which session, and whether its refusal was excused. */
export const sendingsSchema = `
CREATE TABLE IF NOT EXISTS sendings (
  intent TEXT NOT NULL, token INTEGER NOT NULL, sent INTEGER NOT NULL, excused INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (intent, token)
) STRICT, WITHOUT ROWID;
`

/** How long a command and a new connection's hello may cross on their way, and how far two workers' clocks differ. */
const crossing = { afterMs: 60_000, beforeMs: 5000 }

/** Notes that a command is sent in a session. Inside `write`. */
export function noteSending(store: Store, intent: string, token: number, now: number): void {
  store.run('INSERT OR REPLACE INTO sendings (intent, token, sent) VALUES (?, ?, ?)', intent, token, now)
}

/**
 * Whether a command that the gateway refused as `command.replayed` crossed its next connection: it was sent in one
 * session, and the hello of the next one came about then. Each sending excuses one refusal. Inside `write`.
 */
export function excuseCrossed(store: Store, gateway: string, intent: string): boolean {
  const { changes } = store.run(
    `UPDATE sendings SET excused = 1 WHERE intent = ? AND token = (
       SELECT one.token FROM sendings AS one
       WHERE one.intent = ? AND one.excused = 0 AND EXISTS (
         SELECT 1 FROM sessions AS later WHERE later.gateway = ? AND later.token > one.token
           AND later.at BETWEEN one.sent - ? AND one.sent + ?)
       ORDER BY one.token LIMIT 1)`,
    intent,
    intent,
    gateway,
    crossing.beforeMs,
    crossing.afterMs,
  )
  return changes > 0
}
