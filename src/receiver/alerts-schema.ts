/**
 * The queue of what operators are told, in receiver.db, made where it is missing by whoever opens it. One row
 * for each alert and channel; `alert` is the number it is told under, the same on all channels. A row is there
 * before it is tried, and `next` says when it may be tried (again).
 */
export const alertsSchema = `
CREATE TABLE IF NOT EXISTS alerts (
  id INTEGER PRIMARY KEY,
  alert INTEGER NOT NULL,
  channel TEXT NOT NULL CHECK (channel IN ('command', 'url')),
  kind TEXT NOT NULL, flag TEXT, act INTEGER, gateway TEXT, device TEXT, detail TEXT NOT NULL,
  at INTEGER NOT NULL, count INTEGER NOT NULL DEFAULT 1, summary INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'undelivered')),
  settled INTEGER, why TEXT,
  UNIQUE (alert, channel)
) STRICT;
CREATE INDEX IF NOT EXISTS alerts_due ON alerts (channel, state, next);
CREATE INDEX IF NOT EXISTS alerts_kind ON alerts (kind, flag, queued);
`
