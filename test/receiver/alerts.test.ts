import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { addTest, alertLine, listAlerts } from '../../src/receiver/alerts.ts'
import {
  markDelivered,
  openChannels,
  openChannelsOf,
  prune,
  takeDue,
} from '../../src/receiver/alerts-queue.ts'
import { openStore } from '../../src/receiver/store.ts'
import { queue } from './alerts-fixture.ts'
import { type Bench, bench, gateway, morning, other } from './fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

const minute = 60_000
const day = 86_400_000
const told = () =>
  listAlerts(it.store, {}).map(one => [one.flag ?? one.kind, one.gateway, one.count] as const)
const times = (n: number, work: () => void) => {
  for (let one = 0; one < n; one++) work()
}

test('an alert is one line of JSON with the members that are documented', () => {
  queue(it, { device: 'cuff-1', detail: 'odd\n\u001b[31mdetail' })
  const [row] = listAlerts(it.store, {})
  const line = alertLine(row!)
  expect(line.endsWith('\n')).toBe(true)
  expect(line.slice(0, -1)).toMatch(/^[\x20-\x7e]+$/)
  expect(JSON.parse(line)).toEqual({
    alert: 1,
    kind: 'flag',
    flag: 'GAP',
    flagId: 1,
    gateway: gateway.id,
    device: 'cuff-1',
    detail: 'odd??[31mdetail',
    at: '2026-07-11T09:05:00.000Z',
    count: 1,
  })
})

test('what is not known is absent', () => {
  it.store.write(() => addTest(it.store, ['command'], morning))
  expect(Object.keys(JSON.parse(alertLine(listAlerts(it.store, {})[0]!)))).toEqual([
    'alert',
    'kind',
    'detail',
    'at',
    'count',
  ])
})

test('an alert has the same number on both channels, and no number comes twice', () => {
  queue(it, {}, ['command', 'url'])
  queue(it, {}, ['command', 'url'])
  expect(listAlerts(it.store, {}).map(one => [one.alert, one.channel])).toEqual([
    [1, 'command'],
    [1, 'url'],
    [2, 'command'],
    [2, 'url'],
  ])
  it.store.db.exec('DELETE FROM alerts')
  queue(it)
  expect(listAlerts(it.store, {})[0]?.alert).toBe(3)
})

test('twenty in ten minutes are told one by one, the rest in one summary when the ten minutes are over', () => {
  times(70, () => queue(it))
  expect(told()).toEqual([...Array(20).fill(['GAP', gateway.id, 1]), ['GAP', gateway.id, 50]])
  const taken = []
  for (let one = takeDue(it.store, 'command', it.clock.at); one !== undefined; ) {
    taken.push(one)
    markDelivered(it.store, one, it.clock.at)
    one = takeDue(it.store, 'command', it.clock.at)
  }
  expect(taken).toHaveLength(20)
  it.clock.at = morning + 10 * minute
  expect(takeDue(it.store, 'command', it.clock.at)).toMatchObject({ count: 50 })
})

test('what comes after a summary was told is in the next one; a new window begins anew', () => {
  times(21, () => queue(it))
  it.store.db.exec('UPDATE alerts SET next = 0 WHERE summary = 0')
  it.clock.at = morning + 9 * minute
  queue(it)
  expect(told().at(-1)?.[2]).toBe(2)
  it.store.db.exec('UPDATE alerts SET attempts = 1 WHERE summary = 1')
  queue(it)
  expect(
    told()
      .slice(-2)
      .map(([, , count]) => count),
  ).toEqual([2, 1])
  it.clock.at = morning + 10 * minute
  queue(it)
  expect(told()).toHaveLength(23)
  expect(listAlerts(it.store, {}).at(-1)).toMatchObject({ detail: 'rows 3 to 5', count: 1 })
})

test('noise of one gateway or of one flag does not hide another', () => {
  times(100, () => queue(it, { flag: 'MALFORMED' }))
  queue(it, { flag: 'FORK' })
  queue(it, { flag: 'MALFORMED', gateway: other.id })
  queue(it, { flag: 'MALFORMED', gateway: null })
  // told by themselves, not in a summary
  expect(listAlerts(it.store, {}).slice(-3)).toMatchObject([
    { flag: 'FORK', gateway: gateway.id, detail: 'rows 3 to 5' },
    { flag: 'MALFORMED', gateway: other.id, detail: 'rows 3 to 5' },
    { flag: 'MALFORMED', gateway: null, detail: 'rows 3 to 5' },
  ])
})

test('a whole country that falls silent is sixty alerts and one summary without a gateway', () => {
  for (let n = 0; n < 500; n++) queue(it, { kind: 'gateway-silent', gateway: `gateway${n}` })
  expect(told()).toHaveLength(61)
  expect(told().at(-1)).toEqual(['GAP', null, 440])
})

test('five thousand may wait; what exceeds them is only counted', () => {
  // of the flags that are raised once in a blue moon, over years
  const insert = it.store.db.prepare(
    `INSERT INTO alerts (alert, channel, kind, detail, at, queued, next) VALUES (?, 'command', 'flag', '', 0, 0, 0)`,
  )
  it.store.db.transaction(() => {
    for (let n = 0; n < 5000; n++) insert.run(n + 1000)
  })()
  times(3, () => queue(it))
  expect(
    it.store.get("SELECT count(*) AS n, max(count) AS most FROM alerts WHERE state = 'waiting'"),
  ).toEqual({
    n: 5001,
    most: 3,
  })
})

test('a channel that was taken away leaves what waits to the one that is there; nothing is told twice', () => {
  queue(it, {}, ['command'])
  queue(it, {}, ['command', 'url'])
  openChannels(it.store, ['url'], morning)
  expect(listAlerts(it.store, {}).map(one => [one.alert, one.channel, one.state])).toEqual([
    [1, 'url', 'waiting'],
    [2, 'command', 'undelivered'],
    [2, 'url', 'waiting'],
  ])
  expect(openChannelsOf(it.store)).toEqual(['url'])
})

test('what arrived is kept thirty days, what did not a year, what waits for ever', () => {
  times(3, () => queue(it))
  it.store.db.exec("UPDATE alerts SET state = 'delivered', settled = 0 WHERE alert = 1")
  it.store.db.exec("UPDATE alerts SET state = 'undelivered', settled = 0 WHERE alert = 2")
  const left = (at: number) => {
    prune(it.store, at)
    return listAlerts(it.store, {}).map(one => one.alert)
  }
  expect(left(30 * day)).toEqual([1, 2, 3])
  expect(left(30 * day + 1)).toEqual([2, 3])
  expect(left(366 * day)).toEqual([3])
})

test('a clock that is set back does not put off what waits', () => {
  queue(it)
  const lastYear = morning - 365 * day
  expect(takeDue(it.store, 'command', lastYear)).toMatchObject({ alert: 1 })
})

test('a database from before there were alerts gets their table', () => {
  it.store.db.exec('DROP TABLE alerts')
  const { store } = it.again()
  expect(listAlerts(store, {})).toEqual([])
})

test('a database of another version is left alone', () => {
  const db = new Database(it.path)
  db.exec('DROP TABLE alerts; PRAGMA user_version = 99')
  expect(() => openStore(it.path)).toThrow('version 99')
  expect(db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'alerts'").get()).toBeUndefined()
  db.close()
})
