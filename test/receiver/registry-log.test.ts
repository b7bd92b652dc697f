import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { openRegistry } from '../../src/receiver/registry.ts'
import { keepHead } from '../../src/receiver/registry-head.ts'
import { appendLog, nextLogHead, readLog } from '../../src/receiver/registry-log.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { fullRegistry, nobody } from './registry-full.ts'
import { now } from './revoke-fixture.ts'

let it: Awaited<ReturnType<typeof fullRegistry>>
beforeAll(async () => {
  it = await fullRegistry()
})
afterAll(() => it.end())

test('every act is an entry, and what is in order has no problem', async () => {
  const log = readLog(it.store.db).map(({ act, actor, subject }) => `${act} by ${actor}: ${subject}`)
  const server = it.registry.server.id
  expect(log.map(line => line.replace(/[0-9a-f]{64}/, 'HASH'))).toEqual([
    'entered by init: operator 1 of operator',
    `entered by init: server-entry 1 of ${server}`,
    `enrolled by anna: enrolment 1 of ${it.gateway}`,
    `entered by anna: binding 1 of ${it.gateway}`,
    `enrolled by anna: enrolment 1 of ${it.lost}`,
    `entered by anna: binding 1 of ${it.lost}`,
    `entered by anna: device-list 1 of ${it.gateway}`,
    `entered by anna: device-list 2 of ${it.gateway}`,
    'entered by anna: review 1 of flag 1',
    'released by anna: act 2 about flag 1',
    `removed by ${it.gateway}: removal of HASH of ${it.gateway}`,
    'entered by bert: review 2 of flag 1',
    'reviewed by bert: act 3 about flag 1',
    `entered by anna: revocation 1 of ${server}`,
  ])
  expect(await it.after(() => undefined)).toEqual([])
})

test('a head is what the rule says: H("VG1 registry" | head before | H(entry))', () => {
  const entry = { number: 1, at: 5, actor: 'anna', act: 'entered', subject: 'x', hash: null } as const
  const json = '{"number":1,"at":5,"actor":"anna","act":"entered","subject":"x","hash":null}'
  const sha = (...parts: (string | Buffer)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
  const expected = sha('VG1 registry', Buffer.alloc(32), sha(json)).toString('hex')
  expect(nextLogHead('0'.repeat(64), entry)).toBe(expected)
})

test('a head that a person noted is looked for', async () => {
  const { state, store } = it
  const { head } = await verifyRegistryStore(state, store, it.again())
  expect((await verifyRegistryStore(state, store, it.again(), head!)).problems).toEqual([])
  const other = { number: head!.number, head: 'ab'.repeat(32) }
  expect((await verifyRegistryStore(state, store, it.again(), other)).problems).toEqual([
    { place: expect.stringContaining('log 14'), problem: expect.stringContaining('you noted head abab') },
  ])
})

test('what was set back is told until a person has looked, whatever is entered meanwhile', async () => {
  const copy = it.copied()
  const raw = new Database(paths(copy).database)
  raw.exec('DROP TRIGGER registry_log_remain; DELETE FROM registry_log WHERE number > 8')
  raw.close()
  const store = openStore(paths(copy).database)
  for (let more = 0; more < 6; more++) {
    appendLog(store.db, { at: now, actor: 'anna', act: 'reviewed', subject: `later ${more}`, hash: null })
    keepHead(copy, store.db)
  }
  const { problems } = await verifyRegistryStore(copy, store, openRegistry(copy, store.db))
  store.close()
  expect(problems.map(one => one.problem)).toContainEqual(expect.stringContaining('registry.head saw'))
})

test('a running receiver obeys no row that root and operator did not sign, whoever wrote it', () => {
  const copy = it.copied()
  const store = openStore(paths(copy).database)
  const running = openRegistry(copy, store.db)
  expect(running.device(it.gateway, 'cuff-1')).toBeDefined()
  const raw = new Database(paths(copy).database)
  it.inserted('binding')(raw)
  it.inserted('revocation')(raw)
  expect(running.gateway(nobody)).toBeUndefined()
  expect(running.revocations()).toHaveLength(1)
  it.inserted('device-list')(raw)
  expect(running.device(it.gateway, 'cuff-1')).toBeUndefined()
  raw.exec(
    "DROP TRIGGER statements_stay; UPDATE statements SET body = CAST(replace(CAST(body AS TEXT), 'oak', 'elm') AS BLOB)",
  )
  raw.close()
  const next = openRegistry(copy, store.db)
  expect(next.gateway(it.gateway)).toBeUndefined()
  expect(next.damage().length).toBeGreaterThan(0)
  store.close()
})
