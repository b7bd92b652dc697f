import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, jest } from '@jest/globals'
import { isFault } from '../../src/base/fault.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { goal } from '../history/goals.ts'
import { nextOf } from '../outbox/chain.ts'
import { gateway } from '../receiver/fixture.ts'
import { isRelease } from '../size.ts'
import { type Cuts, cutEverywhere } from './images.ts'
import { serverMutants } from './mutants.ts'
import { makeFolder, record, wordsOf } from './recording.ts'
import { announce, grouped, seed, tracedTest } from './suite.ts'

// Power cuts at any moment of a receiver's work: a receipt that went down is a promise (R1).
const count = isRelease ? 10_000 : 300
jest.setTimeout(120_000 + count * 200)
announce('power cuts of the receiver')

interface Receipt {
  epoch: string
  seq: number
  head: string
  holes: [number, number][]
}

let folder = ''
beforeEach(() => {
  folder = makeFolder()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

type Row = {
  epoch: string
  seq: number
  prev: string
  head: string
  type: string
  hash: string
  envelope: Buffer
}

/** What is wrong with a store in which all of these receipts must hold. */
function lostIn(store: Store, receipts: readonly Receipt[]): string[] {
  const said = store.db.pragma('integrity_check') as { integrity_check: string }[]
  const wrong = said.flatMap(({ integrity_check: one }) => (one === 'ok' ? [] : [one]))
  const rows = store.all<Row>('SELECT * FROM chains WHERE gateway = ?', gateway.id)
  const byHead = new Map(rows.map(row => [`${row.epoch} ${row.seq} ${row.head}`, row]))
  const read = store.all<{ hash: string; n: number }>(
    'SELECT hash, count(*) AS n FROM readings GROUP BY hash',
  )
  const readings = new Map(read.map(({ hash, n }) => [hash, n]))
  const proven = new Set<string>()
  for (const { epoch, seq, head, holes } of receipts) {
    if (holes.length > 0) wrong.push(`the receipt of ${epoch} ${seq} has holes, which nobody declared`)
    let end = head
    for (let at = seq; at > 0; at--) {
      const place = `${epoch} ${at} ${end}`
      if (proven.has(place)) break
      const row = byHead.get(place)
      if (row === undefined || nextOf(row.prev, row.envelope) !== row.head) {
        wrong.push(`${epoch} ${at} was receipted and is not there`)
        break
      }
      if (row.type === 'reading' && readings.get(row.hash) !== 1)
        wrong.push(
          `the reading of ${epoch} ${at} was receipted and is there ${readings.get(row.hash) ?? 0} times`,
        )
      proven.add(place)
      end = row.prev
    }
  }
  return wrong
}

/** Opens a store as the receiver does after a power cut; what is wrong. */
function faultsIn(path: string, receipts: readonly Receipt[]): string[] {
  try {
    const store = openStore(path)
    try {
      return lostIn(store, receipts)
    } finally {
      store.close()
    }
  } catch (error) {
    if (isFault(error) || (error as { code?: unknown }).code !== undefined) return [String(error)]
    throw error
  }
}

/** Records two lives of a receiver and cuts the power so often. */
function cutPower(images: number, mutant?: string): Cuts & { told: Receipt[] } {
  const [state, tellFile] = [join(folder, 'state'), join(folder, 'told')]
  mkdirSync(state, { mode: 0o700 })
  const words = (life: string) => [join(state, 'receiver.db'), tellFile, String(seed), life]
  const runs = ['1', '2'].map(life => wordsOf('./server.ts', words(life), mutant))
  const calls = record({ folder, state, tellFile }, runs, mutant)
  const told: Receipt[] = []
  const done = cutEverywhere(
    { calls, root: state, folder, count: images, seed },
    text => void told.push(JSON.parse(text)),
    image => faultsIn(join(image, 'receiver.db'), told),
  )
  return { ...done, told }
}

tracedTest(`after ${grouped(count)} power cuts the receiver holds all that it receipted`, () => {
  const { images, bad, told } = cutPower(count)
  const figure = `${bad.length} lost or damaged`
  goal({ id: 'R1', size: `${grouped(images)} images of the receiver`, figure, pass: bad.length === 0 })
  expect(bad).toEqual([])
  expect(told.length).toBeGreaterThan(40)
})

tracedTest.each(Object.keys(serverMutants))('power cuts show the fault: %s', mutant => {
  expect(cutPower(40, mutant).bad.length).toBeGreaterThan(5)
})
