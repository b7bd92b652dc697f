import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type Database from 'better-sqlite3'
import { actHash, actPlace } from '../../src/receiver/registry-acts.ts'
import { appendLog, type Logged, readLog } from '../../src/receiver/registry-log.ts'
import { boxKey, makePair, signingKey } from '../../src/wire/keys.ts'
import { epochOf } from './fixture.ts'
import { fullRegistry } from './registry-full.ts'

let it: Awaited<ReturnType<typeof fullRegistry>>
beforeAll(async () => {
  it = await fullRegistry()
})
afterAll(() => it.end())

/** The log written anew without some entries, every head made right again. */
function rewrite(db: Database.Database, keeps: (entry: Logged) => boolean): void {
  const kept = readLog(db).filter(keeps)
  db.exec('DELETE FROM registry_log')
  for (const { number: _, head: __, ...entry } of kept) appendLog(db, entry)
}

const byLog = (number: number) => expect.stringContaining(`log ${number}`)
/** What an insider does to the database, and where `registry verify` finds it. */
const tampering: [what: string, how: string | ((db: Database.Database) => void), place: () => unknown][] = [
  ['changes who did it', "UPDATE registry_log SET actor = 'bert' WHERE number = 4", () => byLog(4)],
  ['changes when it was', 'UPDATE registry_log SET at = at + 1 WHERE number = 7', () => byLog(7)],
  [
    'changes who did it, in the log as well as in the row',
    "UPDATE registry_log SET actor = 'bert' WHERE number = 14; UPDATE statements SET actor = 'bert' WHERE type = 'revocation'",
    () => 'log 14: the entry, or the one before, was changed',
  ],
  ['deletes an entry', 'DELETE FROM registry_log WHERE number = 9', () => byLog(10)],
  ['deletes the last entry', 'DELETE FROM registry_log WHERE number = 14', () => byLog(14)],
  ['deletes the whole log', 'DELETE FROM registry_log', () => byLog(14)],
  [
    'takes a revocation out and writes the log anew',
    db => {
      db.exec("DELETE FROM statements WHERE type = 'revocation'")
      rewrite(db, one => !one.subject.startsWith('revocation'))
    },
    () => byLog(14),
  ],
  [
    'deletes a revocation',
    "DELETE FROM statements WHERE type = 'revocation'",
    () => expect.stringContaining('revocation 1 of '),
  ],
  [
    'deletes a device list',
    "DELETE FROM statements WHERE type = 'device-list' AND version = 2",
    () => expect.stringContaining(`device-list 2 of ${it.gateway}`),
  ],
  [
    'deletes a binding',
    "DELETE FROM statements WHERE type = 'binding'",
    () => expect.stringContaining(`binding 1 of ${it.gateway}`),
  ],
  [
    'moves a gateway to another site',
    "UPDATE statements SET body = CAST(replace(CAST(body AS TEXT), 'oak-house', 'elm-house') AS BLOB) WHERE type = 'binding'",
    () => expect.stringContaining(`binding 1 of ${it.gateway}: binding is not signed by key`),
  ],
  [
    'changes who entered a statement',
    "UPDATE statements SET actor = 'bert' WHERE type = 'revocation'",
    () => expect.stringContaining('when or by whom'),
  ],
  [
    'enters a binding of his own',
    db => it.inserted('binding')(db),
    () => expect.stringContaining('it names key'),
  ],
  [
    'enters a device list of his own',
    db => it.inserted('device-list')(db),
    () => expect.stringContaining(`device-list 3 of ${it.gateway}: it names key`),
  ],
  [
    'enters a revocation of his own',
    db => it.inserted('revocation')(db),
    () => expect.stringContaining('revocation 2 of '),
  ],
  [
    'enters a row of no type',
    "INSERT INTO statements (type, subject, version, body, signature, at, actor) VALUES ('note', 'x', 1, x'00', x'00', 1, 'x')",
    () => expect.stringContaining('note 1 of x: it has no place in the registry'),
  ],
  [
    'exchanges certificates',
    'UPDATE enrolments SET certificate = (SELECT certificate FROM enrolments AS o WHERE o.gateway <> enrolments.gateway)',
    () => expect.stringContaining(`enrolment 1 of ${it.gateway}: its certificate is not the one of this box`),
  ],
  [
    'changes a request',
    'UPDATE enrolments SET request = replace(request, \'"type":"request"\', \'"type":"requesu"\')',
    () => expect.stringContaining(`enrolment 1 of ${it.gateway}: its request is refused`),
  ],
  [
    'deletes an enrolment',
    'DELETE FROM enrolments',
    () => expect.stringContaining(`binding 1 of ${it.gateway}: it has no enrolment`),
  ],
  [
    'changes what was proposed',
    "UPDATE proposals SET station = 'room-99' WHERE device = 'cuff-1'",
    () => expect.stringContaining('it is not what its gateway signed'),
  ],
  [
    'proposes in the name of a gateway',
    "INSERT INTO proposals SELECT gateway, 'evil', driver, station, 'ff', at FROM proposals LIMIT 1",
    () => expect.stringContaining('its gateway signed no such event'),
  ],
  [
    'proposes with an envelope that he sealed himself',
    db => {
      const stranger = {
        id: it.gateway,
        key: signingKey(makePair('ed25519').secret),
        box: boxKey(makePair('x25519').secret),
      }
      const epoch = epochOf(stranger, 'e2e2e2e2e2e2e2e2', it.registry.server)
      const facts = {
        device: 'evil',
        driver: 'omron-hbp9030',
        station: 'room-12',
        link: 'serial',
        options: 'a'.repeat(64),
      }
      const { envelope, hash, seq, prev, head } = epoch.event('device-proposed', facts)
      db.prepare(
        `INSERT INTO chains (hash, gateway, epoch, kid, seq, prev, head, type, received, envelope)
         SELECT ?, gateway, 'e2e2e2e2e2e2e2e2', kid, ?, ?, ?, 'event', 1, ? FROM chains LIMIT 1`,
      ).run(hash, seq, prev, head, envelope)
      db.prepare(
        "INSERT INTO proposals SELECT gateway, 'evil', driver, station, ?, at FROM proposals LIMIT 1",
      ).run(hash)
    },
    () => expect.stringContaining('its gateway signed no such event'),
  ],
  [
    'deletes that somebody looked at a flag',
    "DELETE FROM flag_acts WHERE act = 'reviewed'",
    () => expect.stringContaining('act 3 about flag 1: it is gone'),
  ],
  [
    'looks at a flag in another name',
    "UPDATE flag_acts SET actor = 'anna' WHERE act = 'reviewed'",
    () => expect.stringContaining('act 3 about flag 1: it is not what log 13 tells'),
  ],
  [
    'looks at a flag, and writes the log as the program does',
    db => {
      const row = { id: 9, act: 'reviewed', about: 1, at: 5, actor: 'anna', detail: 'all well' } as const
      db.prepare(
        `INSERT INTO flag_acts (id, act, about, flag, gateway, at, actor, detail)
         SELECT 9, 'reviewed', 1, flag, gateway, 5, 'anna', 'all well' FROM flag_acts WHERE id = 1`,
      ).run()
      appendLog(db, { at: 5, actor: 'anna', act: 'reviewed', subject: actPlace(row), hash: actHash(row) })
    },
    () => 'act 9 about flag 1: no operator signed it',
  ],
  [
    'changes the words of a flag that was reviewed',
    "UPDATE flag_acts SET detail = 'nothing much' WHERE id = 1",
    () => 'flag 1: it is not the flag that was reviewed',
  ],
  [
    'reviews a flag under a key of his own',
    db => it.inserted('review')(db),
    () => expect.stringContaining('review 3 of flag 1: it names key'),
  ],
  [
    'makes a removed device stand again',
    'DELETE FROM removals',
    () => expect.stringContaining('removal of '),
  ],
]

test.each(tampering)('an insider with the database %s, and it is found', async (_, how, place) => {
  const problems = await it.after(typeof how === 'string' ? db => void db.exec(how) : how)
  expect(problems).toEqual(expect.arrayContaining([place()]))
})
