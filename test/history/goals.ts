import { appendFileSync, existsSync, readFileSync } from 'node:fs'

/** What each goal asks, in a few words; docs/RELIABILITY.md has the figures. */
const goals = {
  R1: 'power loss',
  R2: 'kill at every system call',
  R3: 'kill -9 under load',
  R4: 'conservation at every instant',
  R5: 'hostile broker path',
  R6: 'disk full',
  R7: 'input and output errors',
  R8: 'corruption',
  R9: 'clock jumps',
  R10: 'freeze and slow disk',
  R11: 'simulation',
  R12: 'unplugging',
  R13: 'offline endurance',
  R14: 'recovery',
  R15: 'wear',
  R16: 'soak',
} as const
export type GoalId = keyof typeof goals

/** How far a suite came with one goal. */
export interface Goal {
  id: GoalId
  /** How much was tried: `3,000 images`. */
  size: string
  /** What came of it: `0 lost`. */
  figure: string
  pass: boolean
}

/** Adds it to the file that VITALGATE_GOALS names, for the table at the end of a test run; else does nothing. */
export function goal(reached: Goal): void {
  const file = process.env.VITALGATE_GOALS
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(reached)}\n`)
}

/** What was added to this file; nothing if no suite reported. */
export function readGoals(file: string): Goal[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as Goal)
}

/** The table of all goals: several reports on one are one row, which passes if each does. */
export function tableOfGoals(reached: readonly Goal[]): string {
  const rows = (Object.keys(goals) as GoalId[]).map(id => {
    const ours = reached.filter(one => one.id === id)
    const [size, figure] = [ours.map(one => one.size), ours.map(one => one.figure)]
    if (ours.length === 0) return [id, goals[id], '', '', 'not run']
    return [id, goals[id], size.join('; '), figure.join('; '), ours.every(one => one.pass) ? 'pass' : 'FAIL']
  })
  const table = [['goal', '', 'size', 'figure', 'pass'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)))
  return table
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
