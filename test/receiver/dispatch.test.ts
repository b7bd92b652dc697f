import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { watchCommands } from '../../src/receiver/command-watch.ts'
import { storeIntent } from '../../src/receiver/commands.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { setMinimum } from '../../src/receiver/minimum.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { type CommandBench, commandBench } from './command-fixture.ts'
import { gateway } from './fixture.ts'

// Commands that go out on the present session (WIRE 7.12: a hello of this connection, less than five minutes ago).
let it: CommandBench
let one: ReturnType<CommandBench['worker']>
beforeEach(async () => {
  it = await commandBench()
  one = it.worker()
})
afterEach(() => it.end())

const now = (on = one) => it.commands(on.commander.atOnce(it.clock.at))

test('a command that is stored during a session is sent at once, and once', () => {
  const { nonce, ready } = it.hello(one.receive)
  one.receive([ready])
  const intent = it.want()
  expect(now()).toEqual([expect.objectContaining({ nonce, intent, verb: 'ping', order: null })])
  expect(it.stateOf(intent)).toBe('sent')
  expect(now()).toEqual([])
  // neither does the ready of that session send it again, only that of the next one
  expect(it.commands(one.receive([ready]))).toEqual([])
  const next = it.hello(one.receive)
  expect(it.commands(one.receive([next.ready]))).toMatchObject([{ nonce: next.nonce, intent }])
  expect(now()).toEqual([])
})

test('nothing is sent before the ready has matched, nor after 270 s of the steady clock', () => {
  const { nonce, ready } = it.hello(one.receive)
  const intent = it.want()
  expect(now()).toEqual([])
  expect(it.commands(one.receive([ready]))).toMatchObject([{ nonce, intent }])
  it.steady.at = 269_999
  const second = it.want()
  expect(now()).toMatchObject([{ nonce, intent: second }])
  it.steady.at = 270_000
  it.want()
  expect(now()).toEqual([])
})

test('the wall clock is not asked how old a hello is', () => {
  one.receive([it.hello(one.receive).ready])
  it.clock.at += 3_600_000
  it.want()
  expect(now()).toHaveLength(1)
})

test('two workers: the one that took the hello sends, whoever took the ready, and once between them', () => {
  const two = it.worker()
  const { nonce, ready } = it.hello(one.receive)
  two.receive([ready])
  const intent = it.want()
  expect(now(two)).toEqual([])
  expect(now(one)).toMatchObject([{ nonce, intent }])
  expect([...now(one), ...now(two)]).toEqual([])
})

test('a worker that knows an older session than another one sends nothing over it', () => {
  const two = it.worker()
  one.receive([it.hello(one.receive).ready])
  const later = it.hello(two.receive)
  it.want()
  expect(now(one)).toEqual([])
  expect(it.commands(one.receive([later.ready]))).toMatchObject([{ nonce: later.nonce }])
})

test('a hello that comes again makes no session fresh', () => {
  const { again, ready } = it.hello(one.receive)
  one.receive([ready])
  it.steady.at = 200_000
  one.receive([again])
  const two = it.worker()
  two.receive([again, ready])
  it.steady.at = 270_000
  it.want()
  expect([...now(one), ...now(two)]).toEqual([])
})

test('after a crash between the commit and the publishing it goes with the next ready', () => {
  one.receive([it.hello(one.receive).ready])
  const intent = it.want()
  expect(now()).toHaveLength(1) // and what it gave was never published
  const again = it.worker()
  expect(now(again)).toEqual([])
  const next = it.hello(again.receive)
  expect(it.commands(again.receive([next.ready]))).toMatchObject([{ nonce: next.nonce, intent }])
})

test('a dangerous command goes at once as well, with the operators before it', () => {
  one.receive([it.hello(one.receive).ready])
  it.want('restart')
  const out = one.commander.atOnce(it.clock.at)
  expect(out).toHaveLength(2)
  expect(it.commands(out)).toMatchObject([{ verb: 'restart', order: expect.anything() }])
  expect(it.commands(out.slice(1))).toHaveLength(1)
})

test('a command that crosses the next connection is not a suspicion, and is sent again', () => {
  one.receive([it.hello(one.receive).ready])
  const intent = it.want()
  expect(now()).toHaveLength(1)
  it.clock.at += 2000
  // the gateway connected anew meanwhile: it refuses what answers a hello of the connection before
  const next = it.hello(one.receive)
  it.refused(one.receive, intent, 'command.replayed')
  expect(it.stateOf(intent)).toBe('sent')
  expect(it.commands(one.receive([next.ready]))).toMatchObject([{ nonce: next.nonce, intent }])
  expect(listFlags(it.store, {})).toEqual([])
  // one sending excuses one refusal
  it.refused(one.receive, intent, 'command.replayed')
  expect(listFlags(it.store, {}).map(({ flag }) => flag)).toEqual(['COMMAND_REFUSED'])
})

test.each([
  ['long after it was sent', 61_000, 'command.replayed', 1],
  ['for another reason', 2000, 'command.late', 1],
  ['more than once', 2000, 'command.replayed', 2],
])('a command of ours that is refused %s is a suspicion', (_, afterMs, why, count) => {
  one.receive([it.hello(one.receive).ready])
  const intent = it.want()
  expect(now()).toHaveLength(1)
  it.clock.at += afterMs
  it.hello(one.receive)
  it.refused(one.receive, intent, why, count)
  expect(it.stateOf(intent)).toBe('refused')
  expect(listFlags(it.store, {}).map(({ flag }) => flag)).toEqual(['COMMAND_REFUSED'])
})

test('a gateway below the lowest version is sent only what it obeys', () => {
  setMinimum(it.store, '0.2.0', 'anne', it.clock.at)
  const old = it.hello(one.receive)
  expect(old.body.minVersion).toBe('0.2.0')
  one.receive([old.ready])
  const [identify, ping] = [it.want('identify'), it.want('ping')]
  expect(now().map(command => command.intent)).toEqual([ping])
  const updated = it.hello(one.receive, { software: '0.2.0' })
  const sent = it.commands(one.receive([updated.ready])).map(command => command.intent)
  expect(sent).toEqual([identify, ping])
})

test('the running receiver notices what another process stores, and asks nothing while nothing changes', async () => {
  let asked = 0
  const sent = Promise.withResolvers<readonly Outgoing[]>()
  const other = it.worker()
  one.receive([it.hello(one.receive).ready])
  const commander = {
    atOnce: (at: number) => {
      asked++
      return one.commander.atOnce(at)
    },
  }
  const ticks = { left: 20, done: Promise.withResolvers<void>() }
  const store = {
    ...it.store,
    db: new Proxy(it.store.db, {
      get: (db, name) => {
        if (name !== 'pragma') return Reflect.get(db, name)
        if (--ticks.left === 0) ticks.done.resolve()
        return db.pragma.bind(db)
      },
    }),
  }
  const watch = watchCommands({
    ...{ store, commander, clock: it.clock, fail: sent.reject, everyMs: 1 },
    send: out => out.length > 0 && sent.resolve(out),
  })
  await ticks.done.promise
  expect(asked).toBe(1)
  // of another connection to the database, as the command line has one
  const line = openStore(paths(it.state).database)
  const wanted = { gateway: gateway.id, verb: 'ping', args: {}, actor: 'anne', now: it.clock.at } as const
  const intent = storeIntent(it.state, line, it.registry, wanted)
  line.close()
  expect(it.commands(await sent.promise)).toMatchObject([{ intent }])
  watch.stop()
  expect(other.commander.atOnce(it.clock.at)).toEqual([])
})
