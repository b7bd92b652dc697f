import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Outbox, openOutbox } from '../../src/outbox/outbox.ts'
import { verifyOutbox } from '../../src/outbox/verify.ts'
import { nextOf } from './chain.ts'

const zeroOf = (...parts: string[]): string => createHash('sha256').update(parts.join()).digest('hex')

const length = 20
const epochs = ['00'.repeat(8), '11'.repeat(8)] as const
let folder = ''
let outbox: Outbox
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-'))
  outbox = openOutbox({
    path: join(folder, 'outbox.db'),
    quotaBytes: 1 << 22,
    intakeBytes: 1 << 21,
    chain: { zero: zeroOf, next: nextOf },
  })
  for (const epoch of epochs) {
    const zero = zeroOf(epoch, 'server', 'kid')
    const { id } = outbox.epochs.add({ epoch, server: 'server', kid: 'kid', opened: 0, zero })
    for (let n = 0; n < length; n++) {
      outbox.append(outbox.epochs.get(id)!, Uint8Array.from(randomBytes(300)), n)
    }
  }
})
afterEach(() => {
  outbox.close()
  rmSync(folder, { recursive: true, force: true })
})

const problems = () => verifyOutbox(outbox).problems
/** A problem of the first epoch; its rows have the ids 1 to 20, the second's 21 to 40. */
const at = (seq: number, problem: string, epoch: string = epochs[0]) => ({
  epoch,
  seq,
  problem,
  declared: false,
})
const run = (sql: string, ...values: unknown[]) => outbox.db.prepare(sql).run(...values)
const swap = (columns: string[], a: number, b: number): void => {
  const list = columns.join(', ')
  const read = outbox.db.prepare(`SELECT ${list} FROM row WHERE id = ?`)
  const [one, two] = [read.get(a), read.get(b)] as Record<string, unknown>[]
  const write = `UPDATE row SET ${columns.map(name => `${name} = ?`).join(', ')} WHERE id = ?`
  run(write, ...columns.map(name => two![name]), a)
  run(write, ...columns.map(name => one![name]), b)
}

test('an outbox as it was written has no problem', () => {
  expect(verifyOutbox(outbox)).toEqual({ epochs: 2, rows: 2 * length, problems: [], more: false })
})

test('one flipped bit of any stored byte of a row is named', () => {
  const flip = fc.record({
    id: fc.integer({ min: 1, max: 2 * length }),
    column: fc.constantFrom('envelope', 'prev', 'head'),
    bit: fc.nat(255),
  })
  fc.assert(
    fc.property(flip, ({ id, column, bit }) => {
      const read = outbox.db.prepare(`SELECT ${column} FROM row WHERE id = ?`).pluck()
      const before = read.get(id) as Buffer
      const after = Buffer.from(before)
      after[bit >> 3]! ^= 1 << (bit & 7)
      run(`UPDATE row SET ${column} = ? WHERE id = ?`, after, id)
      const found = problems()
      run(`UPDATE row SET ${column} = ? WHERE id = ?`, before, id)
      expect(found).toEqual([at(((id - 1) % length) + 1, 'altered', epochs[id > length ? 1 : 0])])
    }),
    { numRuns: 100 },
  )
})

test('missing rows are named, at either end and in between', () => {
  run('DELETE FROM row WHERE id IN (1, 7, 8, 20, 40)')
  expect(problems()).toEqual([...[1, 7, 8, 20].map(seq => at(seq, 'missing')), at(20, 'missing', epochs[1])])
})

test('an emptied epoch is named row by row', () => {
  run('DELETE FROM row WHERE id <= 20')
  expect(problems()).toEqual(Array.from({ length }, (_, n) => at(n + 1, 'missing')))
})

test.each([
  ['envelopes', ['envelope']],
  ['envelopes and heads', ['envelope', 'prev', 'head']],
  ['whole rows', ['epoch', 'seq', 'envelope', 'prev', 'head']],
])('swapped %s are named, next to each other and apart', (_, columns) => {
  for (const [a, b] of [
    [5, 6],
    [1, 20],
    [9, 14],
    [19, 20],
  ] as const) {
    swap(columns, a, b)
    expect(problems()).toEqual([at(a, 'swapped'), at(b, 'swapped')])
    swap(columns, a, b)
  }
  expect(problems()).toEqual([])
})

test('rows of two epochs in each other’s place are named', () => {
  swap(['epoch', 'seq', 'envelope', 'prev', 'head'], 5, 25)
  expect(problems()).toEqual([at(5, 'misplaced'), at(5, 'misplaced', epochs[1])])
})

test('a row that says another place than it has, and one beyond the end, are named', () => {
  run('UPDATE row SET seq = 9 WHERE id = 4')
  run('UPDATE row SET id = 45, epoch = 2, seq = 25 WHERE id = 12')
  expect(problems()).toEqual([at(4, 'misplaced'), at(12, 'missing'), at(25, 'misplaced', epochs[1])])
})

test('several problems in one epoch are told apart', () => {
  run('DELETE FROM row WHERE id = 3')
  swap(['envelope'], 7, 11)
  run('UPDATE row SET envelope = ? WHERE id = 15', Buffer.from('else'))
  expect(problems()).toEqual([at(7, 'swapped'), at(11, 'swapped'), at(15, 'altered'), at(3, 'missing')])
})

test('a cut tail, a changed owner and a pretended forgetting are named', () => {
  run('UPDATE epoch SET seq = 18 WHERE id = 2')
  expect(problems().map(one => one.problem)).toEqual(['altered', 'misplaced', 'misplaced'])
  run('UPDATE epoch SET seq = 20 WHERE id = 2')
  run("UPDATE epoch SET server = 'thief' WHERE id = 2")
  expect(problems()).toEqual([at(0, 'altered', epochs[1])])
  run("UPDATE epoch SET server = 'server' WHERE id = 2")
  run(
    "INSERT INTO gone SELECT 1, 3, 4, (SELECT prev FROM row WHERE id = 3), (SELECT head FROM row WHERE id = 4), 'forgotten'",
  )
  run('DELETE FROM row WHERE id IN (3, 4)')
  expect(problems()).toEqual([at(3, 'missing'), at(4, 'missing')])
})
