import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openStation, type StationEvent } from '../../src/daemon/station.ts'
import { wallOf } from '../../src/daemon/wall.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { signingKey } from '../../src/wire/keys.ts'
import { hashOf, nextOf, zeroOf } from '../outbox/chain.ts'
import { helloMembers, helloOf, moment, removed, type Scene, scene, weight } from './scene.ts'

let at: Scene
beforeEach(() => {
  at = scene()
})
afterEach(() => at.clear())

test('statements are chained from head(0), signed, and sealed to the server alone', async () => {
  const custody = await at.start()
  const places = [
    await custody.take(weight(1)),
    await custody.take(removed(2)),
    await custody.take(weight(3)),
  ]
  const rows = await custody.due(0, 100)
  expect(rows.map(row => row.id)).toEqual([1, 2, 3, 4])
  const epoch = places[0]!.epoch
  const { kid } = signingKey(at.settings.seed)
  let head = zeroOf(at.settings.gateway, epoch, kid, at.settings.server)
  for (const [n, { parcel }] of rows.entries()) {
    const { type, body } = at.read(parcel.envelope)
    expect(type).toBe(['epoch-open', 'reading', 'event', 'reading'][n])
    expect(body).toMatchObject({
      iss: at.settings.gateway,
      kid,
      aud: at.settings.server,
      akid: at.box.kid,
      epoch,
      seq: n + 1,
      prev: head,
    })
    expect(parcel).toMatchObject({ epoch, seq: n + 1 })
    head = nextOf(head, parcel.envelope)
    if (n > 0) expect(places[n - 1]).toEqual({ epoch, seq: n + 1, head, hash: hashOf(parcel.envelope) })
  }
  expect(at.read(rows[0]!.parcel.envelope).body).toMatchObject({
    before: null,
    why: 'first',
    software: '0.1.0',
    time: moment(1),
  })
  expect(await custody.verify()).toEqual({ epochs: 1, rows: 4, problems: [], more: false })
})

test('each start opens a new epoch with its first statement, and names the one before', async () => {
  const first = await at.start()
  const one = await first.take(weight(1))
  await first.stop()
  const idle = await at.start()
  await idle.stop()
  const second = await at.start()
  expect((await second.stats()).epochs).toHaveLength(1)
  const two = await second.take(weight(2))
  expect(two.epoch).not.toBe(one.epoch)
  expect(two.seq).toBe(2)
  const rows = await second.due(2, 10)
  expect(rows.map(({ id, parcel }) => [id, parcel.epoch, parcel.seq])).toEqual([
    [3, two.epoch, 1],
    [4, two.epoch, 2],
  ])
  expect(at.read(rows[0]!.parcel.envelope).body).toMatchObject({
    why: 'start',
    before: { epoch: one.epoch, seq: 2, head: one.head },
  })
  const hello = helloOf(at, (await second.hello(helloMembers)).envelope)
  expect(hello.epochs).toEqual([
    { epoch: one.epoch, seq: 2, head: one.head },
    { epoch: two.epoch, seq: 2, head: two.head },
  ])
})

test('what waits together is committed together, and an idle disk is not waited for', async () => {
  const custody = await at.start()
  await custody.take(weight(0))
  const before = (await custody.stats()).since
  expect(before).toMatchObject({ commits: 1, taken: 2 })
  const places = await Promise.all(Array.from({ length: 500 }, (_, n) => custody.take(weight(n + 1))))
  const { since } = await custody.stats()
  expect(since.taken - before.taken).toBe(500)
  expect(since.commits - before.commits).toBeLessThan(100)
  expect(places.map(({ seq }) => seq)).toEqual(Array.from({ length: 500 }, (_, n) => n + 3))
})

test('a draft that cannot be taken fails alone, takes no number and tells no value', async () => {
  const custody = await at.start()
  const wrong = { ...weight(2), members: { ...weight(2).members, deviceId: ' 4711' } } as Draft
  const alone = await Promise.allSettled([wrong].map(draft => custody.take(draft)))
  expect(alone.map(one => one.status)).toEqual(['rejected'])
  expect((await custody.stats()).epochs).toEqual([])
  const all = await Promise.allSettled(
    [weight(1), wrong, weight(2), weight(4)].map(draft => custody.take(draft)),
  )
  expect(all.map(one => (one.status === 'fulfilled' ? one.value.seq : one.reason.code))).toEqual([
    2,
    'input.invalid',
    3,
    4,
  ])
  const reason = (all[1] as PromiseRejectedResult).reason
  expect(reason.message).toContain('deviceId')
  expect(reason.message).not.toContain('4711')
  expect((await custody.verify()).problems).toEqual([])
})

