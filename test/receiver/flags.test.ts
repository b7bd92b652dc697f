import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listFlags, noteRefusal, reviewFlag, showFlag } from '../../src/receiver/flags.ts'
import { raise } from '../../src/receiver/suspicion.ts'
import { flags, noteNames } from '../../src/wire/flags.ts'
import { type Bench, bench, gateway, morning, other, reviewer, thrownBy } from './fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

const gap = (who = gateway.id) =>
  it.store.write(() => raise(it.store, { flag: 'GAP', gateway: who, detail: 'rows 3 to 5', at: morning }))

test('a flag is listed with its outcome and state', () => {
  const id = gap()
  expect(listFlags(it.store, {})).toEqual([
    {
      id,
      flag: 'GAP',
      outcome: 'flag',
      gateway: gateway.id,
      device: null,
      reading: null,
      at: '2026-07-11T09:05:00.000Z',
      detail: 'rows 3 to 5',
      state: 'open',
    },
  ])
})

test('a review is an act of a named person; the same one again changes nothing', () => {
  const id = gap()
  const review = { by: 'A. Jones', comment: 'disk was replaced', at: morning + 1 }
  expect(reviewFlag(it.store, it.trust.reviews, reviewer, id, review)).toBe(true)
  expect(reviewFlag(it.store, it.trust.reviews, reviewer, id, review)).toBe(false)
  expect(reviewFlag(it.store, it.trust.reviews, reviewer, id, { ...review, by: 'B. Smith' })).toBe(true)
  const { flag, acts } = showFlag(it.store, id, it.trust.reviews)
  expect(flag).toMatchObject({ state: 'reviewed', by: 'B. Smith', comment: 'disk was replaced' })
  expect(acts.map(one => [one.act, one.actor])).toEqual([
    ['raised', 'receiver'],
    ['reviewed', 'A. Jones'],
    ['reviewed', 'B. Smith'],
  ])
})

test('a flag that is not there cannot be shown or reviewed', () => {
  expect(thrownBy(() => showFlag(it.store, 7))).toBe('flag.unknown')
  expect(
    thrownBy(() => reviewFlag(it.store, it.trust.reviews, reviewer, 7, { by: 'A', comment: 'b', at: 0 })),
  ).toBe('flag.unknown')
})

test('filters: by gateway or its beginning, by name, only open, the newest', () => {
  const [one, two] = [gap(), gap(other.id)]
  noteRefusal(it.store, { gateway: null, detail: 'no-certificate', at: morning })
  reviewFlag(it.store, it.trust.reviews, reviewer, one, { by: 'A', comment: 'b', at: morning })
  const ids = (filter: object) => listFlags(it.store, filter, it.trust.reviews).map(flag => flag.id)
  expect(ids({ gateway: other.id.slice(0, 6) })).toEqual([two])
  expect(ids({ flag: 'GAP' })).toEqual([one, two])
  expect(ids({ flag: 'GAP', open: true })).toEqual([two])
  expect(listFlags(it.store, { limit: 1 }).map(flag => flag.flag)).toEqual(['BROKER_REFUSED'])
})

test('refusals beyond a hundred a day are counted, and leave the samples of messages alone', () => {
  for (let n = 0; n < 150; n++) noteRefusal(it.store, { gateway: null, detail: `try ${n}`, at: morning })
  expect(listFlags(it.store, { flag: 'BROKER_REFUSED' })).toHaveLength(100)
  it.receive([{ topic: 'nowhere', payload: new Uint8Array(3) }])
  expect(listFlags(it.store, { flag: 'MALFORMED' })).toHaveLength(1)
})

test('knocking from one address leaves room for others, and for whoever claims the name of a gateway', () => {
  const knock = (kind: string, claimsEnrolled = false) =>
    noteRefusal(it.store, { gateway: null, detail: kind, at: morning, kind, claimsEnrolled })
  const listed = (kind: string) => listFlags(it.store, {}).filter(one => one.detail === kind).length
  for (let n = 0; n < 50; n++) knock('foreign-certificate 10.0.0.1')
  knock('foreign-certificate 10.0.0.2')
  expect([listed('foreign-certificate 10.0.0.1'), listed('foreign-certificate 10.0.0.2')]).toEqual([10, 1])
  for (let n = 0; n < 200; n++) knock(`foreign-certificate 10.0.1.${n}`)
  expect(listFlags(it.store, {})).toHaveLength(100)
  knock('foreign-certificate 10.0.0.1', true)
  expect(listFlags(it.store, {})).toHaveLength(101)
  // 251 refusals in all, of which 101 are listed
  expect(listFlags(it.store, {}).at(-1)?.more).toBe(151)
})

test('docs/FLAGS.md has a line for every flag, with its outcome, and for every note', () => {
  const page = readFileSync(new URL('../../docs/FLAGS.md', import.meta.url), 'utf8')
  const words = { quarantine: 'quarantine', flag: 'flag', refuse: 'refused', ignore: 'ignored, counted' }
  const headings = Object.entries(flags).map(([flag, outcome]) => `### ${flag} · ${words[outcome]}`)
  expect(
    page
      .split('\n')
      .filter(line => line.startsWith('### '))
      .sort(),
  ).toEqual(headings.sort())
  const notes = page.split('\n').flatMap(line => /^\| `([a-z-]+)` \|.*\|.*\|/.exec(line)?.[1] ?? [])
  expect(notes).toEqual(expect.arrayContaining([...noteNames]))
})
