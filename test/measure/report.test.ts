import { expect, test } from '@jest/globals'
import { figuresOf } from '../../scripts/measure/figures.ts'
import { type CpuProfile, sumProfiles } from '../../scripts/measure/profile.ts'
import { type Report, reportPage, reportText, spoken, withReport } from '../../scripts/measure/report.ts'

const limits = figuresOf({ fsync: { title: 'sync', unit: 'ms', samples: [0.5] } }, {})
const report: Report = {
  ...{ bench: 1, size: 'normal', when: '2026-01-15T10:00:00.000Z', seconds: 61.4 },
  machine: { node: 'v24', cores: 2, processor: 'P', memoryMb: 4000, kernel: '6.1', disk: 'ext4' },
  load: { before: 0.1, after: 2.5 },
  limits,
  figures: figuresOf(
    {
      latency: { title: 'way', unit: 'ms', limit: 'fsync', samples: [3, 4, 12] },
      verified: { title: 'verified', unit: '/s', samples: [5000], note: 'so it is' },
    },
    limits,
  ),
  failures: [{ group: 'drain', message: 'the sink ended' }],
  profiles: {},
}

test('each line holds median, spread, ratio and what became of the target', () => {
  const lines = reportText(report).split('\n')
  expect(lines[0]).toMatch(/^FIGURE +MEDIAN +SPREAD +RATIO +TARGET$/)
  expect(lines[1]).toMatch(
    /^way +4\.00 ms +3\.00 – 12\.0 +8\.00 × fsync +met \(≤ 4\.00: 1\.00 of it\), MISSED \(p99 ≤ 10\.0: 1\.20 of it\)$/,
  )
  expect(lines[2]).toMatch(/^verified +5,000 \/s +met \(≥ 4,000: 1\.25 of it\)$/)
  expect(lines.slice(-4)).toEqual([
    'Written: so it is.',
    'Not measured: drain: the sink ended.',
    '2 cores (P), Linux 6.1, ext4, Node.js v24; size normal, 61 s.',
    '2 of 3 targets met.',
  ])
})

test('it is said when other programs had their share, and not when they had none', () => {
  expect(reportText(report)).not.toContain('other programs')
  for (const load of [
    { before: 1.1, after: 2 },
    { before: 0, after: 4.1 },
  ]) {
    expect(reportText({ ...report, load })).toContain(`Load ${load.before} before and ${load.after} after`)
  }
})

test('a page gets the tables between its marks, as often as they are made', () => {
  const page = 'above\n<!-- figures -->\nold\n<!-- end of figures -->\nbelow\n'
  const once = withReport(page, report)!
  expect(once).toBe(`above\n<!-- figures -->\n\n${reportPage(report)}\n\n<!-- end of figures -->\nbelow\n`)
  expect(withReport(once, report)).toBe(once)
  expect(once).toContain('Made by `scripts/bench` on 2026-01-15.')
  expect(once).toContain('| verified | 5,000 /s |  |  | met (≥ 4,000: 1.25 of it) |')
  expect(withReport('no marks', report)).toBeUndefined()
  expect(withReport('<!-- end of figures --><!-- figures -->', report)).toBeUndefined()
})

test('a number has no more digits than a measurement', () => {
  expect([12_345.6, 123.45, 12.345, 1.2345, 0.12345, 0].map(spoken)).toEqual([
    '12,346',
    '123',
    '12.3',
    '1.23',
    '0.123',
    '0.000',
  ])
})

test('time is that of a function itself, summed over profiles, and idle time is apart', () => {
  const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber })
  const nodes: CpuProfile['nodes'] = [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('seal', 'node:x', 9) },
    { id: 3, callFrame: frame('', 'node:y', 0) },
    // the same function, called from elsewhere
    { id: 4, callFrame: frame('seal', 'node:x', 9) },
  ]
  const one: CpuProfile = { nodes, samples: [1, 2, 4], timeDeltas: [2_000_000, 1_000_000, 500_000] }
  const other: CpuProfile = { nodes, samples: [3], timeDeltas: [500_000] }
  expect(sumProfiles('t', [one, other])).toEqual({
    thread: 't',
    seconds: 4,
    idle: 0.5,
    parts: [
      { share: 0.75, what: 'seal node:x:10' },
      { share: 0.25, what: '(anonymous) node:y:1' },
    ],
  })
})
