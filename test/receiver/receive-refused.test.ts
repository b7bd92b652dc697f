import { afterEach, beforeEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concat } from '../../src/base/bytes.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { type Message, policy } from '../../src/receiver/verify.ts'
import { boxKey } from '../../src/wire/keys.ts'
import { topics } from '../../src/wire/topics.ts'
import {
  type Bench,
  bench,
  epochOf,
  former,
  gateway,
  holder,
  other,
  pressure,
  receipts,
  time,
} from './fixture.ts'
import { acts, body, message, opening, place, stranger, up } from './receive-fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

const flagged = () => acts(it)
const readings = () => it.store.all('SELECT verdict FROM readings')
const sampled = () => it.store.all<{ flag: string }>('SELECT flag FROM quarantine').map(one => one.flag)

/** WIRE 12: what is wrong, as what it is flagged, and whether its gateway is known. */
const refused: [what: string, flag: string, known: boolean, make: () => Message][] = [
  ['an empty payload', 'MALFORMED', true, () => ({ topic: up(), payload: new Uint8Array(0) })],
  ['17,000 bytes', 'MALFORMED', true, () => ({ topic: up(), payload: new Uint8Array(17_000) })],
  [
    'another magic',
    'MALFORMED',
    true,
    () => ({ topic: up(), payload: opening().message.payload.with(16, 0x58) as Uint8Array }),
  ],
  [
    'a gateway that is not enrolled',
    'UNKNOWN_KEY',
    false,
    () => ({ ...opening().message, topic: up(stranger) }),
  ],
  [
    'a topic of another server',
    'UNKNOWN_KEY',
    false,
    () => ({ ...opening().message, topic: topics(stranger.id, gateway.id).up }),
  ],
  ['a topic that is none', 'UNKNOWN_KEY', false, () => ({ ...opening().message, topic: 'vitalgate/2/x' })],
  [
    'sealed to another server',
    'WRONG_AUDIENCE',
    true,
    () => message('epoch-open', body({}), gateway.key, up(), boxKey(new Uint8Array(32).fill(99))),
  ],
  [
    'a bit flipped in the box',
    'MALFORMED',
    true,
    () => {
      const { message } = opening()
      return { ...message, payload: message.payload.with(-1, message.payload.at(-1)! ^ 1) as Uint8Array }
    },
  ],
  ['a receipt sent up', 'WRONG_TYPE', true, () => message('receipt', body({}))],
  ['a type nobody knows', 'WRONG_TYPE', true, () => message('gossip', body({}))],
  ['no parties', 'MALFORMED', true, () => message('reading', { iss: gateway.id })],
  [
    'the envelope of another gateway',
    'TOPIC_MISMATCH',
    true,
    () => ({ ...epochOf(other, place.epoch).open().message, topic: up() }),
  ],
  [
    'meant for another server, sealed again to this one',
    'WRONG_AUDIENCE',
    true,
    () => message('reading', body({ aud: stranger.id })),
  ],
  ['another akid inside', 'WRONG_AUDIENCE', true, () => message('reading', body({ akid: '0'.repeat(16) }))],
  [
    'signed by an unknown key',
    'UNKNOWN_KEY',
    true,
    () => message('reading', body({ kid: stranger.key.kid }), stranger.key),
  ],
  [
    'signed by another key under a bound name',
    'BAD_SIG',
    true,
    () => message('reading', body({}), stranger.key),
  ],
  [
    'signed by a key that was revoked',
    'REVOKED_KEY',
    true,
    () => message('reading', body({ kid: former.key.kid }), former.key),
  ],
  [
    'signed by another key under a revoked name',
    'BAD_SIG',
    true,
    () => message('reading', body({ kid: former.key.kid }), gateway.key),
  ],
  ['a member too many', 'MALFORMED', true, () => message('ready', body({}, { extra: 1 }))],
  [
    'a value in a foreign unit',
    'MALFORMED',
    true,
    () =>
      message(
        'reading',
        body(
          {},
          {
            ...pressure,
            ...place,
            seq: 2,
            prev: '0'.repeat(64),
            time: time(),
            values: { 'body-weight': { n: 160, s: 0, u: 'lb' } },
          },
        ),
      ),
  ],
  [
    'an epoch that begins with a reading',
    'MALFORMED',
    true,
    () => epochOf(gateway, place.epoch).reading().message,
  ],
  [
    'an epoch that does not begin at its head(0)',
    'MALFORMED',
    true,
    () =>
      message(
        'epoch-open',
        body({}, { ...place, prev: '0'.repeat(64), time: time(), before: null, why: 'first', software: '' }),
      ),
  ],
]

