import type Database from 'better-sqlite3'
import { Fault } from '../base/fault.ts'
import { alertsSchema } from './alerts-schema.ts'
import { commandSchema } from './command-schema.ts'
import { heardSchema } from './heard.ts'
import { portsSchema } from './ports.ts'

const version = 5

/**
 * Custody: what came, where it belongs, and how far each chain is held without a break (WIRE 5). An envelope is there
 * once: its place is part of what was signed, so the index by place finds it, and grows at its end. One by hash alone
 * would have each row written into another page.
 */
const custody = `
CREATE TABLE chains (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL,
  gateway TEXT NOT NULL, epoch TEXT NOT NULL, kid TEXT NOT NULL,
  seq INTEGER NOT NULL, prev TEXT NOT NULL, head TEXT NOT NULL,
  type TEXT NOT NULL, connected INTEGER NOT NULL DEFAULT 0,
  received INTEGER NOT NULL, envelope BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX chains_place ON chains (gateway, epoch, seq, hash);
CREATE INDEX chains_events ON chains (hash) WHERE type = 'event';

CREATE TABLE branches (
  id INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL, epoch TEXT NOT NULL, kid TEXT NOT NULL,
  parent INTEGER REFERENCES branches, forked INTEGER,
  seq INTEGER NOT NULL, head TEXT NOT NULL
) STRICT;
CREATE INDEX branches_epoch ON branches (gateway, epoch);
CREATE INDEX branches_parent ON branches (parent);

CREATE TABLE places (
  gateway TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, head TEXT NOT NULL,
  branch INTEGER NOT NULL REFERENCES branches,
  PRIMARY KEY (gateway, epoch, seq, head)
) STRICT, WITHOUT ROWID;

CREATE TABLE forks (
  gateway TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE lost (
  id INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL, epoch TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
  top INTEGER NOT NULL, top_head TEXT NOT NULL,
  branch INTEGER REFERENCES branches, received INTEGER NOT NULL,
  UNIQUE (gateway, epoch, first, last, before, after)
) STRICT;
CREATE INDEX lost_holes ON lost (branch, first) WHERE top >= first;
`

/** Meaning: readings and events as they were said, and what was concluded. Values are never changed. */
const meaning = `
CREATE TABLE readings (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL,
  gateway TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  device TEXT NOT NULL, station TEXT NOT NULL, driver TEXT NOT NULL, band TEXT, claimed TEXT,
  quantities TEXT NOT NULL, raw TEXT NOT NULL, device_time TEXT, device_clock TEXT, device_id TEXT,
  wall INTEGER NOT NULL, source TEXT NOT NULL, boot TEXT NOT NULL, mono INTEGER NOT NULL,
  received INTEGER NOT NULL, verdict TEXT NOT NULL CHECK (verdict IN ('accept', 'flag', 'quarantine')),
  notes TEXT NOT NULL
) STRICT;
CREATE INDEX readings_place ON readings (gateway, epoch, seq);
CREATE INDEX readings_received ON readings (received);
CREATE INDEX readings_device ON readings (gateway, device, verdict);

CREATE TABLE claims (
  gateway TEXT NOT NULL, boot TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  by_epoch TEXT NOT NULL, by_seq INTEGER NOT NULL, scanned INTEGER NOT NULL, band TEXT NOT NULL,
  PRIMARY KEY (gateway, boot, epoch, seq, by_epoch, by_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE removals (
  gateway TEXT NOT NULL, proposal TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (gateway, proposal)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  gateway TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  event TEXT NOT NULL, detail TEXT NOT NULL, wall INTEGER NOT NULL, received INTEGER NOT NULL
) STRICT;
CREATE INDEX events_name ON events (gateway, event);

CREATE TABLE anchors (
  gateway TEXT NOT NULL, boot TEXT NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL,
  PRIMARY KEY (gateway, boot)
) STRICT, WITHOUT ROWID;
`

/** Suspicion: acts that are only ever appended, samples of what was not proven, and plain counts. */
const suspicion = `
CREATE TABLE flag_acts (
  id INTEGER PRIMARY KEY,
  act TEXT NOT NULL CHECK (act IN ('raised', 'released', 'reviewed')),
  about INTEGER REFERENCES flag_acts,
  flag TEXT NOT NULL, gateway TEXT, device TEXT, reading INTEGER REFERENCES readings,
  at INTEGER NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX flag_acts_about ON flag_acts (about);
CREATE INDEX flag_acts_reading ON flag_acts (reading);
CREATE INDEX flag_acts_device ON flag_acts (gateway, flag, device);
CREATE TRIGGER flag_acts_stay BEFORE UPDATE ON flag_acts
  BEGIN SELECT raise(ABORT, 'acts are only appended'); END;
CREATE TRIGGER flag_acts_keep BEFORE DELETE ON flag_acts
  BEGIN SELECT raise(ABORT, 'acts are only appended'); END;

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  day TEXT NOT NULL, gateway TEXT NOT NULL, flag TEXT NOT NULL,
  hash TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
  act INTEGER NOT NULL REFERENCES flag_acts, at INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_day ON quarantine (day, gateway);
CREATE INDEX quarantine_hash ON quarantine (hash, topic);

CREATE TABLE counters (
  day TEXT NOT NULL, name TEXT NOT NULL, gateway TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (day, name, gateway)
) STRICT, WITHOUT ROWID;
`

/** Handshakes: the same hello gets the same welcome, whichever worker hears it (WIRE 7.2). */
const sessions = `
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL, hello TEXT NOT NULL, told INTEGER NOT NULL, token INTEGER NOT NULL,
  server_nonce TEXT NOT NULL,
  seen TEXT NOT NULL, welcome BLOB NOT NULL, software TEXT NOT NULL, drivers TEXT NOT NULL,
  versions TEXT NOT NULL, at INTEGER NOT NULL, ready INTEGER,
  UNIQUE (gateway, hello), UNIQUE (gateway, token)
) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

/** Makes the tables of the receiver's store where they are missing; refuses a file of another version. */
export function storeSchema(db: Database.Database): void {
  const found = db.pragma('user_version', { simple: true })
  if (found === version) {
    // tables that came later and that an older program does without: no other version
    db.exec(alertsSchema)
    db.exec(commandSchema)
    db.exec(portsSchema)
    db.exec(heardSchema)
    return
  }
  if (found !== 0) {
    throw new Fault('store.damaged', `database has version ${String(found)}, this program knows ${version}`, {
      hint: 'it was written by another version of Vitalgate: install that one',
    })
  }
  for (const part of [
    custody,
    meaning,
    suspicion,
    sessions,
    alertsSchema,
    commandSchema,
    portsSchema,
    heardSchema,
  ])
    db.exec(part)
  db.pragma(`user_version = ${version}`)
}
