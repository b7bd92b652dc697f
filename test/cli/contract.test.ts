import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { Fault, type FaultCode } from '../../src/base/fault.ts'
import { exitOf } from '../../src/base/output.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('docs/CLI.md lists every fault code, each with the exit code that it ends with', () => {
  const [, union = ''] = /FaultCode =\n((?: {2}\| '[a-z.-]+'\n)+)/.exec(read('src/base/fault.ts')) ?? []
  const codes = [...union.matchAll(/'([a-z.-]+)'/g)].map(([, code]) => code as FaultCode)
  expect(codes.length).toBeGreaterThan(40)
  const rows = [...read('docs/CLI.md').matchAll(/^\| `([a-z.-]+)` \| (\d*) ?\| .{10,}\|$/gm)]
  const documented = Object.fromEntries(rows.map(([, code, exit]) => [code, exit === '' ? 1 : Number(exit)]))
  expect(documented).toEqual(Object.fromEntries(codes.map(code => [code, exitOf(new Fault(code, ''))])))
})
