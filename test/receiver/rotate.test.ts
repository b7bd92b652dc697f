import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listFlags } from '../../src/receiver/flags.ts'
import { counted } from '../../src/receiver/store.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { openFrom } from '../../src/wire/message.ts'
import { seenHash } from '../../src/wire/session.ts'
import {
  type Bench,
  bench,
  epochOf,
  former,
  gateway,
  receipts,
  type Said,
  server,
  unchained,
} from './fixture.ts'
import { body, message } from './receive-fixture.ts'
import { bind, helloOf, keysOf } from './rotate-fixture.ts'

const [e1, e2] = ['e1e1e1e1e1e1e1e1', 'e2e2e2e2e2e2e2e2']
let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

const flags = () => listFlags(it.store, {}).map(one => one.flag)
const take = (...all: readonly { message: Said['message'] }[]) => it.receive(all.map(one => one.message))
const held = () =>
  it.store.all<{ epoch: string; seq: number }>('SELECT epoch, seq FROM chains ORDER BY epoch, seq')
const places = () => held().map(({ epoch, seq }) => `${epoch.slice(0, 2)} ${seq}`)

/** An epoch of the first key: its opening and four readings. */
function firstEpoch() {
  const epoch = epochOf(gateway, e1)
  return [epoch.open(), epoch.reading(), epoch.reading(), epoch.reading(), epoch.reading()] as const
}

test('bound keys change nothing until the gateway speaks under them', () => {
  const rows = firstEpoch()
  take(helloOf(gateway, []), rows[0])
  bind(it, 2)
  const out = take(rows[1], rows[2])
  expect(receipts(out).map(one => one.seq)).toEqual([3])
  expect(take(helloOf(gateway, rows, 1000, e1))).toHaveLength(1)
  expect(flags()).toEqual([])
})

test('after a hello under the later key a former one counts up to the place that was named, in any order', () => {
  const rows = firstEpoch()
  take(rows[1])
  const next = bind(it, 2)
  take(helloOf(next, rows.slice(0, 4), 2000, e1))
  take(rows[3], rows[0])
  take(rows[2])
  expect(flags()).toEqual([])
  expect(take(rows[4])).toEqual([])
  expect(flags()).toEqual(['FORMER_KEY'])
  expect(places()).toEqual(['e1 1', 'e1 2', 'e1 3', 'e1 4'])
  // what was taken may come again, and is receipted under the box key of now
  expect(receipts(take(rows[3]), next).map(one => one.seq)).toEqual([4])
})

test('what was taken and receipted may come again, though the gateway has forgotten it and names it no more', () => {
  const rows = firstEpoch()
  take(helloOf(gateway, []), rows[0], rows[1])
  const next = bind(it, 2)
  take(helloOf(next, [], 2000))
  expect(receipts(take(rows[1]), next).map(one => one.seq)).toEqual([2])
  expect(flags()).toEqual([])
  take(rows[2])
  expect(flags()).toEqual(['FORMER_KEY'])
})

test('an epoch-open under the later key names a place, too; its own epoch goes on', () => {
  const rows = firstEpoch()
  const next = bind(it, 2)
  const epoch = epochOf(next, e2)
  const { seq, head } = rows[1]
  const open = epoch.say('epoch-open', {
    before: { epoch: e1, seq, head },
    why: 'rotated',
    software: '0.1.0',
  })
  take(open, rows[0], rows[1], epoch.reading())
  expect(flags()).toEqual([])
  take(rows[2])
  expect(flags()).toEqual(['FORMER_KEY'])
  expect(places()).toEqual(['e1 1', 'e1 2', 'e2 1', 'e2 2'])
})

test('one message after the other decides, also within a batch and between two workers', () => {
  const rows = firstEpoch()
  const next = bind(it, 2)
  const second = it.again()
  // verified together, before any of them is taken
  take(rows[0], rows[1], helloOf(next, rows.slice(0, 3), 2000, e1), rows[2], rows[3])
  expect(places()).toEqual(['e1 1', 'e1 2', 'e1 3'])
  expect(second.receive([rows[4].message])).toEqual([])
  expect(flags()).toEqual(['FORMER_KEY', 'FORMER_KEY'])
  second.receive([helloOf(next, rows, 3000, e1).message])
  take(rows[4], rows[3])
  expect(places()).toHaveLength(5)
})

test('a former key opens no epoch, says no hello and no ready', () => {
  const next = bind(it, 2)
  take(helloOf(next, [], 2000))
  expect(take(epochOf(gateway, e2).open())).toEqual([])
  expect(take(helloOf(gateway, [], 9000))).toEqual([])
  expect(take(helloOf(gateway, [], 1000, undefined, 'c'.repeat(32)))).toEqual([])
  const ready = { serverNonce: 'a'.repeat(32), token: 1, seen: 'b'.repeat(64) }
  expect(take(unchained(gateway, 'ready', ready))).toEqual([])
  expect(flags()).toEqual(['FORMER_KEY', 'FORMER_KEY', 'FORMER_KEY', 'FORMER_KEY'])
  expect(places()).toEqual([])
})

test('a former key is named before what is wrong with its statement', () => {
  take(helloOf(bind(it, 2), [], 2000))
  it.receive([message('reading', body({}))])
  expect(flags()).toEqual(['FORMER_KEY'])
  it.receive([message('reading', body({ kid: keysOf(2).key.kid }), keysOf(2).key)])
  expect(flags()).toContain('MALFORMED')
})