test.each(refused)('%s is %s: kept apart, without a receipt', (_, flag, known, make) => {
  const bad = make()
  expect(it.receive([bad])).toEqual([])
  expect(flagged()).toEqual([{ act: 'raised', flag, gateway: known ? gateway.id : null }])
  expect(sampled()).toEqual([flag])
  expect(it.store.all('SELECT 1 FROM chains')).toEqual([])
  expect(readings()).toEqual([])
})

test('every flag of the policy has a case above', () => {
  const flags = new Set(refused.map(([, flag]) => flag))
  expect(new Set(policy.map(step => step.otherwise))).toEqual(flags)
})

test('a rogue message beside honest ones costs them nothing', () => {
  const epoch = epochOf(gateway, place.epoch)
  const bad = message('reading', body({}), stranger.key)
  const out = it.receive([epoch.open().message, bad, epoch.reading().message])
  expect(receipts(out).map(one => one.seq)).toEqual([2])
})

test('a hundred samples a day and gateway are kept, the rest are counted', () => {
  const payload = opening().message.payload
  const forged = (at: number): Message => ({
    topic: up(),
    payload: concat(payload.subarray(0, -2), Uint8Array.of(at >> 8, at & 255)),
  })
  it.receive(Array.from({ length: 120 }, (_, at) => forged(at)))
  expect(sampled()).toHaveLength(100)
  expect(flagged()).toHaveLength(100)
  expect(it.store.get("SELECT n FROM counters WHERE name = 'MALFORMED'")).toEqual({ n: 120 })
  it.clock.at += 86_400_000
  it.receive([forged(1), forged(200)])
  expect(sampled()).toHaveLength(101)
})

test('noise of one kind hides no forgery of another', () => {
  const noise = Array.from({ length: 150 }, (_, at) => ({ topic: up(), payload: Uint8Array.of(at) }))
  it.receive(noise)
  it.receive([message('reading', body({}), stranger.key)])
  expect(sampled().filter(flag => flag === 'BAD_SIG')).toHaveLength(1)
  const [line] = listFlags(it.store, { flag: 'MALFORMED' }).slice(-1)
  expect(line?.more).toBe(50)
  expect(listFlags(it.store, { flag: 'BAD_SIG' })[0]).not.toHaveProperty('more')
})

test('gateways that nobody enrolled share one hundred samples', () => {
  const many = Array.from({ length: 120 }, (_, at): Message => {
    const payload = opening().message.payload
    return { topic: up(holder(at + 100)), payload }
  })
  it.receive(many)
  expect(sampled()).toHaveLength(100)
})

test('changed messages never crash it, are never accepted and never receipted', () => {
  const epoch = epochOf(gateway, place.epoch)
  it.receive([epoch.open().message])
  const { payload } = epoch.reading().message
  const change = fc.oneof(
    fc.tuple(fc.nat(payload.length - 17), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
      // behind the unproven hint of 16 bytes
      return payload.with(at + 16, payload[at + 16]! ^ by)
    }),
    fc.nat(payload.length - 1).map(length => payload.subarray(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map(more => concat(payload, more)),
    fc.uint8Array({ maxLength: 300 }),
  )
  fc.assert(
    fc.property(change, changed => {
      expect(it.receive([{ topic: up(), payload: changed }])).toEqual([])
    }),
    { numRuns: 500 },
  )
  expect(readings()).toEqual([])
})

test('any JSON that a bound key signs never crashes it', () => {
  const types = fc.constantFrom('epoch-open', 'reading', 'event', 'result', 'hello', 'ready')
  fc.assert(
    fc.property(types, fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (type, members) => {
      it.receive([message(type, body({}, members))])
    }),
    { numRuns: 300 },
  )
  expect(readings()).toEqual([])
})

test('what a stranger wrote cannot speak to a terminal', () => {
  it.receive([message('event', body({}, { event: 'lost', detail: { '\u001b[2J\n': 1 } }))])
  const [row] = it.store.all<{ detail: string }>('SELECT detail FROM flag_acts')
  expect(row?.detail).toMatch(/^[ -~]{1,200}$/)
})
