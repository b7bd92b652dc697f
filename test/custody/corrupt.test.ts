import { closeSync, openSync, readdirSync, statSync, writeSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Custody, openCustody, type Place } from '../../src/daemon/custody.ts'
import { type Scene, scene, weight } from './scene.ts'

let at: Scene
let places: Place[]
const count = 400
beforeEach(async () => {
  at = scene()
  const custody = await at.start()
  places = await Promise.all(Array.from({ length: count }, (_, n) => custody.take(weight(n))))
  await custody.stop()
})
afterEach(() => at.clear())

/** Writes noise over a page of the file, as a dying card does. */
function destroyPage(page: number): void {
  const file = openSync(at.settings.path, 'r+')
  writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096)
  closeSync(file)
}

/** Starts as systemd does: again, if the first start ended with damage. */
async function restart(): Promise<{ custody: Custody; faults: unknown[] }> {
  const faults: unknown[] = []
  for (;;) {
    try {
      return { custody: await at.start(), faults }
    } catch (error) {
      faults.push((error as { code?: unknown }).code)
      if (faults.length > 2) throw error
    }
  }
}

const dueSeqs = async (custody: Custody): Promise<number[]> =>
  (await custody.due(0, 10_000))
    .filter(({ parcel }) => parcel.epoch === places[0]!.epoch)
    .map(({ parcel }) => parcel.seq)

test('a destroyed page costs its own rows: the others are sent, those are declared lost', async () => {
  const pages = statSync(at.settings.path).size / 4096
  destroyPage(Math.floor(pages / 2))
  const { custody, faults } = await restart()
  expect(faults).toEqual(['outbox.damaged'])
  expect(custody.salvaged?.rows).toBeGreaterThan(count - 20)
  await custody.take(weight(1000))
  const kept = await dueSeqs(custody)
  const all = Array.from({ length: count + 1 }, (_, n) => n + 1)
  const absent = all.filter(seq => !kept.includes(seq))
  expect(absent.length).toBeGreaterThan(0)
  expect(absent.length).toBeLessThan(20)
  expect(absent.at(-1)! - absent[0]! + 1).toBe(absent.length)
  const news = (await custody.due(0, 10_000)).filter(({ parcel }) => parcel.epoch !== places[0]!.epoch)
  const told = news.map(({ parcel }) => at.read(parcel.envelope).body)
  expect(told[0]).toMatchObject({ why: 'repair', before: { epoch: places[0]!.epoch, seq: count + 1 } })
  expect(told[1]).toMatchObject({
    event: 'lost',
    detail: { epoch: places[0]!.epoch, from: absent[0], to: absent.at(-1), why: 'missing' },
  })
  expect(readdirSync(at.folder).filter(name => name.includes('corrupt-')).length).toBeGreaterThan(0)
  await custody.stop()
  const again = await at.start()
  expect(again.salvaged).toBeUndefined()
})

test('without the page that leads to all others, the rows on them are found all the same', async () => {
  destroyPage(0)
  const { custody } = await restart()
  expect(custody.salvaged).toMatchObject({ rows: count + 1 })
  await custody.take(weight(1))
  expect((await dueSeqs(custody)).length).toBe(count + 1)
})

test('a file that is no database any more is put aside, and intake goes on in a new one', async () => {
  destroyPage(0)
  // and the one that says whose the rows are
  destroyPage(1)
  const { custody } = await restart()
  expect(custody.salvaged).toMatchObject({ rows: 0 })
  await custody.take(weight(1))
  const [opening] = await custody.due(0, 1)
  expect(at.read(opening!.parcel.envelope).body).toMatchObject({ why: 'repair', before: null })
})

test('damage met at work fails all that wait, tells nobody "taken", and ends the worker', async () => {
  const custody = await openCustody(at.settings)
  // Behind SQLite's back and beyond its page cache: the pages of the oldest rows
  const pages = statSync(at.settings.path).size / 4096
  for (let page = 1; page < pages; page++) destroyPage(page)
  const waiting = [custody.verify(), custody.take(weight(1)), custody.take(weight(2)), custody.due(0, 10_000)]
  const results = await Promise.allSettled(waiting)
  const ended = await Promise.race([custody.ended, custody.stop().then(() => 'stopped')])
  if (ended === 'stopped') throw new Error('the page cache hid the damage: the test must hold more rows')
  expect(ended).toMatchObject({ code: 'outbox.damaged' })
  expect(results.map(one => one.status)).toEqual(waiting.map(() => 'rejected'))
  await expect(custody.take(weight(3))).rejects.toMatchObject({ code: 'outbox.damaged' })
})
