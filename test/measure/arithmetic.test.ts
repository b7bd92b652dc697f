import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { figureOf, figuresOf, ratioOf } from '../../scripts/measure/figures.ts'
import { perSecond } from '../../scripts/measure/limits.ts'
import { groups, readOptions } from '../../scripts/measure/options.ts'
import { cpuIn, numberIn, onProcessorIn, preciseCpu, usedBy } from '../../scripts/measure/process.ts'
import { sizes, spaceFor } from '../../scripts/measure/sizes.ts'
import { spreadOf } from '../../scripts/measure/spread.ts'
import { judge, targets } from '../../scripts/measure/targets.ts'

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1)

test('a spread holds values that occurred, whatever their order', () => {
  expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ count: 5, min: 1, p50: 3, p99: 5, max: 5 })
  // nearest rank: the 50th and 99th of 100, the 100th and 198th of 200
  expect(spreadOf(upTo(100).reverse())).toEqual({ count: 100, min: 1, p50: 50, p99: 99, max: 100 })
  expect(spreadOf(upTo(200))).toEqual({ count: 200, min: 1, p50: 100, p99: 198, max: 200 })
  expect(spreadOf([7])).toEqual({ count: 1, min: 7, p50: 7, p99: 7, max: 7 })
})

test('nothing measured is no spread, and a small value is not rounded away', () => {
  expect(() => spreadOf([])).toThrow('nothing was measured')
  expect(spreadOf([0.00012345]).p50).toBe(0.000123)
  expect(spreadOf([1234.56789]).p50).toBe(1234.568)
})

test('a ratio is figure divided by limit, by their medians', () => {
  expect(ratioOf(spreadOf([7, 7.5, 9]), spreadOf([2, 2.5, 100]))).toBe(3)
  expect(ratioOf(spreadOf([1]), spreadOf([3]))).toBe(0.333)
  expect(ratioOf(spreadOf([1]), spreadOf([0]))).toBe(0)
})

test('a target is met at its value, and a miss tells by how much', () => {
  const rates = spreadOf([2000, 2500, 9000])
  const atLeast = { of: 'p50', must: 'at least', value: 5000 } as const
  expect(judge(atLeast, rates)).toEqual({ ...atLeast, met: false, by: 0.5 })
  expect(judge({ ...atLeast, value: 2500 }, rates)).toMatchObject({ met: true, by: 1 })
  const atMost = { of: 'max', must: 'at most', value: 7500 } as const
  expect(judge(atMost, rates)).toEqual({ ...atMost, met: false, by: 1.2 })
  expect(judge({ ...atMost, value: 9000 }, rates)).toMatchObject({ met: true })
})

test('where nothing is allowed, one is too much', () => {
  const none = { of: 'max', must: 'at most', value: 0 } as const
  expect(judge(none, spreadOf([0, 0]))).toMatchObject({ met: true, by: 0 })
  expect(judge(none, spreadOf([0, 3]))).toMatchObject({ met: false, by: 3 })
})

test('every target is about a figure that is measured', () => {
  const source = readFileSync(new URL('../../scripts/measure/measures.ts', import.meta.url), 'utf8')
  for (const name of Object.keys(targets).map(one => one.replace(/-large$/, ''))) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is looked for in a source
    const written = [`'${name}': {`, ` ${name}: {`, '[`NAME${suffix}`]: {'.replace('NAME', name)]
    expect(written.filter(one => source.includes(one))).toHaveLength(1)
  }
})

test('a figure has its limit and its targets beside it', () => {
  const limits = figuresOf({ fsync: { title: 'sync', unit: 'ms', samples: [0.5] } }, {})
  const about = { title: 'way', unit: 'ms', limit: 'fsync' } as const
  expect(figureOf('latency', about, [3, 4, 12], limits)).toEqual({
    title: 'way',
    unit: 'ms',
    spread: { count: 3, min: 3, p50: 4, p99: 12, max: 12 },
    limit: { name: 'fsync', ratio: 8 },
    targets: [
      { of: 'p50', must: 'at most', value: 4, met: true, by: 1 },
      { of: 'p99', must: 'at most', value: 10, met: false, by: 1.2 },
    ],
  })
  // a limit that was not measured is left out
  expect(figureOf('latency', { ...about, limit: 'publish' }, [3], limits)).not.toHaveProperty('limit')
})

test('processor time is fields 14 and 15 of stat, whatever the program is called', () => {
  // proc(5): pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime …
  const rest = 'S 1 42 42 0 -1 4194304 900 800 7 6 250 50 33 44 20 0 11 0 100 0 0'
  expect(cpuIn(`42 (node) ${rest}`)).toBe(3)
  expect(cpuIn(`42 (a) 9 9 (b c) ${rest}`)).toBe(3)
  expect(() => cpuIn('42 (node) S 1')).toThrow('/proc tells no times')
})

test('numbers are found by their whole name', () => {
  const io = 'rchar: 1\nwchar: 2\nread_bytes: 3\ncancelled_write_bytes: 4\nwrite_bytes: 8192\n'
  expect(numberIn(io, 'write_bytes')).toBe(8192)
  expect(numberIn('VmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n', 'VmRSS')).toBe(102_400)
  expect(() => numberIn(io, 'VmRSS')).toThrow('/proc tells no VmRSS')
  // Documentation/scheduler/sched-stats.rst: time on the processor in nanoseconds first
  expect(onProcessorIn('1500000000 2000 12')).toBe(1.5)
})

test('this process is told of as the system tells of it', () => {
  const { rss, heapUsed } = process.memoryUsage()
  const used = usedBy(process.pid)
  expect(used.rss * 2 ** 20).toBeGreaterThan(heapUsed)
  expect(used.peak * 2 ** 20).toBeGreaterThanOrEqual(rss / 2)
  expect(used.cpu).toBeGreaterThan(0)
  expect(preciseCpu(process.pid)).toBeGreaterThan(0)
})

test('a rate is of the time of a core, whoever else has it meanwhile', () => {
  const work = (): void => void createHash('sha256').update(Buffer.alloc(65_536)).digest()
  const rate = perSecond(work, 50)
  // SHA-256 of 64 KiB: between 1,000 and a million in a second on anything that runs this
  expect(rate).toBeGreaterThan(100)
  expect(rate).toBeLessThan(1_000_000)
})

test('what is typed is understood or refused with a hint', () => {
  expect(readOptions([])).toEqual({
    ...{ json: false, keep: false, profile: false, into: undefined, size: 'normal', only: groups },
  })
  expect(readOptions(['--quick', '--json']).size).toBe('quick')
  // in the order of the groups, not of what was typed
  expect(readOptions(['--only', 'start', '--only', 'latency']).only).toEqual(['latency', 'start'])
  for (const words of [['--quick', '--release'], ['--only', 'speed'], ['--fast'], ['quick']]) {
    expect(() => readOptions(words)).toThrow(
      expect.objectContaining({ code: 'usage', hint: expect.anything() }),
    )
  }
})

test('the room that a run wants is for every row that it makes', () => {
  // quick: 2,000 in a burst, 2 s of at most 10,000, 2,000 drained: twice; 2,000 wait; 4 KiB each
  expect(spaceFor(sizes.quick)).toBe((2 * (2000 + 20_000 + 2000) + 2000) * 4096)
})
