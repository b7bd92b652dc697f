import { afterEach, beforeEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { hex } from '../../src/base/bytes.ts'
import { nextHead } from '../../src/wire/chain.ts'
import { pack, unpack } from '../../src/wire/envelope.ts'
import { signingKey } from '../../src/wire/keys.ts'
import { signAndSeal } from '../../src/wire/message.ts'
import {
  type Bench,
  bench,
  epochOf,
  gateway,
  morning,
  pressure,
  receipts,
  server,
  time,
  to,
} from './fixture.ts'
import { acts, opening, place, up } from './receive-fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

const flagged = () => acts(it)
const readings = () =>
  it.store.all<{ verdict: string; notes: string }>('SELECT verdict, notes FROM readings ORDER BY id')
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
  ['time-unsynced', { time: { ...time(), wall: morning + 86_400_001 } }],
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

test('a clock that is a day ahead is in order yet, and a reading that comes late as well', () => {
  const epoch = epochOf(gateway, place.epoch)
  const walls = [morning + 86_400_000, morning - 30 * 86_400_000]
  const said = walls.map(wall => epoch.reading.bind(null, { time: { ...time(), wall } }))
  it.receive([epoch.open().message, ...said.map(say => say().message)])
  expect(readings().map(one => one.notes)).toEqual(['[]', '[]'])
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
