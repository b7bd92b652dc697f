/**
 * The tables of gateways' keys, made where they are missing. `key_turns`: from when on a gateway spoke under which
 * binding. `named_ends`: up to where a later key vouched for an epoch of a former one (WIRE 9.9). `rotations`: the
 * keys that gateways proposed, with the signed event. `renewals`: the certificates that came after the first one
 * for a key (WIRE 8.6). The last two are append-only.
 */
const tables = `
CREATE TABLE IF NOT EXISTS key_turns (
  gateway TEXT NOT NULL,
  version INTEGER NOT NULL,
  boot TEXT NOT NULL,
  mono INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (gateway, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS named_ends (
  gateway TEXT NOT NULL,
  epoch TEXT NOT NULL,
  version INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rotations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gateway TEXT NOT NULL,
  kid TEXT NOT NULL,
  by_kid TEXT NOT NULL,
  request TEXT NOT NULL,
  body BLOB NOT NULL,
  signature BLOB NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (gateway, request)
) STRICT;

CREATE TABLE IF NOT EXISTS renewals (
  gateway TEXT NOT NULL,
  number INTEGER NOT NULL,
  tls_key TEXT NOT NULL,
  certificate TEXT NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  PRIMARY KEY (gateway, number)
) STRICT;
`

const guards = ['rotations', 'renewals'].map(
  table => `
CREATE TRIGGER IF NOT EXISTS ${table}_stay BEFORE UPDATE ON ${table}
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ${table}_remain BEFORE DELETE ON ${table}
  BEGIN SELECT RAISE(ABORT, 'the registry is append-only'); END;
`,
)

export const rotationSchema = tables + guards.join('')
