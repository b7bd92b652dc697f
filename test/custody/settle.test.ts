import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Custody, Place } from '../../src/daemon/custody.ts'
import { helloMembers, type Scene, scene, weight } from './scene.ts'

let at: Scene
let custody: Custody
/** places[n] is the place of seq n; seq 1 is the epoch-open. */
let places: Place[]
beforeEach(async () => {
  at = scene({ graceMs: 1000 })
  custody = await at.start()
  const taken = await Promise.all(Array.from({ length: 9 }, (_, n) => custody.take(weight(n))))
  const first = await custody.due(0, 1)
  places = []
  for (const place of taken) places[place.seq] = place
  expect(first[0]!.parcel.seq).toBe(1)
})
afterEach(() => at.clear())

const place = (seq: number): Place => places[seq]!
const answer = (seq: number, holes: [number, number][] = []) => ({
  epoch: place(2).epoch,
  seq,
  head: place(seq).head,
  holes,
})
const dueSeqs = async (): Promise<number[]> => (await custody.due(0, 100)).map(row => row.parcel.seq)
const receive = (seq: number, more = {}) => {
  const { body, statement } = at.receipt(place(seq), more)
  return custody.receipt(body, statement)
}
const greet = (epochs: Parameters<Scene['welcome']>[0], time: number) => {
  const { body, statement } = at.welcome(epochs, { time })
  return custody.welcome(body, statement)
}
const seqs = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n)

test('a receipt settles all at or below it, and deletes nothing', async () => {
  const settled = await receive(6)
  const epoch = place(2).epoch
  expect(settled).toEqual({ receipted: 6, reopened: 0, forgotten: 0, upTo: [{ epoch, seq: 6 }], refused: [] })
  expect(await dueSeqs()).toEqual([7, 8, 9, 10])
  expect(await custody.stats()).toMatchObject({ queued: 4, receipted: 6 })
  expect(await receive(6)).toMatchObject({ receipted: 0 })
  expect(await receive(4)).toMatchObject({ receipted: 0 })
  expect(await dueSeqs()).toEqual([7, 8, 9, 10])
})

test('a receipt that is not ours changes nothing: other head, place, epoch, server or gateway', async () => {
  const before = await custody.stats()
  const other = place(5).epoch.startsWith('0') ? `1${place(5).epoch.slice(1)}` : `0${place(5).epoch.slice(1)}`
  const wrong = [
    { head: place(4).head },
    { head: 'ab'.repeat(32) },
    { seq: 11 },
    { seq: 4 },
    { epoch: other },
    { iss: at.settings.gateway },
    { aud: at.settings.server },
  ]
  for (const more of wrong) {
    await expect(receive(5, more)).rejects.toMatchObject({ code: 'receipt.refused' })
  }
  await expect(receive(5, { seq: 0 })).rejects.toMatchObject({ code: 'receipt.refused' })
  expect(await custody.stats()).toEqual(before)
  expect(await dueSeqs()).toEqual(seqs(1, 10))
})

test('an answer of a welcome that is not ours changes nothing, the others are heard', async () => {
  const foreign = { ...answer(5), head: 'ab'.repeat(32) }
  const unknown = { ...answer(5), epoch: '00'.repeat(8) }
  const settled = await greet([foreign, unknown, answer(3)], 5000)
  expect(settled.receipted).toBe(3)
  expect(settled.refused).toEqual([
    { epoch: place(2).epoch, seq: 5 },
    { epoch: '00'.repeat(8), seq: 5 },
  ])
  expect(await dueSeqs()).toEqual(seqs(4, 10))
})

test('what lies in a hole is not settled, is sent, and is settled when the hole is filled', async () => {
  expect(
    await receive(8, {
      holes: [
        [3, 4],
        [6, 6],
      ],
    }),
  ).toMatchObject({ receipted: 5 })
  expect(await dueSeqs()).toEqual([3, 4, 6, 9, 10])
  // Not even after the grace period: the server lacks them
  expect(
    await greet(
      [
        answer(8, [
          [3, 4],
          [6, 6],
        ]),
      ],
      1_780_000_200_000,
    ),
  ).toMatchObject({ forgotten: 5 })
  expect(await dueSeqs()).toEqual([3, 4, 6, 9, 10])
  expect(await receive(8, { holes: [] })).toMatchObject({ receipted: 3 })
  expect(await dueSeqs()).toEqual([9, 10])
  expect((await custody.verify()).problems).toEqual([])
})

test('a hole in a later receipt is sent again', async () => {
  await receive(8)
  expect(await receive(8, { holes: [[5, 5]] })).toMatchObject({ receipted: 0, reopened: 1 })
  expect(await dueSeqs()).toEqual([5, 9, 10])
})

test('a restored server gets again what it lacks', async () => {
  await receive(9)
  expect(await custody.stats()).toMatchObject({ queued: 1, receipted: 9 })
  expect(await greet([answer(4)], 1_780_000_100_500)).toMatchObject({
    reopened: 5,
    receipted: 0,
    forgotten: 0,
  })
  expect(await dueSeqs()).toEqual(seqs(5, 10))
  expect(await custody.stats()).toMatchObject({ queued: 6, receipted: 4 })
  await receive(10)
  expect(await dueSeqs()).toEqual([])
})

