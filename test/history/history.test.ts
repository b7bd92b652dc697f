import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { goal, readGoals, tableOfGoals } from './goals.ts'
import { readHistory, recorder } from './history.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-history-'))
const { VITALGATE_GOALS: before } = process.env
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  if (before === undefined) delete process.env.VITALGATE_GOALS
  else process.env.VITALGATE_GOALS = before
})

test('a history is read as it was written, by whoever wrote, and without the line that a kill cut off', () => {
  const file = join(folder, 'history.jsonl')
  const [one, two] = [recorder(file), recorder(file)]
  const written = [
    one.write('scale', { op: 'produced', device: 'scale', value: '72.40' }),
    two.write('gateway', { op: 'taken', gateway: 'g', epoch: 'e', seq: 2, value: '72.40' }),
    one.write('test', { op: 'calm' }),
  ]
  one.close()
  two.close()
  appendFileSync(file, '{"at":12,"actor":"test","op":"ca')
  expect(readHistory(file)).toEqual(written)
  expect(written[1]).toMatchObject({ actor: 'gateway', op: 'taken', seq: 2 })
  expect(written[1]!.at).toBeGreaterThanOrEqual(written[0]!.at)
})

test('goals are gathered in the file that the test run names, and nowhere without one', () => {
  const file = join(folder, 'goals.jsonl')
  delete process.env.VITALGATE_GOALS
  goal({ id: 'R1', size: 'nowhere', figure: '', pass: true })
  expect(readGoals(file)).toEqual([])
  process.env.VITALGATE_GOALS = file
  const reached = { id: 'R2', size: '21 points', figure: '0 violations', pass: true } as const
  goal(reached)
  goal(reached)
  expect(readGoals(file)).toEqual([reached, reached])
})

test('the table has a row for every goal: several reports are one, and nobody’s report is told', () => {
  const table = tableOfGoals([
    { id: 'R5', size: '20,000 readings', figure: '0 lost', pass: true },
    { id: 'R5', size: '10,000 readings', figure: '1 lost', pass: false },
    { id: 'R11', size: '200 seeds', figure: '0 violations', pass: true },
  ]).split('\n')
  expect(table).toHaveLength(17)
  expect(table[1]).toMatch(/^R1 +power loss +not run$/)
  expect(table[5]).toMatch(
    /^R5 +hostile broker path +20,000 readings; 10,000 readings +0 lost; 1 lost +FAIL$/,
  )
  expect(table[11]).toMatch(/^R11 +simulation +200 seeds +0 violations +pass$/)
})
