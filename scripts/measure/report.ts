import { table } from '../../src/base/output.ts'
import type { Figure, Figures } from './figures.ts'
import type { Machine } from './machine.ts'
import type { ThreadProfile } from './profile.ts'
import type { SizeName } from './sizes.ts'
import type { Judged } from './targets.ts'

/** What a run found: the object of `--json`, documented in docs/CLI.md. */
export interface Report {
  bench: 1
  size: SizeName
  /** When it began, ISO 8601 in UTC. */
  when: string
  seconds: number
  machine: Machine
  /** Processes that wanted to run, before and after: more than there are cores, and others were measured as well. */
  load: { before: number; after: number }
  limits: Figures
  figures: Figures
  failures: { group: string; message: string; hint?: string }[]
  /** By group, where the time of each thread went; empty unless it was asked for. */
  profiles: Record<string, ThreadProfile[]>
}

/** A number as people read it: no more digits than the measurement has. */
export function spoken(value: number): string {
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en')
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(size >= 1 ? 2 : 3)
}

/** Samples from which a 99th percentile says more than the maximum. */
const enoughForP99 = 100

function spreadOf({ spread: { count, min, p99, max } }: Figure): string {
  if (count === 1) return ''
  const ends = `${spoken(min)} – ${spoken(max)}`
  return count < enoughForP99 ? ends : `p99 ${spoken(p99)}, ${ends}`
}

function verdictOf({ of, must, value, met, by }: Judged): string {
  const sign = must === 'at least' ? '≥' : '≤'
  const wanted = `${of === 'p50' ? '' : `${of} `}${sign} ${spoken(value)}`
  return `${met ? 'met' : 'MISSED'} (${wanted}${value === 0 ? '' : `: ${spoken(by)} of it`})`
}

const row = (figure: Figure): string[] => [
  figure.title,
  `${spoken(figure.spread.p50)} ${figure.unit}`,
  spreadOf(figure),
  figure.limit === undefined ? '' : `${spoken(figure.limit.ratio)} × ${figure.limit.name}`,
  figure.targets.map(verdictOf).join(', '),
]

const limitRow = ([name, figure]: [string, Figure]): string[] => [
  `${name}: ${figure.title}`,
  `${spoken(figure.spread.p50)} ${figure.unit}`,
  spreadOf(figure),
]

/** A table before it is drawn. */
interface Columns {
  head: string[]
  rows: string[][]
}

/** What was measured, and what the machine can do. */
const tablesOf = ({ figures, limits }: Report): [Columns, Columns] => [
  { head: ['figure', 'median', 'spread', 'ratio', 'target'], rows: Object.values(figures).map(row) },
  { head: ['limit of this machine', 'median', 'spread'], rows: Object.entries(limits).map(limitRow) },
]

/** Processes in the queue that the bench itself may cause, for each core. */
const ownLoad = 2

/** Lines beneath the tables: what people must know to read them. */
function remarksOf({ size, machine, load, figures, failures, seconds }: Report): string[] {
  const { cores, processor, kernel, disk, node } = machine
  const measured = Object.values(figures)
  const judged = measured.flatMap(one => one.targets)
  const notes = [...new Set(measured.flatMap(one => (one.note === undefined ? [] : [one.note])))]
  const isShared = load.before > cores / 2 || load.after > cores * ownLoad
  return [
    ...notes.map(note => `Written: ${note}.`),
    ...failures.map(({ group, message }) => `Not measured: ${group}: ${message}.`),
    `${cores} cores (${processor}), Linux ${kernel}, ${disk}, Node.js ${node}; size ${size}, ${Math.round(seconds)} s.`,
    ...(isShared
      ? [
          `Load ${load.before} before and ${load.after} after: other programs had their share of the cores, and times and rates are worse than this machine's.`,
        ]
      : []),
    `${judged.filter(one => one.met).length} of ${judged.length} targets met.`,
  ]
}

const drawn = ({ head, rows }: Columns): string =>
  table(
    head.map(word => word.toUpperCase()),
    rows,
  )

const profileText = (group: string, { thread, seconds, idle, parts }: ThreadProfile): string =>
  [
    '',
    `${group}: ${thread}: ${spoken(seconds)} s, ${spoken(idle * 100)} % of them idle; of the rest`,
    drawn({
      head: ['share', 'function'],
      rows: parts.map(({ share, what }) => [`${spoken(share * 100)} %`, what]),
    }),
    '',
  ].join('\n')

/** A report for people at a terminal. */
export function reportText(report: Report): string {
  const [figures, limits] = tablesOf(report)
  const profiles = Object.entries(report.profiles).flatMap(([group, threads]) =>
    threads.map(one => profileText(group, one)),
  )
  return [drawn(figures), '', drawn(limits), '', ...profiles, ...remarksOf(report)].join('\n')
}

const markdown = ({ head, rows }: Columns): string => {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** A report for a page of the documentation, with the command that makes it. */
export function reportPage(report: Report): string {
  const [figures, limits] = tablesOf(report)
  const command = report.size === 'normal' ? 'scripts/bench' : `scripts/bench --${report.size}`
  const day = report.when.slice(0, 10)
  const remarks = remarksOf(report).map(one => `- ${one}`)
  return [`Made by \`${command}\` on ${day}.`, markdown(figures), markdown(limits), remarks.join('\n')].join(
    '\n\n',
  )
}

const [begin, end] = ['<!-- figures -->', '<!-- end of figures -->']

/** A page with the report in its place, between two marks; undefined where it has none. */
export function withReport(page: string, report: Report): string | undefined {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) return undefined
  return `${page.slice(0, from + begin.length)}\n\n${reportPage(report)}\n\n${page.slice(to)}`
}
