import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { isUndelivered, listAlerts } from '../../src/receiver/alerts.ts'
import { type Channel, commandChannel, urlChannel } from '../../src/receiver/alerts-channel.ts'
import { type Delivering, startDelivery } from '../../src/receiver/alerts-deliver.ts'
import { takeDue } from '../../src/receiver/alerts-queue.ts'
import { again, delivered, givenUp, heard, queue, script } from './alerts-fixture.ts'
import { type Bench, bench, morning } from './fixture.ts'

let it: Bench
let folder: string
let running: { stop(): Promise<void> }[]
const failed: unknown[] = []
beforeEach(() => {
  it = bench()
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-alerts-'))
  running = []
})
afterEach(async () => {
  await Promise.all(running.map(one => one.stop()))
  it.end()
  rmSync(folder, { recursive: true })
  expect(failed.splice(0)).toEqual([])
})

const at = (name: string) => join(folder, name)
const day = 86_400_000

function deliver(channel: Channel, more: Partial<Delivering> = {}) {
  const ear = heard()
  const { store, clock } = it
  const fail = (error: unknown) => void failed.push(error)
  const delivery = startDelivery({ store, clock, log: ear.log, channel, fail, everyMs: 1, ...more })
  running.push(delivery)
  return { ...ear, ...delivery }
}