test('a welcome that confirms nothing opens all again', async () => {
  await receive(10)
  const [first] = await custody.due(0, 1)
  expect(first).toBeUndefined()
  await custody.stop()
  const zero = at.edit(db => db.prepare('SELECT zero FROM epoch').pluck().get()) as Buffer
  custody = await at.start()
  const nothing = { ...answer(2), seq: 0, head: zero.toString('hex') }
  expect(await greet([nothing], 1_780_009_000_000)).toMatchObject({ reopened: 10, forgotten: 0 })
  expect(await dueSeqs()).toEqual(seqs(1, 10))
})

test('rows are forgotten only by a welcome, a grace period later, that still confirms them', async () => {
  const time = 1_780_000_100_000
  await receive(8, { time })
  expect(await receive(8, { time: time + 5000 })).toMatchObject({ forgotten: 0 })
  expect(await greet([answer(8)], time + 999)).toMatchObject({ forgotten: 0 })
  expect(await greet([answer(5)], time + 1000)).toMatchObject({ forgotten: 5, reopened: 3 })
  expect(await custody.stats()).toMatchObject({ receipted: 0, queued: 5 })
  expect(await custody.verify()).toMatchObject({ rows: 5, problems: [] })
})

test('without grace, the welcome after the receipt lets a row go, never the one that receipts it', async () => {
  await custody.stop()
  custody = await at.start({ graceMs: 0 })
  expect(await greet([answer(7)], 5000)).toMatchObject({ receipted: 7, forgotten: 0 })
  expect(await greet([answer(7)], 5000)).toMatchObject({ receipted: 0, forgotten: 7 })
  // The welcome itself is kept as the proof: else these rows were missing
  expect(await custody.verify()).toMatchObject({ rows: 3, problems: [] })
})

test('every row that is gone is covered by a stored receipt that the server signed', async () => {
  const time = 1_780_000_100_000
  await receive(4, { time })
  await receive(9, { time, holes: [[6, 7]] })
  await greet([answer(9, [[6, 7]])], time + 1000)
  await custody.stop()
  const { kept, receipts } = at.edit(db => ({
    kept: db.prepare('SELECT seq FROM row').pluck().all() as number[],
    receipts: db
      .prepare('SELECT seq, holes, type, body, signature FROM receipt JOIN proof ON proof.id = receipt.proof')
      .all() as { seq: number; holes: string; type: string; body: Buffer; signature: Buffer }[],
  }))
  expect(kept).toEqual([6, 7, 10])
  const { verifyKey } = await import('../../src/wire/keys.ts')
  const { pae } = await import('../../src/wire/statement.ts')
  const key = verifyKey(at.receiptKey.publicKey)
  for (const gone of [1, 2, 3, 4, 5, 8, 9]) {
    const proof = receipts.find(({ type, body, signature }) => {
      const said = JSON.parse(body.toString()) as {
        epoch: string
        seq: number
        head: string
        holes: number[][]
      }
      return (
        key.verify(pae(type, body), signature) &&
        said.epoch === place(2).epoch &&
        said.head === place(said.seq).head &&
        said.seq >= gone &&
        !said.holes.some(([from, to]) => from! <= gone && gone <= to!)
      )
    })
    expect([gone, proof?.type]).toEqual([gone, expect.stringMatching(/^(?:receipt|welcome)$/)])
  }
})

test('receipts do not pile up: those that prove nothing beyond a later one go', async () => {
  for (const seq of [2, 3, 4, 5, 6, 7, 8]) await receive(seq)
  for (let n = 0; n < 5; n++) await greet([answer(8)], 1_780_000_100_000 + n)
  await custody.stop()
  expect(at.edit(db => db.prepare('SELECT seq FROM receipt').pluck().all())).toEqual([8])
  expect(at.edit(db => db.prepare('SELECT count(*) FROM proof').pluck().get())).toBe(1)
})

test('forgotten rows that a restored server asks for are declared lost, once', async () => {
  const time = 1_780_000_100_000
  await custody.hello(helloMembers)
  await receive(4, { time })
  await receive(8, { time })
  await greet([answer(8)], time + 1000)
  // The head at 4 is known no more; the server is told of all that was forgotten
  await greet([answer(4)], time + 2000)
  await greet([answer(4)], time + 2001)
  const rows = await custody.due(0, 100)
  expect(rows.map(row => row.parcel.seq)).toEqual([9, 10, 11])
  const zero = at.read(rows[0]!.parcel.envelope).body
  expect(zero.seq).toBe(9)
  const told = at.read(rows[2]!.parcel.envelope)
  expect(told.body).toMatchObject({
    event: 'lost',
    detail: { epoch: place(2).epoch, from: 1, to: 8, after: place(8).head, why: 'missing' },
  })
  expect((await custody.verify()).problems).toEqual([])
})

test('only rows of its own server are sent, listed and settled', async () => {
  const other = scene()
  await custody.stop()
  custody = await at.start({ server: other.settings.server, serverBox: other.settings.serverBox })
  expect(await custody.due(0, 10)).toEqual([])
  await expect(receive(5)).rejects.toMatchObject({ code: 'receipt.refused' })
  await expect(receive(5, { iss: other.settings.server })).rejects.toMatchObject({ code: 'receipt.refused' })
  await custody.take(weight(50))
  expect((await custody.due(0, 10)).map(row => row.parcel.seq)).toEqual([1, 2])
  await custody.stop()
  custody = await at.start()
  expect(await dueSeqs()).toEqual(seqs(1, 10))
  await other.clear()
})
