import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { print, printJson, table } from '../../src/base/output.ts'
import { openSite } from '../scenario/site.ts'
import { tell } from '../scenario/table.ts'
import { measureFsync } from './fsync.ts'
import { measureLatency } from './latency.ts'
import { type Spread, spreadOf } from './spread.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, readings: { type: 'string', default: '500' } },
})
const readings = Number(values.readings)
if (!Number.isSafeInteger(readings) || readings < 1 || readings > 1_000_000) {
  tell('vitalgate: error: --readings must be a whole number from 1')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-bench-'))
const died = (why: string): void => tell(why)
const site = await openSite(folder, line => tell(`  ${line}`), died, { names: ['gateway'], direct: true })
try {
  const before = measureFsync(folder, 200)
  tell(`  sending ${readings} readings, one after the other`)
  const latency = spreadOf(await measureLatency(site, readings))
  const fsync = spreadOf([...before, ...measureFsync(folder, 200)])
  const ratio = Math.round((latency.p50 / fsync.p50) * 10) / 10
  const machine = { node: process.version, cores: availableParallelism() }
  if (values.json === true) printJson({ machine, fsync, latency, ratio: { latencyP50ToFsyncP50: ratio } })
  else {
    const row = (name: string, { count, p50, p99, max }: Spread): string[] => [
      name,
      String(count),
      ...[p50, p99, max].map(ms => ms.toFixed(2)),
    ]
    const head = ['MILLISECONDS', 'COUNT', 'P50', 'P99', 'MAX']
    print(
      table(head, [
        row('last byte at the port to verified receipt', latency),
        row('this machine: 4 KiB and fsync', fsync),
      ]),
    )
    print(
      `\nlatency p50 is ${ratio} times the machine's fsync p50 · Node ${machine.node}, ${machine.cores} cores`,
    )
  }
} finally {
  await site.close()
  rmSync(folder, { recursive: true })
}
