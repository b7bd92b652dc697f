import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, jest, test } from '@jest/globals'
import { checkPiece } from '../attacks/piece.ts'
import { type Mutation, mutations } from './mutations.ts'
import { live } from './worlds.ts'

// The simulation bites: each promise of the product that is broken, one at a time, breaks an invariant in a few worlds.

const patienceMs = 120_000
jest.setTimeout(patienceMs + 20_000)

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-mutants-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Worlds that one may take until it shows. */
const worlds = 40

test.each(mutations.map((one, at): [string, Mutation, number] => [one.name, one, at]))(
  '%s',
  async (...[, mutation, at]) => {
    const pieces = join(folder, `pieces-${at}.json`)
    mutation.pieces.forEach(checkPiece)
    writeFileSync(pieces, JSON.stringify(mutation.pieces))
    const words = { from: 1, count: worlds, pieces, kinds: mutation.kinds.join(','), whole: true } as const
    const { found } = await live(words, patienceMs)
    expect(mutation.shows).toContain(found?.invariants.find(one => mutation.shows.includes(one)))
  },
)

test('a failure is told with no more faults than it takes', async () => {
  const { pieces } = mutations.find(one => one.kinds.includes('forward'))!
  const file = join(folder, 'pieces-shrink.json')
  writeFileSync(file, JSON.stringify(pieces))
  const { found } = await live(
    { from: 1, count: worlds, pieces: file, kinds: 'forward,crash,cut' },
    patienceMs,
  )
  expect(found?.faults.map(one => one.kind)).toEqual(['forward'])
})

test('there are six mutants at least', () => {
  expect(mutations.length).toBeGreaterThanOrEqual(6)
})
