import type { Row } from './attack.ts'

/** Columns of the table with their widths, 120 characters in all: what is longer goes on in the next line. */
const columns = [
  ['ID', 5],
  ['ATTACK: WHOEVER …', 42],
  ['EXPECTED', 25],
  ['OBSERVED', 14],
  ['WITHOUT ITS DEFENCE', 26],
] as const
const gap = '  '

/** Whether the outcome was the named one. */
export const isNamed = (row: Row): boolean => row.observed === row.expected
/** Whether the attack succeeded without its defence. */
export const succeeds = (row: Row): boolean => row.without === row.undefended

/** A text in lines of at most so many characters, cut at blanks; a longer word is cut where it must be. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.flatMap(line =>
    line.length <= width ? [line] : (line.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []),
  )
}

/** The lines of one row of cells. */
function linesOf(cells: readonly string[]): string[] {
  const parts = cells.map((cell, at) => wrapped(cell, columns[at]![1]))
  const height = Math.max(...parts.map(lines => lines.length))
  return Array.from({ length: height }, (_, line) =>
    parts
      .map((lines, at) => (lines[line] ?? '').padEnd(columns[at]![1]))
      .join(gap)
      .trimEnd(),
  )
}

const byId = (a: Row, b: Row): number => a.id.localeCompare(b.id, 'en', { numeric: true })

/** The table of attacks, in the order of their ids. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows
    .toSorted(byId)
    .map(row => [
      row.id,
      row.attack,
      row.expected,
      isNamed(row) ? 'as expected' : `FAILS: ${row.observed}`,
      succeeds(row) ? row.without : `FAILS TO SUCCEED: ${row.without}`,
    ])
  return [columns.map(([name]) => name), ...cells].flatMap(linesOf).join('\n')
}
