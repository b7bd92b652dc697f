import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { hex, sha256 } from '../../src/base/bytes.ts'
import { takeLost, takeRow } from '../../src/receiver/chains.ts'
import { lastSeen } from '../../src/receiver/session.ts'
import { signAndSeal } from '../../src/wire/message.ts'
import { seenHash } from '../../src/wire/session.ts'
import { type Bench, bench, epochOf, from, gateway, morning, server, to, unchained } from './fixture.ts'
import { hello, opened } from './session-fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

test('a hello gets a welcome with its nonce, the time and the versions', () => {
  const { body } = opened(it.receive([hello('a').message]))
  expect(body).toMatchObject({
    nonce: 'a'.repeat(32),
    status: 'ok',
    token: 1,
    time: morning,
    versions: { binding: 1, serverEntry: 1, devices: 1, revocations: 0 },
  })
})

test('the same hello gets the same bytes, after a restart and from another worker as well', () => {
  const { message } = hello('a')
  const [first] = it.receive([message])
  it.clock.at += 60_000
  const [again] = it.again().receive([message])
  expect(again!.payload).toEqual(new Uint8Array(first!.payload))
})

test('tokens rise, and above what the gateway has of a server that was restored', () => {
  expect(opened(it.receive([hello('a').message])).body.token).toBe(1)
  expect(opened(it.receive([hello('b').message])).body.token).toBe(2)
  expect(opened(it.receive([hello('c', { token: 40 }).message])).body.token).toBe(41)
  expect(opened(it.receive([hello('d', { token: 2 ** 53 - 1 }).message])).body.token).toBe(42)
})

test('the exact place that hello names is answered, though more is held', () => {
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  const said = [epoch.open(), epoch.reading(), epoch.reading()]
  it.receive(said.map(one => one.message))
  const epochs = [{ epoch: epoch.epoch, seq: 2, head: said[1]!.head }]
  expect(opened(it.receive([hello('a', { epochs }).message])).body.epochs).toEqual([
    { ...epochs[0], holes: [] },
  ])
})

test('another place is answered with the end of what is held, an unknown epoch with seq 0 at head(0)', () => {
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  const said = [epoch.open(), epoch.reading(), epoch.reading()]
  it.receive(said.slice(0, 2).map(one => one.message))
  const unknown = epochOf(gateway, 'e2e2e2e2e2e2e2e2')
  const epochs = [
    { epoch: unknown.epoch, seq: 7, head: '7'.repeat(64) },
    { epoch: epoch.epoch, seq: 3, head: said[2]!.head },
  ]
  expect(opened(it.receive([hello('a', { epochs }).message])).body.epochs).toEqual([
    { epoch: unknown.epoch, seq: 0, head: unknown.zero, holes: [] },
    { epoch: epoch.epoch, seq: 2, head: said[1]!.head, holes: [] },
  ])
})

test('a hello of a place inside a hole is answered with what is missing below it', () => {
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  const said = [epoch.open(), ...Array.from({ length: 5 }, () => epoch.reading())]
  const second = epochOf(gateway, 'e2e2e2e2e2e2e2e2')
  const detail = {
    epoch: epoch.epoch,
    from: 3,
    to: 5,
    before: said[1]!.head,
    after: said[4]!.head,
    why: 'missing',
  }
  it.receive(
    [said[0]!, said[1]!, said[5]!, second.open(), second.event('lost', detail), said[4]!].map(
      one => one.message,
    ),
  )
  const epochs = [{ epoch: epoch.epoch, seq: 5, head: said[4]!.head }]
  expect(opened(it.receive([hello('a', { epochs }).message])).body.epochs).toEqual([
    { ...epochs[0], holes: [[3, 4]] },
  ])
})

test('a ready that saw this hello and welcome is stored, any other is counted', () => {
  const asked = hello('a')
  const { body, statement } = opened(it.receive([asked.message]))
  const ready = (changes: object) =>
    unchained(gateway, 'ready', {
      serverNonce: body.serverNonce,
      token: body.token,
      seen: seenHash(asked.statement, statement),
      ...changes,
    }).message
  it.receive([ready({ seen: '0'.repeat(64) }), ready({ token: 9 }), ready({ serverNonce: '0'.repeat(32) })])
  expect(lastSeen(it.store, gateway.id)).toEqual({ at: morning, software: '0.1.0', ready: null })
  expect(it.store.get('SELECT name, n FROM counters')).toEqual({ name: 'READY_UNMATCHED', n: 3 })
  it.receive([ready({})])
  expect(lastSeen(it.store, gateway.id)).toEqual({ at: morning, software: '0.1.0', ready: morning })
})

test('a place inside of losses that follow each other is answered with the hole up to it', () => {
  const names = ['e1e1e1e1e1e1e1e1']
  const heads = [hex(sha256('0')), hex(sha256('1')), hex(sha256('2')), hex(sha256('3'))]
  const { zero } = epochOf(gateway, names[0]!)
  heads[0] = zero
  const chain = { gateway: gateway.id, epoch: names[0]!, kid: gateway.key.kid, received: morning }
  it.store.write(() => {
    for (const seq of [1, 2, 3]) {
      takeLost(
        it.store,
        { ...chain, first: seq, last: seq, before: heads[seq - 1]!, after: heads[seq]! },
        server.id,
      )
    }
  })
  const epochs = [{ epoch: names[0]!, seq: 2, head: heads[2]! }]
  expect(opened(it.receive([hello('a', { epochs }).message])).body.epochs).toEqual([
    { ...epochs[0], holes: [[1, 2]] },
  ])
})

