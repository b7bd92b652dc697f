import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { z } from 'zod'

const bench = fileURLToPath(new URL('../../scripts/measure/main.ts', import.meta.url))
const patienceMs = 240_000

const number = z.number().min(0)
const spread = z.strictObject({ count: z.int().min(1), min: number, p50: number, p99: number, max: number })
const figure = z.strictObject({
  title: z.string(),
  unit: z.enum(['ms', 's', '/s', 's/1,000', 'MB', '%', 'B', 'rows']),
  spread,
  limit: z.strictObject({ name: z.string(), ratio: number }).optional(),
  targets: z.array(
    z.strictObject({
      of: z.enum(['min', 'p50', 'p99', 'max']),
      must: z.enum(['at least', 'at most']),
      value: number,
      met: z.boolean(),
      by: number,
    }),
  ),
  note: z.string().optional(),
})
// docs/CLI.md, scripts/bench
const report = z.strictObject({
  bench: z.literal(1),
  size: z.enum(['quick', 'normal', 'release']),
  when: z.iso.datetime(),
  seconds: number,
  machine: z.strictObject({
    node: z.string(),
    cores: z.int(),
    processor: z.string(),
    memoryMb: z.int(),
    kernel: z.string(),
    disk: z.string(),
  }),
  load: z.strictObject({ before: number, after: number }),
  limits: z.record(z.string(), figure),
  figures: z.record(z.string(), figure),
  failures: z.array(z.strictObject({ group: z.string(), message: z.string(), hint: z.string().optional() })),
  // told with --profile
  profiles: z.strictObject({}),
})

test(
  'the bench prints one object of the documented shape, with every limit of the machine',
  () => {
    const words = [bench, '--quick', '--only', 'idle', '--json']
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      encoding: 'utf8',
      timeout: patienceMs,
    })
    expect({ status, stderr }).toMatchObject({ status: 0 })
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(1)
    const found = report.parse(JSON.parse(lines[0]!))
    expect(found).toMatchObject({ size: 'quick', failures: [] })
    expect(Object.keys(found.limits).sort()).toEqual(
      'envelope fsync node node-memory publish sign sign-cpu verify verify-cpu'.split(' '),
    )
    expect(Object.keys(found.figures).sort()).toEqual(
      'idle-gateway-cpu idle-gateway-memory idle-receiver-cpu idle-receiver-memory'.split(' '),
    )
    const memory = found.figures['idle-gateway-memory']!
    expect(memory.limit).toMatchObject({ name: 'node-memory' })
    expect(memory.targets).toMatchObject([{ must: 'at most', value: 100 }])
  },
  patienceMs,
)

test('what was typed wrong ends with 2 and a hint, before anything is started', () => {
  const { status, stderr } = spawnSync(process.execPath, [bench, '--only', 'speed'], { encoding: 'utf8' })
  expect(status).toBe(2)
  expect(stderr).toContain('vitalgate: error: --only knows no speed')
  expect(stderr).toContain('vitalgate: hint: one of: latency, whole')
})
