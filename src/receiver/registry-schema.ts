/**
 * The registry's tables in receiver.db, made where they are missing by whoever opens it. `statements` is
 * append-only: a row's place in `id` order is also the counter by which a running receiver notices that a
 * command changed something.
 */
export const registrySchema = `
CREATE TABLE IF NOT EXISTS statements (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  version INTEGER NOT NULL,
  body BLOB NOT NULL,
  signature BLOB NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  UNIQUE (type, subject, version)
) STRICT;
CREATE TRIGGER IF NOT EXISTS statements_stay BEFORE UPDATE ON statements
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;
CREATE TRIGGER IF NOT EXISTS statements_remain BEFORE DELETE ON statements
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;

CREATE TABLE IF NOT EXISTS enrolments (
  gateway TEXT PRIMARY KEY,
  request TEXT NOT NULL,
  sign_key TEXT NOT NULL UNIQUE,
  box_key TEXT NOT NULL UNIQUE,
  tls_key TEXT NOT NULL UNIQUE,
  certificate TEXT NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS proposals (
  gateway TEXT NOT NULL,
  device TEXT NOT NULL,
  driver TEXT NOT NULL,
  station TEXT NOT NULL,
  hash TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (gateway, hash)
) STRICT;
`
