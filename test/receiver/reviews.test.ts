import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listFlags, noteRefusal, reviewFlag, showFlag } from '../../src/receiver/flags.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { actHash, actPlace } from '../../src/receiver/registry-acts.ts'
import { keepHead } from '../../src/receiver/registry-head.ts'
import { appendLog, readLog } from '../../src/receiver/registry-log.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { appendReview, openReviewer, raisedHash } from '../../src/receiver/reviews.ts'
import { revokeOperator } from '../../src/receiver/revoke.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { now, registryBench } from './revoke-fixture.ts'

// What operators sign about flags, by a real registry (WIRE 9.13).
let it: Awaited<ReturnType<typeof registryBench>>
beforeEach(async () => {
  it = await registryBench()
  noteRefusal(it.store, { gateway: null, detail: 'no-certificate', at: now })
})
afterEach(() => it.end())

const review = (comment: string, registry = it.registry) =>
  reviewFlag(it.store, registry.reviews, openReviewer(it.state, registry), 1, {
    ...{ by: 'A. Jones', comment, at: now },
  })
const flag = (registry = it.registry) => listFlags(it.store, {}, registry.reviews)[0]
const problems = async () =>
  (await verifyRegistryStore(it.state, it.store, it.again())).problems.map(
    one => `${one.place}: ${one.problem}`,
  )

/** A review as a program wrote it that did not sign yet. */
function unsigned(detail: string): void {
  const row = { act: 'reviewed', about: 1, at: now, actor: 'anna', detail } as const
  const { lastInsertRowid } = it.store.run(
    `INSERT INTO flag_acts (act, about, flag, at, actor, detail)
     VALUES ('reviewed', 1, 'BROKER_REFUSED', ?, 'anna', ?)`,
    now,
    detail,
  )
  const made = { id: Number(lastInsertRowid), ...row }
  appendLog(it.store.db, {
    ...{ at: now, actor: 'anna', act: 'reviewed', subject: actPlace(made), hash: actHash(made) },
  })
}

test('a review is signed by the operator, chained in the log, and told with his name and key', async () => {
  expect(review('a technician was there')).toBe(true)
  expect(review('a technician was there')).toBe(false)
  expect(flag()).toMatchObject({ state: 'reviewed', by: 'A. Jones', operator: 'operator' })
  const { acts } = showFlag(it.store, 1, it.again().reviews)
  expect(acts[1]).toEqual({
    act: 'reviewed',
    at: new Date(now).toISOString(),
    actor: 'A. Jones',
    detail: 'a technician was there',
    signed: { operator: 'operator', key: it.operator.kid },
  })
  expect(
    readLog(it.store.db)
      .slice(-2)
      .map(({ act, actor, subject }) => [act, actor, subject]),
  ).toEqual([
    ['entered', 'A. Jones', 'review 1 of flag 1'],
    ['reviewed', 'A. Jones', 'act 2 about flag 1'],
  ])
  expect(await problems()).toEqual([])
})

test('the hash of a flag is over its compact JSON', () => {
  const json =
    '{"id":1,"flag":"BROKER_REFUSED","gateway":null,"device":null,"reading":null,' +
    `"at":${now},"detail":"no-certificate"}`
  expect(raisedHash(it.store, 1)).toBe(createHash('sha256').update(json).digest('hex'))
})

test('acts from before anybody signed stay readable, do not count, and are no damage', async () => {
  unsigned('seen')
  expect(flag()).toMatchObject({ state: 'open', unsigned: 1 })
  expect(showFlag(it.store, 1, it.registry.reviews).acts[1]).toMatchObject({ detail: 'seen', signed: null })
  expect(await problems()).toEqual([])
  review('seen')
  expect(flag()).toMatchObject({ state: 'reviewed', unsigned: 1, operator: 'operator' })
  expect(await problems()).toEqual([])
})

test('an unsigned act after that is found, though its row and the log agree', async () => {
  review('seen')
  unsigned('all well')
  expect(flag()).toMatchObject({ comment: 'seen', unsigned: 1 })
  expect(await problems()).toEqual(['act 3 about flag 1: no operator signed it'])
})

test('a flag that was changed after its review is open again, and the change is found', async () => {
  review('seen')
  it.store.db.exec('DROP TRIGGER flag_acts_stay')
  it.store.run("UPDATE flag_acts SET detail = 'nothing' WHERE id = 1")
  expect(flag()).toMatchObject({ state: 'open', unsigned: 1 })
  expect(await problems()).toEqual(['flag 1: it is not the flag that was reviewed'])
})

test('what an operator signed before he was revoked stays; afterwards he signs nothing', async () => {
  review('before')
  const held = openReviewer(it.state, it.registry)
  revokeOperator(it.store, it.registry, it.root, 'operator', it.decided)
  expect(flag()).toMatchObject({ state: 'reviewed', comment: 'before' })
  expect(() => review('after')).toThrow(/was revoked/)
  // somebody who kept the key, and knows the tables
  const decision = { flag: 1, act: 'released', by: 'thief', words: 'all well', at: now } as const
  it.store.write(() => appendReview(it.store, held, decision))
  expect(flag()).toMatchObject({ state: 'reviewed', comment: 'before', unsigned: 1 })
  expect(await problems()).toContain('act 3 about flag 1: no operator signed it')
  expect(it.registry.damage().map(one => one.message)).toContain(
    'review 2 of flag 1 is not believed: its operator was revoked before',
  )
})

test('what another process enters while the registry is walked is no damage', async () => {
  review('before')
  const other = openStore(paths(it.state).database)
  const registry = openRegistry(it.state, other.db)
  let entered = 0
  const enter = (): void => {
    const made = { by: 'bert', comment: `${++entered}`, at: now }
    reviewFlag(other, registry.reviews, openReviewer(it.state, registry), 1, made)
    keepHead(it.state, other.db)
  }
  const walked = await verifyRegistryStore(it.state, it.store, it.again(), undefined, enter)
  other.close()
  expect(entered).toBeGreaterThan(1)
  expect(walked.problems).toEqual([])
  expect(await problems()).toEqual([])
})

test('a flag that is not there cannot be signed about', () => {
  const decision = { flag: 7, act: 'reviewed', by: 'a', words: 'b', at: now } as const
  const signer = openReviewer(it.state, it.registry)
  expect(() => it.store.write(() => appendReview(it.store, signer, decision))).toThrow(/no flag 7/)
  expect(readLog(it.store.db).map(one => one.subject)).not.toContain('review 1 of flag 7')
})
