import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { commandLine, orderOf, readIntent, storeIntent } from '../../src/receiver/commands.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { verifyRegistry } from '../../src/wire/registry.ts'
import { unpublish } from '../../src/wire/statement.ts'
import { type CommandBench, commandBench } from './command-fixture.ts'
import { gateway, morning } from './fixture.ts'

// What a gateway had to give up (WIRE 9.14), as its server hears of it; and the order that a person carries there.
let it: CommandBench
beforeEach(async () => {
  it = await commandBench()
})
afterEach(() => it.end())

const key = '01'.repeat(8)
const hour = 3_600_000
const gaps = () => listFlags(it.store, {}).map(({ flag, detail }) => [flag, detail])
const told = (detail: object) => it.chained(it.worker().receive, 'event', { event: 'abandoned', detail })
const given = { what: 'key', id: key, rows: 12, first: morning, last: morning + hour }
const store = (more: object = {}) =>
  storeIntent(it.state, it.store, it.registry, {
    ...{ gateway: gateway.id, verb: 'abandon' as const, args: { key }, actor: 'anne', now: it.clock.at },
    ...more,
  })
const timeOf = (at: number): string => new Date(at).toISOString().slice(0, 16)

test('rows that were given up are a gap, which names their number, time, key and order', () => {
  const intent = store()
  told({ intent, ...given })
  const span = `taken ${timeOf(morning)}Z to ${timeOf(morning + hour)}Z`
  expect(gaps()).toEqual([
    [
      'GAP',
      `12 rows, ${span}, under revoked key ${key} and those before it were given up by order ${intent} of this server`,
    ],
  ])
})

test('an order that this server did not store is told as such', () => {
  const intent = 'cd'.repeat(16)
  const server = 'a'.repeat(26)
  told({ intent, what: 'server', id: server, rows: null, first: null, last: null })
  // another command of this server is no order to give up
  const ping = it.want('ping')
  told({ ...given, intent: ping })
  const foreign = 'which this server did not store'
  const [uncounted, other] = gaps()
  expect(uncounted).toEqual([
    'GAP',
    `rows that nobody could count for former server ${server} were given up by order ${intent}, ${foreign}`,
  ])
  expect(other![1]).toContain(`by order ${ping}, ${foreign}`)
})

test('where every row had its receipt nothing is lost, and nobody is alarmed', () => {
  told({ intent: store(), ...given, rows: 0, first: null, last: null })
  expect(gaps()).toEqual([])
})

test('an order that a person carries is signed for its days, is not sent, and is closed by the result', () => {
  const days = 30 * 24 * hour
  const intent = store({ carriedMs: days })
  const row = readIntent(it.store, intent)!
  const signer = it.registry.operators()[0]!.key
  const order = verifyRegistry('order', unpublish(orderOf(row)!), signer)
  expect(order).toMatchObject({ gateway: gateway.id, intent, verb: 'abandon', args: { key } })
  expect(order.until - order.made).toBe(days)
  const { receive, commander } = it.worker()
  expect(it.commands(receive([it.hello(receive).ready]))).toEqual([])
  expect(it.commands(commander.atOnce(it.clock.at))).toEqual([])
  expect(commandLine(row, it.clock.at).state).toBe('sent')
  it.chained(receive, 'result', { intent, outcome: 'done', detail: { key, rows: 12 } })
  expect(it.stateOf(intent)).toBe('done')
})
