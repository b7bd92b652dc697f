import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import type { AcceptedDevice } from '../../src/receiver/registry.ts'
import { type Bench, bench, cuff, epochOf, gateway, other, receipts, thrownBy } from './fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

/** Words that quote what a message says: nobody may repeat them. */
const words = 'cannot read 120 of BAND-0001'

/** Makes the registry throw where this device is looked up; the rest of a reading is taken by then. */
function throwAt(device: string, make: () => unknown): void {
  it.trust.device = (_gateway, name): AcceptedDevice => {
    if (name === device) throw make()
    return cuff
  }
}

const place = { epoch: 'e1e1e1e1e1e1e1e1' }
const four = () => {
  const epoch = epochOf(gateway, place.epoch)
  return [epoch.open(), epoch.reading(), epoch.reading({ device: 'odd-1' }), epoch.reading()] as const
}
const acts = () => it.store.all('SELECT flag, gateway, detail FROM flag_acts')
const rows = (table: string) => it.store.all(`SELECT 1 FROM ${table}`).length

test('a message over which the receiver fails is sampled, without a receipt; the others are taken', () => {
  throwAt('odd-1', () => new TypeError(words))
  const said = four()
  const [, two, three] = said
  const foreign = epochOf(other, 'f1f1f1f1f1f1f1f1').open()
  const out = it.receive([...said, foreign].map(one => one.message))
  expect(receipts(out)).toMatchObject([{ seq: 2, head: two.head, holes: [] }])
  expect(receipts(out, other)).toMatchObject([{ seq: 1 }])
  expect(acts()).toEqual([{ flag: 'UNREADABLE', gateway: gateway.id, detail: 'TypeError' }])
  expect(it.store.get('SELECT flag, topic, payload FROM quarantine')).toEqual({
    flag: 'UNREADABLE',
    topic: three.message.topic,
    payload: Buffer.from(three.message.payload),
  })
  // Nothing of it stays behind, though its row was stored before its device was asked for
  expect([rows('chains'), rows('readings')]).toEqual([4, 2])
})

test('it is sent again and again: kept once, counted, and taken when the program is mended', () => {
  throwAt('odd-1', () => new TypeError(words))
  const [one, two, three, four_] = four()
  it.receive([one, two, three, four_].map(said => said.message))
  it.receive([three.message])
  it.receive([three.message])
  expect([rows('quarantine'), acts().length]).toEqual([1, 1])
  expect(it.store.get("SELECT n FROM counters WHERE name = 'UNREADABLE'")).toEqual({ n: 3 })
  it.trust.device = () => cuff
  expect(receipts(it.receive([three.message]))).toMatchObject([{ seq: 4, head: four_.head, holes: [] }])
})

test('a failure before anything is proven accuses no gateway', () => {
  it.trust.gateway = () => {
    throw new RangeError(words)
  }
  expect(it.receive([four()[0].message])).toEqual([])
  expect(acts()).toEqual([{ flag: 'UNREADABLE', gateway: null, detail: 'RangeError' }])
})

test('it is logged as a bug with its place, and without its words', () => {
  throwAt('odd-1', () => new TypeError(words))
  it.receive(four().map(one => one.message))
  expect(it.logged).toHaveLength(1)
  const line = JSON.parse(it.logged[0]!)
  expect(line).toMatchObject({ level: 'error', part: 'receive', flag: 'UNREADABLE', gateway: gateway.id })
  expect(it.logged[0]).not.toContain('120')
  expect(it.logged[0]).not.toContain('BAND')
})

test('something thrown that is no error is told as that', () => {
  throwAt('odd-1', () => words)
  it.receive(four().map(one => one.message))
  expect(acts()).toMatchObject([{ flag: 'UNREADABLE', detail: 'something that is no error' }])
})

test.each([
  ['a fault', () => new Fault('registry.missing', 'there is no server entry'), 'registry.missing'],
  ['the database', () => Object.assign(new Error('disk'), { code: 'SQLITE_IOERR' }), 'SQLITE_IOERR'],
])('%s ends the batch: nothing of it is kept', (_, make, code) => {
  throwAt('odd-1', make)
  expect(thrownBy(() => it.receive(four().map(one => one.message)))).toBe(code)
  expect([rows('chains'), rows('quarantine')]).toEqual([0, 0])
})
