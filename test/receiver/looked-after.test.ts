import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { systemClock } from '../../src/base/clock.ts'
import { listAlerts } from '../../src/receiver/alerts.ts'
import { openChannels } from '../../src/receiver/alerts-queue.ts'
import { listFlags, reviewFlag } from '../../src/receiver/flags.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { readHead } from '../../src/receiver/registry-head.ts'
import { lastLogged } from '../../src/receiver/registry-log.ts'
import { type RegistryWatch, watchRegistry } from '../../src/receiver/registry-watch.ts'
import { openReviewer } from '../../src/receiver/reviews.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { silent } from './listen-fixture.ts'
import { fullRegistry } from './registry-full.ts'

// The running receiver walks its registry by itself: a thread does what `registry verify` does.
jest.setTimeout(120_000)

let it: Awaited<ReturnType<typeof fullRegistry>>
beforeAll(async () => {
  it = await fullRegistry()
})
afterAll(() => it.end())

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** What an insider does, on a connection of his own to which no rule applies. */
function insider(state: string, sql: string): void {
  const raw = new Database(paths(state).database)
  for (const table of ['statements', 'registry_log']) {
    raw.exec(`DROP TRIGGER IF EXISTS ${table}_stay; DROP TRIGGER IF EXISTS ${table}_remain`)
  }
  raw.exec(sql)
  raw.close()
}

/** A receiver's watch over a copy of the registry; `next` gives what the next walk finds. */
function watched(before = '', paces = {}) {
  const state = it.copied()
  if (before !== '') insider(state, before)
  const store: Store = openStore(paths(state).database)
  openChannels(store, ['command'], systemClock.now())
  const waiting: ((problems: number | undefined) => void)[] = []
  const failed: unknown[] = []
  const start = (): RegistryWatch =>
    watchRegistry({
      ...{ state, store, clock: systemClock, log: silent },
      fail: error => failed.push(error),
      paces: { firstMs: 0, lookMs: 5, restMs: 0, ...paces },
      walked: problems => waiting.shift()?.(problems),
    })
  let watch = start()
  ends.push(async () => {
    await watch.stop()
    store.close()
    expect(failed).toEqual([])
  })
  return {
    state,
    store,
    next: () => new Promise<number | undefined>(resolve => waiting.push(resolve)),
    restart: async () => {
      await watch.stop()
      watch = start()
    },
    flags: () => listFlags(store, { flag: 'REGISTRY_ROLLBACK' }).map(one => [one.gateway, one.detail]),
    alerts: () => listAlerts(store, {}).map(one => [one.kind, one.detail]),
  }
}

test('a sound registry is walked at the start and when something was entered, and where it ends is kept', async () => {
  const one = watched()
  expect(await one.next()).toBe(0)
  const registry = openRegistry(one.state, one.store.db)
  const review = { by: 'anna', comment: 'looked again', at: systemClock.now() }
  const again = one.next()
  reviewFlag(one.store, registry.reviews, openReviewer(one.state, registry), 1, review)
  expect(await again).toBe(0)
  expect(readHead(one.state)?.head).toBe(lastLogged(one.store.db)?.head)
  expect([one.flags(), one.alerts()]).toEqual([[], []])
})

test('it is walked every hour without any change', async () => {
  const one = watched('', { lookMs: 3_600_000, walkMs: 1 })
  expect(await one.next()).toBe(0)
  expect(await one.next()).toBe(0)
})

test('damage is told once, however often it is found and after a restart', async () => {
  const one = watched("UPDATE registry_log SET actor = 'bert' WHERE number = 4", { walkMs: 1 })
  // the entry does not fit into its chain, nor to the row that it is about
  expect(await one.next()).toBe(2)
  expect(await one.next()).toBe(2)
  await one.restart()
  expect(await one.next()).toBe(2)
  const hint = 'type: vitalgate-receiver registry verify'
  expect(one.alerts()).toEqual([
    ['store-damaged', `log 4: the entry, or the one before, was changed; ${hint}`],
    ['store-damaged', expect.stringContaining(`when or by whom is not what log 4 tells; ${hint}`)],
  ])
  expect(one.flags()).toEqual([])
})

test('a log that is shorter than registry.head is a registry that was set back: flagged once', async () => {
  const one = watched('DELETE FROM registry_log WHERE number > 12', { walkMs: 1 })
  const before = readHead(one.state)
  expect(await one.next()).toBeGreaterThan(0)
  expect(await one.next()).toBeGreaterThan(0)
  const [number, head] = [before!.number, before!.head.slice(0, 16)]
  const detail = `log ${number}: registry.head saw head ${head} here, and it is not: the registry was set back or rewritten`
  expect(one.flags()).toEqual([[null, detail]])
  // what was seen before is not forgotten for it
  expect(readHead(one.state)).toEqual(before)
})

test('what was entered since a command last looked cannot be taken back unseen while the receiver runs', async () => {
  const one = watched()
  expect(await one.next()).toBe(0)
  const registry = openRegistry(one.state, one.store.db)
  const reviewer = openReviewer(one.state, registry)
  const again = one.next()
  reviewFlag(one.store, registry.reviews, reviewer, 1, { by: 'anna', comment: 'newest', at: 5 })
  expect(await again).toBe(0)
  const { number } = lastLogged(one.store.db)!
  const found = one.next()
  // acts, statements and the log's entries of them, all at once, and the head that is kept outside as well
  one.store.db.exec('DROP TRIGGER flag_acts_keep')
  insider(
    one.state,
    `DELETE FROM flag_acts WHERE detail = 'newest'; DELETE FROM statements WHERE actor = 'anna' AND type = 'review' AND at = 5;
     DELETE FROM registry_log WHERE number > ${number - 2}`,
  )
  expect(await found).toBeGreaterThan(0)
  expect(one.flags().map(([, detail]) => detail)).toContainEqual(
    expect.stringContaining('this receiver saw head'),
  )
})

test('what is entered while it is walked is no damage, and messages are taken meanwhile', async () => {
  const one = watched('', { walkMs: 1 })
  const registry = openRegistry(one.state, one.store.db)
  const reviewer = openReviewer(one.state, registry)
  const found: (number | undefined)[] = []
  let entered = 0
  for (let walk = 0; walk < 2; walk++) {
    let isOver = false
    const next = one.next().then(problems => {
      found.push(problems)
      isOver = true
    })
    while (!isOver) {
      const review = { by: 'anna', comment: `${++entered}`, at: systemClock.now() }
      reviewFlag(one.store, registry.reviews, reviewer, 1, review)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    await next
  }
  expect(found).toEqual([0, 0])
  expect(entered).toBeGreaterThan(4)
})

test('a walk that takes too long is ended, and the next one is begun', async () => {
  const one = watched('', { budgetMs: 1, walkMs: 50 })
  expect(await one.next()).toBeUndefined()
  expect(await one.next()).toBeUndefined()
  expect(one.alerts()).toEqual([])
})
