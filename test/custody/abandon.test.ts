import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Custody, Place } from '../../src/daemon/custody.ts'
import type { Gift } from '../../src/daemon/custody-abandon.ts'
import { open } from '../../src/wire/envelope.ts'
import { makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { decodeBody, isSignedBy } from '../../src/wire/statement.ts'
import { helloMembers, moment, type Scene, scene, weight } from './scene.ts'

// Giving up the rows of a revoked key, or of a former server (WIRE 9.14): told first, then deleted, once.
let it: Scene
beforeEach(() => {
  it = scene()
})
afterEach(() => it.clear())

const intent = 'ab'.repeat(16)
const old = (): string => signingKey(it.settings.seed).kid
const next = makePair('ed25519').secret

const gift = (change: Partial<Gift> = {}): Gift =>
  ({ what: 'key', named: old(), intent, orders: '{"type":"order"}', time: moment(5000), ...change }) as Gift

/** Takes so many readings, each a second after the other. */
const weigh = (custody: Custody, count: number, from = 1): Promise<Place[]> =>
  Promise.all(Array.from({ length: count }, (_, at) => custody.take(weight((from + at) * 1000))))

/** The same box under other keys, which signs something of its own. */
async function underNext(): Promise<Custody> {
  const custody = await it.start({ seed: next })
  await weigh(custody, 2, 20)
  return custody
}

/** An envelope as the server opens it, which the next key signed. */
function read(envelope: Uint8Array): { type: string; body: Record<string, unknown> } {
  const statement = open(envelope, it.box)
  expect(isSignedBy(statement, verifyKey(signingKey(next).publicKey))).toBe(true)
  return { type: statement.type, body: decodeBody(statement.body) }
}
const sent = async (custody: Custody) =>
  (await custody.due(0, 100)).map(({ parcel }) => read(parcel.envelope))

const rowsOnDisk = (): number => it.edit(db => db.prepare('SELECT count(*) FROM row').pluck().get() as number)

test('rows of the old key are counted, told in a signed event, sent no more and deleted; the others stay', async () => {
  const before = await it.start()
  await weigh(before, 600)
  await before.stop()
  const custody = await underNext()
  // 600 readings and the epoch-open before them; the first was taken by 1 s, the last by 600 s of the clock
  const stake = { rows: 601, first: moment(1000).wall, last: moment(600_000).wall }
  expect(await custody.abandoner.stake({ key: old() })).toEqual(stake)
  expect((await custody.stats()).queued).toBe(601 + 3)
  expect(await custody.abandoner.give(gift())).toEqual({ intent, what: 'key', named: old(), ...stake })
  const { queued, epochs } = await custody.stats()
  expect(queued).toBe(3 + 1)
  expect(epochs).toHaveLength(1)
  const goes = await sent(custody)
  expect(goes.map(one => one.type)).toEqual(['epoch-open', 'reading', 'reading', 'event'])
  expect(goes[3]!.body).toMatchObject({
    event: 'abandoned',
    detail: { intent, what: 'key', id: old(), ...stake },
  })
  const { body } = read((await custody.hello(helloMembers)).envelope)
  expect((body.epochs as unknown[]).length).toBe(1)
  const report = await custody.verify()
  expect(report).toMatchObject({ rows: 4, problems: [] })
  expect(report.abandoned).toMatchObject([{ rows: 601, intent, kid: old(), orders: '{"type":"order"}' }])
  await custody.stop()
  expect(rowsOnDisk()).toBe(4)
})

test('what a revoked key signed is sent no more, also before anybody gives it up; it still counts and is told in hello', async () => {
  const before = await it.start()
  await weigh(before, 3)
  await before.stop()
  const custody = await underNext()
  expect(await custody.due(0, 100)).toHaveLength(4 + 3)
  await custody.abandoner.withhold([old()])
  expect((await sent(custody)).map(one => one.type)).toEqual(['epoch-open', 'reading', 'reading'])
  expect((await custody.stats()).queued).toBe(4 + 3)
  const { body } = read((await custody.hello(helloMembers)).envelope)
  expect((body.epochs as unknown[]).length).toBe(2)
  // the key that signs now is never held back, whoever says so
  await custody.abandoner.withhold([signingKey(next).kid])
  expect(await custody.due(0, 100)).toHaveLength(3)
})

test('an intent is done once: asked again it tells the same, and no second event', async () => {
  const before = await it.start()
  await weigh(before, 3)
  await before.stop()
  const custody = await underNext()
  const given = await custody.abandoner.give(gift())
  const { queued } = await custody.stats()
  expect(await custody.abandoner.give(gift({ orders: 'another', time: moment(9000) }))).toEqual(given)
  expect(await custody.abandoner.given(intent)).toEqual(given)
  expect(await custody.abandoner.given('00'.repeat(16))).toBeUndefined()
  expect((await custody.stats()).queued).toBe(queued)
  // another order for the same finds nothing left
  await expect(custody.abandoner.give(gift({ intent: 'cd'.repeat(16) }))).rejects.toMatchObject({
    code: 'abandon.refused',
  })
})

test('the present key’s rows are never given up, nor those of a key that signed nothing here', async () => {
  const custody = await it.start()
  await weigh(custody, 3)
  for (const named of [old(), '00'.repeat(8)]) {
    await expect(custody.abandoner.give(gift({ named }))).rejects.toMatchObject({ code: 'abandon.refused' })
  }
  expect((await custody.stats()).queued).toBe(4)
  expect(await custody.abandoner.stake({ key: old() })).toEqual({ rows: 0, first: null, last: null })
})

test('keys before the revoked one go with it, those after it stay', async () => {
  const middle = makePair('ed25519').secret
  for (const seed of [it.settings.seed, middle]) {
    const custody = await it.start({ seed })
    await weigh(custody, 2)
    await custody.stop()
  }
  const custody = await underNext()
  // the first key alone is the one that was revoked: what the second signed still drains
  expect(await custody.abandoner.give(gift())).toMatchObject({ rows: 3 })
  expect((await custody.stats()).queued).toBe(3 + 3 + 1)
  const revoked = signingKey(middle).kid
  expect(await custody.abandoner.give(gift({ named: revoked, intent: 'cd'.repeat(16) }))).toMatchObject({
    rows: 3,
  })
  expect((await custody.stats()).queued).toBe(3 + 2)
})

test('of a key that was revoked later, those before it go as well: whoever revokes a gateway revokes all its keys', async () => {
  const middle = makePair('ed25519').secret
  for (const seed of [it.settings.seed, middle]) {
    const custody = await it.start({ seed })
    await weigh(custody, 2)
    await custody.stop()
  }
  const custody = await underNext()
  expect(await custody.abandoner.give(gift({ named: signingKey(middle).kid }))).toMatchObject({ rows: 3 + 3 })
  expect((await custody.stats()).queued).toBe(3 + 1)
})

test('a receipt and a welcome that were on their way change nothing any more', async () => {
  const before = await it.start()
  const places = await weigh(before, 9)
  const held = it.receipt(places[6]!)
  await before.receipt(held.body, held.statement)
  await before.stop()
  const custody = await underNext()
  const { epoch, head } = places[6]!
  const receipt = it.receipt(places[6]!)
  const welcome = it.welcome([{ epoch, seq: 0, head, holes: [] }])
  // in one batch: the rows that were receipted are still there when the server asks for them anew
  const [given, late, asked] = await Promise.all([
    custody.abandoner.give(gift()),
    custody.receipt(receipt.body, receipt.statement),
    custody.welcome(welcome.body, welcome.statement),
  ])
  expect(given.rows).toBe(2)
  expect(late).toMatchObject({ receipted: 0, reopened: 0 })
  expect(asked).toMatchObject({ receipted: 0, reopened: 0, refused: [] })
  expect(await custody.stats()).toMatchObject({ queued: 3 + 1, receipted: 0 })
})

test('receipted rows of the old key are no loss, and go as well', async () => {
  const before = await it.start()
  const places = await weigh(before, 5)
  // seq 1 is the epoch-open, seq 4 the third reading
  const receipt = it.receipt(places[2]!)
  await before.receipt(receipt.body, receipt.statement)
  await before.stop()
  const custody = await underNext()
  expect(await custody.abandoner.give(gift())).toMatchObject({
    rows: 2,
    first: moment(4000).wall,
    last: moment(5000).wall,
  })
  expect(await custody.stats()).toMatchObject({ receipted: 0, queued: 3 + 1 })
})

test('killed after the order was kept, the next start deletes the rest', async () => {
  const before = await it.start()
  await weigh(before, 700)
  await before.stop()
  const custody = await underNext()
  await custody.abandoner.give(gift())
  await custody.stop()
  // as the power leaves it: the order is on disk, and no row is deleted yet
  it.edit(db => {
    db.exec('UPDATE abandoned SET swept = 0')
    const { base, id } = db.prepare('SELECT base, id FROM epoch ORDER BY id LIMIT 1').get() as Record<
      string,
      number
    >
    const put = db.prepare(
      `INSERT OR REPLACE INTO row (id, epoch, seq, state, taken, prev, head, envelope)
       VALUES (?, ?, ?, 'queued', 0, x'00', x'00', x'00')`,
    )
    for (let seq = 1; seq <= 701; seq++) put.run(base! + seq, id, seq)
  })
  const again = await it.start({ seed: next })
  expect(await again.due(0, 1000)).toHaveLength(4)
  expect(await again.verify()).toMatchObject({ problems: [], rows: 4 })
  await again.stop()
  expect(rowsOnDisk()).toBe(4)
})

test('a command that was cut off between the two tells that it is done', async () => {
  const before = await it.start()
  await weigh(before, 3)
  await before.stop()
  const custody = await underNext()
  await custody.begin({ intent, verb: 'abandon', time: moment(4000) })
  await custody.abandoner.give(gift())
  await custody.stop()
  const again = await it.start({ seed: next })
  expect((await again.leftOver(moment(9000))).interrupted).toEqual([])
  const last = (await sent(again)).at(-1)!
  expect(last).toMatchObject({
    type: 'result',
    body: { intent, outcome: 'done', detail: { key: old(), rows: 4 } },
  })
})

test('a former server: told with its numbers here, remembered until its folder is gone', async () => {
  const custody = await it.start()
  const named = 'a'.repeat(26)
  const stake = { rows: 7, first: 1_780_000_000_000, last: 1_780_000_060_000 }
  await custody.abandoner.give({ ...gift(), what: 'server', named, stake })
  await custody.abandoner.give({
    ...gift(),
    intent: 'cd'.repeat(16),
    what: 'server',
    named: 'e'.repeat(26),
    stake: undefined,
  })
  expect(await custody.abandoner.servers()).toEqual([named, 'e'.repeat(26)])
  await custody.abandoner.gone(named)
  expect(await custody.abandoner.servers()).toEqual(['e'.repeat(26)])
  const [, first, second] = (await custody.due(0, 10)).map(({ parcel }) => it.read(parcel.envelope).body)
  expect(first).toMatchObject({ event: 'abandoned', detail: { what: 'server', id: named, ...stake } })
  expect(second).toMatchObject({ detail: { id: 'e'.repeat(26), rows: null, first: null, last: null } })
})
