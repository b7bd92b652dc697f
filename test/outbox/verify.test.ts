import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Outbox, openOutbox } from '../../src/outbox/outbox.ts'
import { type VerifyReport, verifying } from '../../src/outbox/verify.ts'
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

/** Verifies in turns of a few rows; `between` may change the outbox after each turn, told how many there were. */
function verifyOutbox(from: Outbox, between: (turns: number) => void = () => undefined): VerifyReport {
  const steps = verifying(from, 3)
  for (let turns = 1; ; turns++) {
    const { done, value } = steps.next()
    if (done === true) return value
    between(turns)
  }
}

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

/** Receipts the first epoch up to this seq, and forgets what the receipt covers. */
function forget(seq: number): void {
  const epoch = outbox.epochs.get(1)!
  const [head] = outbox.settling.headsAt(epoch, seq)
  const answer = { epoch: epoch.epoch, seq, head: head!, holes: [] }
  const proof = { type: 'receipt', body: new Uint8Array(1), signature: new Uint8Array(64) }
  outbox.settling.confirm(epoch, answer, 1)
  outbox.receipts.add(1, answer, 1, () => outbox.receipts.keep(proof))
  expect(outbox.settling.forget(outbox.epochs.get(1)!, answer, 1)).toBeGreaterThan(0)
}

test('rows that are appended, in a new epoch as well, and forgotten meanwhile are no problem', () => {
  const report = verifyOutbox(outbox, turns => {
    // Six rows of the first epoch are walked by then
    if (turns === 2) forget(12)
    if (turns === 4) outbox.append(outbox.epochs.get(2)!, Uint8Array.from(randomBytes(300)), 1)
    if (turns !== 6) return
    const epoch = '22'.repeat(8)
    const zero = zeroOf(epoch, 'server', 'kid')
    const { id } = outbox.epochs.add({ epoch, server: 'server', kid: 'kid', opened: 0, zero })
    outbox.append(outbox.epochs.get(id)!, Uint8Array.from(randomBytes(300)), 1)
  })
  expect(report).toEqual({ epochs: 3, rows: 6 + 8 + 21 + 1, problems: [], more: false })
})

test.each([0, 1, 2, 3, 4, 5, 6, 7])(
  'what is wrong is named, though rows are forgotten after turn %i',
  when => {
    run('UPDATE row SET envelope = ? WHERE id = 2', Buffer.from('else'))
    run('DELETE FROM row WHERE id = 15')
    swap(['envelope'], 17, 19)
    if (when === 0) forget(12)
    const { problems: found } = verifyOutbox(outbox, turns => {
      if (turns === when) forget(12)
    })
    const kept = [at(17, 'swapped'), at(19, 'swapped'), at(15, 'missing')]
    // Where the row is gone before it was reached, its damage is nobody's loss: the server has it
    expect(found).toEqual(when === 0 ? kept : [at(2, 'altered'), ...kept])
  },
)
