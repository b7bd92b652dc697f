import { sendingsSchema } from './command-sendings.ts'

/**
 * What operators wanted of gateways, and the nonce of each session's hello, which a command must name. Stored
 * before anything is sent; `token` is the session in which it was last sent. Times: milliseconds since 1970.
 */
export const commandSchema = `
CREATE TABLE IF NOT EXISTS intents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  intent TEXT NOT NULL UNIQUE, gateway TEXT NOT NULL,
  verb TEXT NOT NULL, args TEXT NOT NULL, orders TEXT, actor TEXT NOT NULL,
  made INTEGER NOT NULL, until INTEGER NOT NULL,
  token INTEGER, sent INTEGER,
  outcome TEXT CHECK (outcome IN ('done', 'failed', 'interrupted', 'refused')),
  detail TEXT, ended INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS intents_gateway ON intents (gateway, id);
CREATE INDEX IF NOT EXISTS intents_open ON intents (gateway, until) WHERE outcome IS NULL;

CREATE TABLE IF NOT EXISTS hellos (
  gateway TEXT NOT NULL, token INTEGER NOT NULL, nonce TEXT NOT NULL,
  PRIMARY KEY (gateway, token)
) STRICT, WITHOUT ROWID;
${sendingsSchema}`