test('ready is answered only with the token on disk, and a token never falls', async () => {
  const custody = await at.start()
  await custody.take(weight(1))
  expect(helloOf(at, (await custody.hello(helloMembers)).envelope).token).toBe(0)
  const seen = 'aa'.repeat(32)
  const ready = await custody.ready(at.welcome([], { token: 7 }).body, seen)
  expect(at.read(ready.envelope)).toMatchObject({
    type: 'ready',
    body: { token: 7, seen, serverNonce: '12'.repeat(16), iss: at.settings.gateway },
  })
  await custody.ready(at.welcome([], { token: 5 }).body, seen)
  await custody.stop()
  const again = await at.start()
  expect(helloOf(at, (await again.hello(helloMembers)).envelope).token).toBe(7)
})

test('a hello lists 64 epochs, oldest first, and the rest the next time', async () => {
  await (await at.start()).stop()
  const { gateway, server } = at.settings
  const kid = 'aa'.repeat(8)
  const epochs = Array.from({ length: 66 }, (_, n) => n.toString(16).padStart(16, '0'))
  at.edit(db => {
    for (const [n, epoch] of epochs.entries()) {
      const zero = zeroOf(gateway, epoch, kid, server)
      const envelope = Buffer.from(`envelope ${n}`)
      const head = Buffer.from(nextOf(zero, envelope), 'hex')
      const prev = Buffer.from(zero, 'hex')
      db.prepare('INSERT INTO epoch VALUES (?, ?, ?, ?, 0, ?, ?, 1, ?, 0, 0, 1, 0)').run(
        ...[n + 1, epoch, server, kid, n, prev, head],
      )
      db.prepare("INSERT INTO row VALUES (?, ?, 1, 'queued', 0, NULL, ?, ?, ?)").run(
        ...[n + 1, n + 1, prev, head, envelope],
      )
    }
  })
  const custody = await at.start()
  const listed = async (): Promise<string[]> =>
    helloOf(at, (await custody.hello(helloMembers)).envelope).epochs.map(one => one.epoch)
  expect(await listed()).toEqual(epochs.slice(0, 64))
  expect(await listed()).toEqual(epochs.slice(64))
  expect(await listed()).toEqual(epochs.slice(0, 64))
  expect((await custody.verify()).problems).toEqual([])
})

test('a second daemon on the same file is refused, and after stop every call is', async () => {
  const custody = await at.start()
  await expect(at.start()).rejects.toMatchObject({ code: 'outbox.locked' })
  const last = custody.take(weight(1))
  await custody.stop()
  await expect(last).resolves.toMatchObject({ seq: 2 })
  await expect(custody.take(weight(2))).rejects.toMatchObject({ code: 'outbox.damaged' })
  await expect(custody.ended).resolves.toBeUndefined()
})

test('a value that the wire does not carry is refused alone, with all that came with it taken', async () => {
  const custody = await at.start()
  const of = (n: number, s: number): Draft => {
    const draft = weight(n)
    if (draft.type === 'reading') draft.members.values = { 'body-weight': { n, s, u: 'kg' } }
    return draft
  }
  // WIRE 1.5: at most 6 decimals and 999,999,999, whole numbers
  const drafts = [of(1, 2), of(2, 7), of(3, 2), of(1_000_000_000, 0), of(0.5, 0), of(Number.NaN, 0), of(4, 6)]
  const results = await Promise.allSettled(drafts.map(custody.take))
  const codes = results.map(one => (one.status === 'fulfilled' ? one.value.seq : one.reason.code))
  expect(codes).toEqual([2, 'input.invalid', 3, 'input.invalid', 'input.invalid', 'input.invalid', 4])
  expect((await custody.take(weight(9))).seq).toBe(5)
})

test('a station tells such a reading as refused, and goes on', async () => {
  const custody = await at.start()
  const told: StationEvent[] = []
  const broken: unknown[] = []
  const both = Promise.withResolvers<void>()
  const station = openStation('bench', {
    rules: { windowMs: 1000, claimMs: 0, endCode: 'END' },
    clock: { now: () => 0, mono: () => 5 },
    after: () => () => {},
    moments: { at: () => moment(5) },
    wall: wallOf('UTC'),
    take: custody.take,
    tell: event => {
      told.push(event)
      if (told.length === 2) both.resolve()
    },
    broken: error => {
      broken.push(error)
      both.resolve()
    },
  })
  const origin = {
    device: 'scale-1',
    driver: { id: 'acme-ws100', revision: 1, hash: 'ab'.repeat(32) },
    link: { kind: 'serial' as const, check: 'parity' },
    port: () => undefined,
    experimental: false,
    stores: false,
  }
  const came = { frame: new Uint8Array([1]), mono: 5 }
  station.hear(origin, { measured: { 'body-weight': { n: 1, s: 7, u: 'kg' } } }, came)
  station.hear(origin, { measured: { 'body-weight': { n: 7240, s: 2, u: 'kg' } } }, came)
  await both.promise
  expect(broken).toEqual([])
  expect(told).toMatchObject([
    { device: 'scale-1', refused: { code: 'input.invalid' } },
    { device: 'scale-1', taken: 'reading', place: { seq: 2 } },
  ])
})
