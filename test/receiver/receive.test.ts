import { afterEach, beforeEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concat, hex } from '../../src/base/bytes.ts'
import { type Message, policy } from '../../src/receiver/verify.ts'
import { nextHead } from '../../src/wire/chain.ts'
import { pack, seal, unpack } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, signingKey } from '../../src/wire/keys.ts'
import { signAndSeal } from '../../src/wire/message.ts'
import { signStatement } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import {
  type Bench,
  bench,
  epochOf,
  from,
  gateway,
  holder,
  other,
  pressure,
  receipts,
  server,
  time,
  to,
  unchained,
} from './fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

const flagged = () =>
  it.store.all<{ flag: string; gateway: string | null; act: string }>(
    'SELECT act, flag, gateway FROM flag_acts',
  )
const readings = () =>
  it.store.all<{ verdict: string; notes: string }>('SELECT verdict, notes FROM readings ORDER BY id')
const sampled = () => it.store.all<{ flag: string }>('SELECT flag FROM quarantine').map(one => one.flag)

const up = (who = gateway) => topics(server.id, who.id).up
const place = { epoch: 'e1e1e1e1e1e1e1e1', seq: 1 }

/** The parties of a body from the gateway to the server, some of them changed. */
const body = (changes: object, members: object = {}) => ({
  iss: gateway.id,
  kid: gateway.key.kid,
  aud: server.id,
  akid: server.box.kid,
  ...changes,
  ...members,
})

/** A message of any type and body, signed and sealed without looking at what it says. */
const message = (
  type: string,
  value: object,
  key = gateway.key,
  topic = up(),
  box = server.box,
): Message => ({
  topic,
  payload: pack({ ...place, envelope: seal(signStatement(type, value, key), boxPublic(box.publicKey)) }),
})

const hello = {
  nonce: 'a'.repeat(32),
  boot: 'b'.repeat(32),
  epochs: [],
  token: 0,
  software: '0.1.0',
  drivers: 'd'.repeat(64),
  clock: time(),
  versions: { binding: 1, serverEntry: 1, devices: 0, revocations: 0 },
}

const opening = () => epochOf(gateway, place.epoch).open()
const stranger = holder(0x30)

test('an honest reading is accepted with its notes and digits, and no flag', () => {
  const epoch = epochOf(gateway, place.epoch)
  const weight = { 'body-weight': { n: 7240, s: 2, u: 'kg' } }
  const out = it.receive([
    epoch.open().message,
    epoch.reading().message,
    epoch.reading({ values: weight }).message,
  ])
  expect(receipts(out).map(one => one.seq)).toEqual([3])
  expect(readings()).toEqual([
    { verdict: 'accept', notes: '[]' },
    { verdict: 'accept', notes: '[]' },
  ])
  expect(flagged()).toEqual([])
})

test.each([
  ['unattributed', { attribution: undefined }],
  ['unguarded-frame', { link: { kind: 'serial', check: 'none' } }],
  ['time-unsynced', { time: time(1000, 'none') }],
  ['time-unsynced', { time: { ...time(), source: 'saved' } }],
  ['time-unsynced', { time: { ...time(), uncertainty: null } }],
  ['implausible', { values: { systolic: { n: 999, s: 0, u: 'mm[Hg]' } } }],
  ['experimental-driver', { notes: ['experimental-driver'] }],
])('note %s, and the reading is accepted', (note, members) => {
  const epoch = epochOf(gateway, place.epoch)
  // `undefined` members do not travel
  const said = JSON.parse(JSON.stringify({ ...pressure, ...members })) as object
  it.receive([epoch.open().message, epoch.say('reading', said).message])
  expect(readings()).toEqual([{ verdict: 'accept', notes: JSON.stringify([note]) }])
  expect(flagged()).toEqual([])
})