test('the newest 64 sessions of a gateway are kept', () => {
  const nonces = Array.from({ length: 70 }, (_, at) => at.toString(16).padStart(2, '0').repeat(16))
  const ask = (nonce: string) => it.receive([hello('a', { nonce }).message])
  for (const nonce of nonces) ask(nonce)
  const tokens = it.store.all<{ token: number }>('SELECT token FROM sessions ORDER BY token')
  expect(tokens.map(one => one.token)).toEqual(Array.from({ length: 64 }, (_, at) => at + 7))
  expect(opened(ask('f'.repeat(32))).body.token).toBe(71)
})

/** The heads of an epoch of `count` rows, every even one of which was declared lost: head(0) first. */
function riddled(name: string, count: number): string[] {
  const { zero } = epochOf(gateway, name)
  const heads = [zero, ...Array.from({ length: count }, (_, at) => hex(sha256(`${name} ${at + 1}`)))]
  const chain = { gateway: gateway.id, epoch: name, kid: gateway.key.kid, received: morning }
  for (let seq = 1; seq <= count; seq++) {
    const [prev, head] = [heads[seq - 1]!, heads[seq]!]
    const envelope = new Uint8Array(1)
    if (seq % 2 === 1) {
      takeRow(it.store, { ...chain, seq, prev, head, hash: head, type: 'reading', envelope }, server.id)
    } else takeLost(it.store, { ...chain, first: seq, last: seq, before: prev, after: head }, server.id)
  }
  return heads
}

test('64 epochs full of holes fit into one welcome, and each answer is true', () => {
  const names = Array.from({ length: 64 }, (_, at) => at.toString(16).padStart(16, '0'))
  const known = it.store.write(() => names.map(name => riddled(name, 65)))
  const epochs = names.map((epoch, at) => ({ epoch, seq: 65, head: known[at]![65]! }))
  const holes = Array.from({ length: 32 }, (_, at) => [2 * at + 2, 2 * at + 2])
  // 128 holes are four epochs' of 32; of the others the first row is held, and row 2 is not
  const expected = names.map((epoch, at) =>
    at < 4 ? { ...epochs[at], holes } : { epoch, seq: 1, head: known[at]![1], holes: [] },
  )
  expect(opened(it.receive([hello('a', { epochs }).message])).body.epochs).toEqual(expected)
})

test('what room the oldest epochs leave goes to the next, as far as it reaches', () => {
  const names = Array.from({ length: 6 }, (_, at) => at.toString(16).padStart(16, '0'))
  const known = it.store.write(() => names.map(name => riddled(name, 61)))
  const epochs = names.map((epoch, at) => ({ epoch, seq: 61, head: known[at]![61]! }))
  const { body } = opened(it.receive([hello('a', { epochs }).message]))
  // 30 holes each: 128 - 4 * 30 leaves 8, rows 2 to 16, and the ninth hole would be row 18
  expect(body.epochs.map(one => [one.seq, one.holes.length])).toEqual([
    [61, 30],
    [61, 30],
    [61, 30],
    [61, 30],
    [17, 8],
    [1, 0],
  ])
  expect(body.epochs[4]!.head).toBe(known[4]![17])
})

test('the largest welcome that the wire allows can be sealed', () => {
  const most = Number.MAX_SAFE_INTEGER
  const holes = (count: number) =>
    Array.from({ length: count }, (_, at): [number, number] => [most - 200 + 2 * at, most - 200 + 2 * at])
  const members = {
    nonce: '0'.repeat(32),
    serverNonce: '0'.repeat(32),
    epochs: Array.from({ length: 64 }, (_, at) => ({
      epoch: at.toString(16).padStart(16, '0'),
      seq: most,
      head: '0'.repeat(64),
      holes: at < 4 ? holes(32) : [],
    })),
    status: 'hold',
    token: most,
    time: 253_402_300_799_999,
    minVersion: '\u0001'.repeat(128),
    versions: { binding: most, serverEntry: most, devices: most, revocations: most },
  }
  const welcome = (changes: object) =>
    signAndSeal('welcome', from({ ...gateway, id: server.id }), to(gateway), { ...members, ...changes })
  expect(welcome({}).envelope.length).toBeLessThanOrEqual(16_384)
  const [first, ...rest] = members.epochs
  const more = [...rest, { ...first, holes: [] }]
  expect(() => welcome({ epochs: more })).not.toThrow()
  expect(() => welcome({ epochs: [...more.slice(0, -1), { ...first, holes: holes(33) }] })).toThrow('Too big')
  expect(() => welcome({ epochs: [first, ...rest.slice(0, -1), { ...first, holes: holes(1) }] })).toThrow(
    'must not list more than 128 holes',
  )
})
