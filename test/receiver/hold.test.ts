import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listFlags, reviewFlag, showFlag } from '../../src/receiver/flags.ts'
import { holdOf, releaseGateway } from '../../src/receiver/hold.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { openReviewer, raisedHash } from '../../src/receiver/reviews.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { seenHash } from '../../src/wire/session.ts'
import { type CommandBench, commandBench } from './command-fixture.ts'
import {
  type Bench,
  bench,
  epochOf,
  gateway,
  other,
  receipts,
  reviewer,
  server,
  unchained,
} from './fixture.ts'
import { hello, opened } from './session-fixture.ts'

// A gateway whose key or disk may be in two places is on hold until an operator releases it (WIRE 9.13).
let it: Bench
let nonces = 0
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

/** A handshake of a box that tells this token; gives the welcome. */
function shake(told: number) {
  const nonce = (++nonces).toString(16).padStart(32, '0')
  const asked = hello('0', { nonce, token: told })
  const { body, statement } = opened(it.receive([asked.message]))
  const { serverNonce, token } = body
  const seen = seenHash(asked.statement, statement)
  it.receive([unchained(gateway, 'ready', { serverNonce, token, seen }).message])
  it.clock.at += 300_000
  return body
}
const reviews = () => it.trust.reviews
const isHeld = (id = gateway.id) => holdOf(it.store, reviews(), id)
const suspects = () => listFlags(it.store, { flag: 'CLONE_SUSPECT' }, reviews())
const release = (by = 'A. Jones') =>
  releaseGateway(it.store, reviews(), reviewer, gateway.id, {
    ...{ by, words: 'card restored from a backup', at: it.clock.at },
  })

/** Two boxes of one disk: the second is suspected with its handshake. */
function cloned(): void {
  for (const told of [0, 1, 2, 1]) shake(told)
  expect(suspects()).toHaveLength(1)
}

test('after CLONE_SUSPECT the welcome says hold, until an operator releases it', () => {
  expect(shake(0).status).toBe('ok')
  shake(1)
  // the disk of the first session: the welcome comes before its ready, which is what is judged
  expect(shake(1).status).toBe('ok')
  expect(isHeld()).toMatchObject({ name: 'CLONE_SUSPECT' })
  expect(shake(3).status).toBe('hold')
  expect(isHeld(other.id)).toBeUndefined()
  expect(release()).toEqual({ flags: [suspects()[0]!.id] })
  expect(suspects()[0]).toMatchObject({ state: 'released', by: 'A. Jones', operator: 'tester' })
  expect(isHeld()).toBeUndefined()
  expect(shake(4).status).toBe('ok')
  expect(release()).toEqual({ flags: [] })
})

test('a hold still gives receipts', () => {
  cloned()
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  const out = it.receive([epoch.open(), epoch.reading()].map(one => one.message))
  expect(receipts(out)).toMatchObject([{ epoch: 'e1e1e1e1e1e1e1e1', seq: 2 }])
})

test('a fork holds as well, and one release is about every flag that holds', () => {
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  const [first, place] = [epoch.open(), epoch.reading()]
  epoch.back(first)
  it.receive([first, place, epoch.reading({ raw: 'ff' })].map(one => one.message))
  expect(isHeld()).toMatchObject({ name: 'FORK' })
  expect(shake(0).status).toBe('hold')
  cloned()
  expect(release().flags).toHaveLength(2)
  expect(isHeld()).toBeUndefined()
})

test('a review alone ends no hold', () => {
  cloned()
  const [flag] = suspects()
  reviewFlag(it.store, reviews(), reviewer, flag!.id, { by: 'A', comment: 'looked', at: it.clock.at })
  expect(suspects()[0]?.state).toBe('reviewed')
  expect(isHeld()).toBeDefined()
})

test('the same old token raises no second alarm after a release, and a newer one does', () => {
  cloned()
  release()
  // the card was put back once more, to where it knew session 2; 3 and 4 were confirmed before the release
  shake(2)
  expect(suspects()).toHaveLength(1)
  expect(isHeld()).toBeUndefined()
  // session 5 was confirmed since then, and this box does not know it
  shake(2)
  expect(suspects()).toHaveLength(2)
  expect(isHeld()).toBeDefined()
})

test.each([
  [
    'a row that nobody signed',
    (flag: number) =>
      it.store.run(
        `INSERT INTO flag_acts (act, about, flag, gateway, at, actor, detail)
         VALUES ('released', ?, 'CLONE_SUSPECT', ?, 1, 'insider', 'all well')`,
        flag,
        gateway.id,
      ),
  ],
  ['a release that his own key signed', (flag: number) => forged(flag, {}, other.key)],
  ['a release about the flag as it was not', (flag: number) => forged(flag, { raised: 'ab'.repeat(32) })],
  ['a release that was signed for another server', (flag: number) => forged(flag, { server: other.id })],
])('an insider who enters %s ends no hold', (_, insider) => {
  cloned()
  const [flag] = suspects()
  insider(flag!.id)
  expect(isHeld()).toBeDefined()
  expect(shake(4).status).toBe('hold')
})

/** A release as an insider enters it who knows the tables. */
function forged(flag: number, members: object, key = reviewer.key): void {
  const statement = signRegistry(
    'review',
    {
      ...{ operator: 'tester', server: server.id, flag, version: 1, raised: raisedHash(it.store, flag) },
      ...{ act: 'released', by: 'insider', words: 'all well', token: 0, at: 1 },
      ...members,
    },
    key,
  )
  insertStatement(it.store.db, { subject: `flag ${flag}`, version: 1, statement, at: 1, actor: 'insider' })
}

test('what nobody signed is shown as such', () => {
  cloned()
  const [flag] = suspects()
  it.store.run(
    `INSERT INTO flag_acts (act, about, flag, gateway, at, actor, detail)
     VALUES ('reviewed', ?, 'CLONE_SUSPECT', ?, 1, 'insider', 'all well')`,
    flag!.id,
    gateway.id,
  )
  const shown = showFlag(it.store, flag!.id, reviews())
  expect(shown.flag).toMatchObject({ state: 'open', unsigned: 1 })
  expect(shown.acts.at(-1)).toMatchObject({ act: 'reviewed', actor: 'insider', signed: null })
  expect(listFlags(it.store, { open: true }, reviews())).toHaveLength(1)
})

test('no command is dispatched to a gateway on hold, not even one that waited', async () => {
  const bench: CommandBench = await commandBench()
  try {
    const one = bench.worker()
    one.receive([bench.hello(one.receive).ready])
    bench.clock.at += 300_000
    one.receive([bench.hello(one.receive, { token: 1 }).ready])
    bench.clock.at += 300_000
    const intent = bench.want()
    // its ready shows that it is another box: nothing is said to it from this very moment on
    expect(bench.commands(one.receive([bench.hello(one.receive, { token: 1 }).ready]))).toEqual([])
    expect(bench.commands(one.commander.atOnce(bench.clock.at))).toEqual([])
    expect(bench.stateOf(intent)).toBe('waiting')
    const signer = openReviewer(bench.state, bench.registry)
    const decided = { by: 'anne', words: 'found', at: bench.clock.at }
    releaseGateway(bench.store, bench.registry.reviews, signer, gateway.id, decided)
    expect(bench.commands(one.commander.atOnce(bench.clock.at))).toMatchObject([{ intent }])
  } finally {
    bench.end()
  }
})