/** WIRE 12: what is wrong, as what it is flagged, and whether its gateway is known. */
const refused: [what: string, flag: string, known: boolean, make: () => Message][] = [
  ['an empty payload', 'MALFORMED', false, () => ({ topic: up(), payload: new Uint8Array(0) })],
  ['17,000 bytes', 'MALFORMED', false, () => ({ topic: up(), payload: new Uint8Array(17_000) })],
  [
    'another magic',
    'MALFORMED',
    false,
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

test('every step of the policy but the first ones of its flag has a case above', () => {
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

test('gateways that nobody enrolled share one hundred samples', () => {
  const many = Array.from({ length: 120 }, (_, at): Message => {
    const payload = opening().message.payload
    return { topic: up(holder(at + 100)), payload }
  })
  it.receive(many)
  expect(sampled()).toHaveLength(100)
})

test('a reading of a device that was not accepted: custody and a receipt, but quarantine', () => {
  const epoch = epochOf(gateway, place.epoch)
  const out = it.receive([epoch.open().message, epoch.reading({ device: 'cuff-2' }).message])
  expect(receipts(out).map(one => one.seq)).toEqual([2])
  expect(readings()).toEqual([{ verdict: 'quarantine', notes: '[]' }])
  expect(flagged()).toEqual([{ act: 'raised', flag: 'DEVICE_UNREGISTERED', gateway: gateway.id }])
})

test.each([
  ['driver', { driver: { ...pressure.driver, id: 'and-tm2655' } }],
  ['station', { station: 'room-13' }],
])('an accepted device with another %s is not the accepted one', (_, members) => {
  const epoch = epochOf(gateway, place.epoch)
  it.receive([epoch.open().message, epoch.reading(members).message])
  expect(readings()).toEqual([{ verdict: 'quarantine', notes: '[]' }])
})

test('server-unpinned raises SERVER_KEY_UNPINNED', () => {
  const epoch = epochOf(gateway, place.epoch)
  const told = epoch.event
  it.receive([
    epoch.open().message,
    (() => told('server-unpinned', { fingerprint: 'f'.repeat(64), since: 1, count: 3 }))().message,
  ])
  expect(flagged().map(one => one.flag)).toEqual(['SERVER_KEY_UNPINNED'])
})

test('device-proposed is kept for the operator under the hash of its envelope', () => {
  const epoch = epochOf(gateway, place.epoch)
  const first = epoch.open()
  const proposal = epoch.event('device-proposed', {
    device: 'cuff-2',
    driver: 'omron-hbp9030',
    station: 'room-12',
    link: 'serial',
    options: '0'.repeat(64),
  })
  it.receive([first.message, proposal.message, proposal.message])
  expect(it.store.all('SELECT gateway, device, driver, station, hash FROM proposals')).toEqual([
    {
      gateway: gateway.id,
      device: 'cuff-2',
      driver: 'omron-hbp9030',
      station: 'room-12',
      hash: proposal.hash,
    },
  ])
})

test('no commit, no receipt; the same rows are taken when the disk is well again', () => {
  const epoch = epochOf(gateway, place.epoch)
  const batch = [epoch.open().message, epoch.reading().message]
  it.store.db.exec(
    "CREATE TEMP TRIGGER broken BEFORE INSERT ON readings BEGIN SELECT raise(ABORT, 'disk is full'); END",
  )
  expect(() => it.receive(batch)).toThrow('disk is full')
  expect(it.store.all('SELECT 1 FROM chains')).toEqual([])
  it.store.db.exec('DROP TRIGGER broken')
  expect(receipts(it.receive(batch)).map(one => one.seq)).toEqual([2])
})

test('a commit that fails at its very end gives no receipt', () => {
  // a deferred reference is judged only by COMMIT
  it.store.db.exec(`
    CREATE TEMP TRIGGER broken AFTER INSERT ON readings
    BEGIN INSERT INTO places (gateway, epoch, seq, head, branch) VALUES ('', '', 1, '', 999); END`)
  it.store.db.pragma('defer_foreign_keys = ON')
  const epoch = epochOf(gateway, place.epoch)
  const write = it.store.write
  it.store.write = work =>
    write(() => {
      it.store.db.pragma('defer_foreign_keys = ON')
      return work()
    })
  const batch = [epoch.open().message, epoch.reading().message]
  expect(() => it.receive(batch)).toThrow('FOREIGN KEY')
  expect(it.again().store.all('SELECT 1 FROM chains')).toEqual([])
})

test('a restart in between loses and doubles nothing', () => {
  const epoch = epochOf(gateway, place.epoch)
  const said = [epoch.open(), epoch.reading(), epoch.reading(), epoch.reading()].map(one => one.message)
  it.receive([said[0]!, said[2]!])
  it.store.close()
  const after = it.again()
  expect(receipts(after.receive([said[1]!])).map(one => one.seq)).toEqual([3])
  expect(receipts(after.receive(said)).map(one => one.seq)).toEqual([4])
  expect(after.store.all('SELECT 1 FROM readings')).toHaveLength(3)
})

test('two workers on one file: whichever gets what, in any order, twice, all is there once', () => {
  const epoch = epochOf(gateway, place.epoch)
  const said = [epoch.open()]
  while (said.length < 20) said.push(epoch.reading())
  const messages = said.map(one => one.message)
  const pick = fc.array(fc.tuple(fc.boolean(), fc.nat(19)), { minLength: 30, maxLength: 60 })
  const [left, right] = [it, it.again()]
  fc.assert(
    fc.property(pick, steps => {
      for (const [side, at] of steps) (side ? left : right).receive([messages[at]!])
    }),
    { numRuns: 3 },
  )
  const last = receipts(right.receive(messages))
  expect(last.map(one => [one.seq, one.head])).toEqual([[20, said.at(-1)!.head]])
  expect(it.store.all('SELECT 1 FROM readings')).toHaveLength(19)
  expect(flagged()).toEqual([])
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

test('the hint in front of the envelope proves nothing and harms nothing', () => {
  const {
    envelope,
    message: { topic },
  } = opening()
  const payload = pack({ epoch: 'f'.repeat(16), seq: 77, envelope })
  expect(receipts(it.receive([{ topic, payload }])).map(one => [one.epoch, one.seq])).toEqual([
    [place.epoch, 1],
  ])
  expect(hex(unpack(payload).envelope)).toBe(hex(envelope))
})

test('a row under another key never joins the chain of the key that opened it', () => {
  const epoch = epochOf(gateway, place.epoch)
  const first = epoch.open()
  it.receive([first.message])
  const bound = it.gateways.get(gateway.id)!
  const fresh = signingKey(new Uint8Array(32).fill(77))
  it.gateways.set(gateway.id, { ...bound, verifyKey: { ...fresh, verify: bound.verifyKey.verify } })
  const { envelope } = signAndSeal('reading', { id: gateway.id, key: fresh }, to(server), {
    ...place,
    seq: 2,
    prev: first.head,
    time: time(),
    ...pressure,
  })
  it.gateways.set(gateway.id, {
    ...bound,
    verifyKey: { kid: fresh.kid, publicKey: fresh.publicKey, verify: () => true },
  })
  expect(it.receive([{ topic: up(), payload: pack({ ...place, seq: 2, envelope }) }])).toEqual([])
  expect(it.store.all('SELECT connected FROM chains ORDER BY seq')).toEqual([
    { connected: 1 },
    { connected: 0 },
  ])
  expect(nextHead(first.head, envelope)).not.toBe(first.head)
})

test('a hello is answered beside receipts, in the order in which things came', () => {
  const out = it.receive([unchained(gateway, 'hello', hello).message, opening().message])
  expect(out).toHaveLength(2)
  expect(from(gateway).id).toBe(gateway.id)
})
