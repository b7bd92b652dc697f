import { movesSchema } from './moves.ts'
import { rotationSchema } from './rotation-schema.ts'

/**
 * The registry's tables in receiver.db, made where they are missing by whoever opens it. All but `proposals`
 * are append-only. `statements`: a row's place in `id` order is also the counter by which a running receiver
 * notices that a command changed something. `enrolments`: one row for each binding. `waiting`: what the root is
 * yet to sign on another machine. `registry_log`: see registry-log.ts.
 */
const tables = `
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

CREATE TABLE IF NOT EXISTS enrolments (
  gateway TEXT NOT NULL,
  version INTEGER NOT NULL,
  request TEXT NOT NULL UNIQUE,
  sign_key TEXT NOT NULL UNIQUE,
  box_key TEXT NOT NULL UNIQUE,
  tls_key TEXT NOT NULL UNIQUE,
  certificate TEXT NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  PRIMARY KEY (gateway, version)
) STRICT;

CREATE TABLE IF NOT EXISTS waiting (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gateway TEXT NOT NULL,
  version INTEGER NOT NULL,
  request TEXT NOT NULL,
  body BLOB NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS registry_log (
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  act TEXT NOT NULL,
  subject TEXT NOT NULL,
  hash TEXT,
  head TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS registry_log_minimum ON registry_log (number) WHERE act = 'minimum';

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

const appendOnly = ['statements', 'enrolments', 'waiting', 'registry_log']

const guards = appendOnly.map(
  table => `
CREATE TRIGGER IF NOT EXISTS ${table}_stay BEFORE UPDATE ON ${table}
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ${table}_remain BEFORE DELETE ON ${table}
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;
`,
)

export const registrySchema = tables + guards.join('') + rotationSchema + movesSchema