test('a hello and a ready from before that come late are passed over, and accuse nobody', () => {
  const first = helloOf(gateway, [], 1000)
  const [answer] = take(first)
  const expected = {
    iss: server.id,
    key: verifyKey(server.receipt.publicKey),
    aud: gateway.id,
    box: gateway.box,
  }
  const welcome = openFrom(answer!.payload, ['welcome'], expected)
  const late = helloOf(gateway, [], 1500)
  take(helloOf(bind(it, 2), [], 2000))
  expect(take(late)).toEqual([])
  const { serverNonce, token } = welcome.body
  const seen = seenHash(first.statement, welcome.statement)
  expect(take(unchained(gateway, 'ready', { serverNonce, token, seen }))).toEqual([])
  // the same hello again gets the same bytes (WIRE 7.2)
  expect(take(first)[0]?.payload).toEqual(answer?.payload)
  expect(flags()).toEqual([])
  expect(counted(it.store, 'FORMER_LATE')).toBe(2)
})

test('three keys: each former one counts where any later one named it', () => {
  const rows = firstEpoch()
  const second = bind(it, 2)
  take(helloOf(second, rows.slice(0, 2), 2000, e1))
  const epoch = epochOf(second, e2)
  const more = [epoch.open(), epoch.reading(), epoch.reading()]
  // what a key names of its own epoch vouches for nothing once it is a former one
  take(helloOf(second, more, 2100, e2))
  const third = bind(it, 3)
  take(helloOf(third, more.slice(0, 2), 3000, e2))
  take(rows[0], rows[1], more[0]!, more[1]!)
  expect(flags()).toEqual([])
  // the second key names nothing any more, not even by a hello that comes late
  take(helloOf(second, rows, 2500, e1), rows[2], more[2]!)
  expect(flags()).toEqual(['FORMER_KEY', 'FORMER_KEY'])
  expect(places()).toEqual(['e1 1', 'e1 2', 'e2 1', 'e2 2'])
})

test('a key that was revoked stays REVOKED_KEY, whatever is named', () => {
  const rows = epochOf(former, e1)
  const open = rows.open()
  bind(it, 2)
  take(helloOf(keysOf(2), [open], 2000, e1), open)
  expect(flags()).toEqual(['REVOKED_KEY'])
})

test('a former key has no place in an epoch that a later one opened', () => {
  const second = bind(it, 2)
  const epoch = epochOf(second, e2)
  const rows = [epoch.open(), epoch.reading(), epoch.reading()]
  take(helloOf(second, [], 2000), rows[0]!)
  const third = bind(it, 3)
  take(helloOf(third, rows, 3000, e2))
  const thief = epochOf(gateway, e2)
  thief.open()
  expect(take(thief.reading())).toEqual([])
  expect(flags()).toEqual(['FORMER_KEY'])
})

test('a former key that came first into the epoch of a later one is found when that is opened', () => {
  const second = bind(it, 2)
  const epoch = epochOf(second, e2)
  const rows = [epoch.open(), epoch.reading(), epoch.reading()]
  take(helloOf(bind(it, 3), rows, 3000, e2))
  const thief = epochOf(gateway, e2)
  thief.open()
  take(thief.reading())
  expect(flags()).toEqual([])
  take(rows[0]!)
  expect(flags()).toEqual(['FORK'])
  const verdicts = it.store.all<{ verdict: string }>('SELECT verdict FROM readings')
  expect(verdicts).toEqual([{ verdict: 'flag' }])
})

test('a loss from the first place on is declared under the later key, and the rest is receipted', () => {
  const rows = firstEpoch()
  const next = bind(it, 2)
  take(helloOf(next, rows, 2000, e1))
  const epoch = epochOf(next, e2)
  const [lost, last] = [rows[1], rows[4]]
  const event = {
    epoch: e1,
    from: 1,
    to: 2,
    before: rows[0].prev,
    after: lost.head,
    why: 'missing',
  }
  take(epoch.open(), epoch.event('lost', event))
  const out = receipts(take(rows[2], rows[3], last), next)
  expect(out).toMatchObject([{ epoch: e1, seq: 5, head: last.head, holes: [[1, 2]] }])
  // something is missing indeed
  expect(flags()).toEqual(['GAP'])
})

test('a gateway under keys that a restored registry does not know tells that it was set back', () => {
  const unknown = keysOf(2)
  const hello = (binding: number) => {
    const { message: said } = unchained(unknown, 'hello', {
      nonce: 'a'.repeat(32),
      boot: 'b'.repeat(32),
      epochs: [],
      token: 0,
      software: '0.1.0',
      drivers: 'd'.repeat(64),
      clock: { wall: 0, source: 'none', uncertainty: null, boot: 'b'.repeat(32), mono: 1 },
      versions: { binding, serverEntry: 1, devices: 1, revocations: 0 },
    })
    return said
  }
  it.receive([hello(1)])
  expect(flags()).toEqual(['UNKNOWN_KEY'])
  it.receive([hello(2), hello(2)])
  expect(flags().toSorted()).toEqual(['REGISTRY_ROLLBACK', 'UNKNOWN_KEY', 'UNKNOWN_KEY', 'UNKNOWN_KEY'])
})
