import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Custody, Place } from '../../src/daemon/custody.ts'
import { helloMembers, type Scene, scene, weight } from './scene.ts'

let at: Scene
let places: Place[]
beforeEach(async () => {
  at = scene()
  const custody = await at.start()
  places = []
  for (const place of await Promise.all(Array.from({ length: 11 }, (_, n) => custody.take(weight(n))))) {
    places[place.seq] = place
  }
  await custody.stop()
})
afterEach(() => at.clear())

const place = (seq: number): Place => places[seq]!

/** What is to be sent: of the damaged epoch by seq, of the new one by what it says. */
async function waiting(custody: Custody): Promise<unknown[]> {
  return (await custody.due(0, 100)).map(({ parcel }) => {
    if (parcel.epoch === place(2).epoch) return parcel.seq
    const { body } = at.read(parcel.envelope)
    return body.detail ?? body.why ?? 'reading'
  })
}

const lost = (from: number, to: number, why: string) => ({
  epoch: place(2).epoch,
  from,
  to,
  before: place(from - 1).head,
  after: place(to).head,
  why,
})

test('missing and altered rows are declared lost first in the next epoch, once; the others are sent', async () => {
  at.edit(db => {
    db.exec('DELETE FROM row WHERE seq IN (4, 5)')
    db.prepare('UPDATE row SET envelope = ? WHERE seq = 9').run(Buffer.alloc(800, 7))
  })
  const custody = await at.start()
  await custody.take(weight(100))
  const expected = [
    1,
    2,
    3,
    6,
    7,
    8,
    10,
    11,
    12,
    'repair',
    lost(4, 5, 'missing'),
    lost(9, 9, 'altered'),
    'reading',
  ]
  expect(await waiting(custody)).toEqual(expected)
  const report = await custody.verify()
  expect(report.problems.map(({ seq, problem, declared }) => [seq, problem, declared])).toEqual([
    [4, 'missing', true],
    [5, 'missing', true],
    [9, 'altered', true],
  ])
  await custody.stop()
  const again = await at.start()
  await again.take(weight(101))
  expect(await waiting(again)).toEqual([...expected, 'start', 'reading'])
})

test('a hello declares what is lost, so that no reading is needed for it', async () => {
  at.edit(db => db.exec('DELETE FROM row WHERE seq = 12'))
  const custody = await at.start()
  await custody.hello(helloMembers)
  expect((await waiting(custody)).slice(-2)).toEqual(['repair', lost(12, 12, 'missing')])
})

test('the server passes the declared hole, and the epoch drains', async () => {
  at.edit(db => {
    db.exec('DELETE FROM row WHERE seq = 5')
    db.prepare('UPDATE row SET envelope = ? WHERE seq = 6').run(Buffer.from('scratched'))
  })
  const custody = await at.start({ graceMs: 0 })
  await custody.take(weight(100))
  const holes: [number, number][] = [[5, 6]]
  const { body, statement } = at.receipt(place(12), { holes })
  expect(await custody.receipt(body, statement)).toMatchObject({ receipted: 10, reopened: 0 })
  const last = { epoch: place(12).epoch, seq: 12, head: place(12).head, holes }
  const greeting = at.welcome([last], { time: body.time })
  expect(await custody.welcome(greeting.body, greeting.statement)).toMatchObject({ forgotten: 10 })
  expect((await custody.stats()).epochs).toHaveLength(1)
  expect((await custody.verify()).rows).toBe(3)
})

test('altered columns and swapped rows are put right where the chain proves them; nothing is lost', async () => {
  at.edit(db => {
    db.prepare('UPDATE row SET head = ? WHERE seq = 3').run(Buffer.alloc(32, 1))
    db.prepare('UPDATE row SET prev = ? WHERE seq = 6').run(Buffer.alloc(32, 2))
    const read = db.prepare('SELECT envelope FROM row WHERE seq = ?').pluck()
    const [eight, eleven] = [read.get(8), read.get(11)]
    const write = db.prepare('UPDATE row SET envelope = ? WHERE seq = ?')
    write.run(eleven, 8)
    write.run(eight, 11)
    db.prepare('UPDATE epoch SET head = ?').run(Buffer.alloc(32, 3))
  })
  const custody = await at.start()
  await custody.take(weight(100))
  expect(await waiting(custody)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 'start', 'reading'])
  for (const { parcel } of await custody.due(0, 12)) {
    expect(at.read(parcel.envelope).body).toMatchObject({ epoch: parcel.epoch, seq: parcel.seq })
  }
  expect((await custody.verify()).problems).toEqual([])
  const { body, statement } = at.receipt(place(12))
  expect(await custody.receipt(body, statement)).toMatchObject({ receipted: 12 })
})

test('a row that a receipt covers is not declared lost', async () => {
  const before = await at.start()
  const { body, statement } = at.receipt(place(6))
  await before.receipt(body, statement)
  await before.stop()
  at.edit(db => db.exec('DELETE FROM row WHERE seq = 4'))
  const custody = await at.start()
  await custody.take(weight(100))
  expect(await waiting(custody)).toEqual([7, 8, 9, 10, 11, 12, 'start', 'reading'])
  expect((await custody.verify()).problems).toMatchObject([{ seq: 4, problem: 'missing', declared: false }])
  // But once a restored server asks for it, it is
  const answer = { epoch: place(2).epoch, seq: 2, head: place(2).head, holes: [] }
  const greeting = at.welcome([answer])
  await custody.welcome(greeting.body, greeting.statement)
  await custody.take(weight(101))
  expect((await custody.stats()).since.lost).toBe(0)
})

test('a disk that loses its tail gives no number twice', async () => {
  const { copyFileSync } = await import('node:fs')
  const kept = `${at.settings.path}.kept`
  copyFileSync(at.settings.path, kept)
  const ahead = await at.start()
  const taken = await ahead.take(weight(50))
  await ahead.stop()
  copyFileSync(kept, at.settings.path)
  const custody = await at.start()
  const next = await custody.take(weight(51))
  expect(next.epoch).not.toBe(taken.epoch)
  // The server answers with more than we know of: nothing of ours is believed settled, nothing is stuck
  const foreign = { epoch: taken.epoch, seq: 2, head: taken.head, holes: [] }
  const greeting = at.welcome([foreign])
  expect(await custody.welcome(greeting.body, greeting.statement)).toMatchObject({ receipted: 0 })
  expect(await custody.stats()).toMatchObject({ queued: 14 })
})