const appending = () => commandChannel(script(folder, 'append', `cat >> ${at('told')}`))
const told = () =>
  readFileSync(at('told'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
const rows = () => listAlerts(it.store, {}).map(one => [one.alert, one.state, one.attempts, one.why])

/** A channel that does as the test says, one answer after the other. */
function acting(tell: Channel['tell']): Channel {
  return { name: 'command', check: () => undefined, tell }
}

test('what is queued is told by a real command, each once, the oldest first', async () => {
  for (const detail of ['one', 'two', 'three']) queue(it, { detail })
  const { said } = deliver(appending())
  await said(delivered, 3)
  expect(told().map(one => [one.alert, one.detail])).toEqual([
    [1, 'one'],
    [2, 'two'],
    [3, 'three'],
  ])
  expect(rows()).toEqual([1, 2, 3].map(alert => [alert, 'delivered', 1, null]))
})

test('a command that fails twice is tried a third time, after five seconds and then ten', async () => {
  const flaky = script(
    folder,
    'flaky',
    `echo x >> ${at('tries')}`,
    `[ "$(wc -l < ${at('tries')})" -ge 3 ] || exit 75`,
    `cat >> ${at('told')}`,
  )
  queue(it)
  const { said } = deliver(commandChannel(flaky))
  await said(again, 1)
  expect(rows()).toEqual([[1, 'waiting', 1, 'command ended with exit code 75']])
  const { next } = it.store.get<{ next: number }>('SELECT next FROM alerts')!
  expect(next).toBe(morning + 5000)
  it.clock.at = morning + 5000
  await said(again, 2)
  expect(it.store.get('SELECT next FROM alerts')).toEqual({ next: morning + 15_000 })
  it.clock.at = morning + 15_000
  await said(delivered)
  expect(told()).toHaveLength(1)
})

test('an address that is down for a while gets what was queued, and the command beside it does not wait', async () => {
  const bodies: string[] = []
  let asked = 0
  const server = createServer((request, answer) => {
    let body = ''
    request.on('data', part => {
      body += String(part)
    })
    request.on('end', () => {
      asked++
      if (asked > 2) bodies.push(body)
      answer.writeHead(asked > 2 ? 200 : 503).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = urlChannel(`http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`)
  queue(it, {}, ['command', 'url'])
  const [address, command] = [deliver(url), deliver(appending())]
  await Promise.all([address.said(again), command.said(delivered)])
  it.clock.at += 5000
  await address.said(again, 2)
  it.clock.at += 10_000
  await address.said(delivered)
  server.close()
  expect(bodies.map(one => JSON.parse(one))).toEqual(told())
  expect(rows()).toEqual([
    [1, 'delivered', 1, null],
    [1, 'delivered', 3, null],
  ])
})

test('pauses double up to a quarter of an hour; after seven days it is kept as undelivered, and said', async () => {
  queue(it)
  const { said, lines } = deliver(acting(async () => 'no'))
  const pauses: number[] = []
  for (let n = 1; n <= 10; n++) {
    await said(again, n)
    const { next } = it.store.get<{ next: number }>('SELECT next FROM alerts')!
    pauses.push((next - it.clock.at) / 1000)
    it.clock.at = next
  }
  expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 900, 900])
  await said(again, 11)
  it.clock.at = morning + 7 * day + 1
  await said(givenUp)
  expect(rows()).toEqual([[1, 'undelivered', 12, 'no']])
  expect(lines.at(-1)).toMatchObject({ level: 'error', part: 'alerts', id: 1, type: 'flag', reason: 'no' })
})

test('what was never tried goes before what failed, and nothing runs beside it', async () => {
  const order: number[] = []
  let inside = 0
  const channel = acting(async line => {
    expect(++inside).toBe(1)
    await new Promise(setImmediate)
    inside--
    order.push(JSON.parse(line).alert)
    return order.length === 1 ? 'no' : undefined
  })
  queue(it)
  const { said } = deliver(channel)
  await said(again)
  it.clock.at += 5000
  queue(it)
  queue(it)
  await said(delivered, 3)
  expect(order).toEqual([1, 2, 3, 1])
})

test('once a channel works again, all that waits is told without waiting for its pause', async () => {
  let works = false
  for (let n = 0; n < 4; n++) queue(it)
  const { said } = deliver(acting(async () => (works ? undefined : 'no')))
  await said(again, 4)
  works = true
  queue(it)
  // the clock stands: no pause is over
  await said(delivered, 5)
})

test('a restart in the middle of a try loses nothing: a stopped one is due at once', async () => {
  const begun = Promise.withResolvers<void>()
  const first = deliver(
    acting(async (_line, signal) => {
      begun.resolve()
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      return 'receiver was stopped'
    }),
  )
  queue(it, { detail: 'one' })
  await begun.promise
  await first.stop()
  expect(rows()).toEqual([[1, 'waiting', 1, null]])
  const { store } = it.again()
  await deliver(appending(), { store }).said(delivered)
  expect(told()).toMatchObject([{ alert: 1, detail: 'one' }])
})

test('a try whose process was killed is due again when no try can still be running', async () => {
  queue(it)
  expect(takeDue(it.store, 'command', morning)).toMatchObject({ attempts: 1 })
  expect(takeDue(it.store, 'command', morning + 44_999)).toBeUndefined()
  it.clock.at = morning + 45_000
  await deliver(appending()).said(delivered)
  expect(rows()).toEqual([[1, 'delivered', 2, null]])
})

test('two receivers on one database tell each alert once', async () => {
  for (let n = 0; n < 15; n++) queue(it)
  const seen: number[] = []
  const channel = acting(async line => {
    await new Promise(setImmediate)
    seen.push(JSON.parse(line).alert)
    return undefined
  })
  const { log, said } = heard()
  deliver(channel, { log })
  deliver(channel, { log, store: it.again().store })
  await said(delivered, 15)
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, n) => n + 1))
})

test('while another process holds the database nothing is lost and nothing breaks', async () => {
  const other = it.again().store
  it.store.db.pragma('busy_timeout = 0')
  queue(it)
  let tries = 0
  const channel = acting(async () => {
    tries++
    other.db.exec('BEGIN IMMEDIATE')
    setTimeout(() => other.db.exec('COMMIT'), 50)
    return undefined
  })
  await deliver(channel).said(delivered)
  expect(tries).toBe(1)
  expect(rows()).toEqual([[1, 'delivered', 1, null]])
})

test('a way that fails three times in a row is said once, with its code, and when it is open again', async () => {
  for (const detail of ['one', 'two', 'three', 'four']) queue(it, { detail })
  let down = true
  const channel = acting(async () => (down ? 'no route' : undefined))
  const { lines, said } = deliver(channel)
  await said(again, 4)
  const codes = () => lines.filter(one => one.code === 'alert.undelivered')
  expect(codes()).toEqual([expect.objectContaining({ msg: 'nobody is told', reason: 'no route' })])
  expect(listAlerts(it.store, {}).filter(isUndelivered)).toEqual([])
  it.clock.at += 5000
  await said(again, 8)
  it.clock.at += 10_000
  await said(again, 12)
  expect(listAlerts(it.store, {}).filter(isUndelivered)).toHaveLength(4)
  down = false
  it.clock.at += 20_000
  await said(delivered, 4)
  expect(codes()).toHaveLength(1)
  expect(lines.filter(one => one.msg === 'alerts arrive again')).toHaveLength(1)
  expect(listAlerts(it.store, {}).filter(isUndelivered)).toEqual([])
})

test('a failing test is not tried again', async () => {
  queue(it, { kind: 'test' })
  await deliver(acting(async () => 'no')).said(givenUp)
  expect(rows()).toEqual([[1, 'undelivered', 1, 'no']])
})

test('a bug, and a database that does not keep, are no failures of a channel', async () => {
  queue(it)
  const ended = Promise.withResolvers<unknown>()
  const bug = new TypeError('a bug')
  deliver(
    acting(async () => {
      throw bug
    }),
    { fail: ended.resolve },
  )
  expect(await ended.promise).toBe(bug)
})
