import './seams.ts'
import './globals.ts'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/*
 * Lives through simulated worlds: `main.ts --from SEED --count N --cpu SECONDS`. Prints one JSON line: how many, how
 * much happened in them, and of the first world with a violation what it was, with as few faults as still show it.
 * Another build of the product with `--pieces FILE`, only some sorts of faults with `--kinds NAMES`; `--history FILE`
 * writes down what happened in the last world. No world is begun after `--seconds`; with `--whole` the faults stay as
 * they are.
 */
const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    count: { type: 'string', default: '1' },
    cpu: { type: 'string', default: '3600' },
    pieces: { type: 'string' },
    kinds: { type: 'string' },
    history: { type: 'string' },
    seconds: { type: 'string', default: '86400' },
    whole: { type: 'boolean', default: false },
  },
})
if (values.pieces !== undefined) {
  const hook = new URL('../attacks/without.ts', import.meta.url)
  hook.searchParams.set('pieces', values.pieces)
  await import(hook.href)
}
const { simulate } = await import('./run.ts')
const { shrink } = await import('./shrink.ts')

const from = Number(values.from)
const kinds = values.kinds?.split(',')
const used = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
const sum = { worlds: 0, events: 0, fewest: Number.POSITIVE_INFINITY, taken: 0, faults: 0 }
let found: unknown
/** Whether there is time for one more. */
const isEarly = (): boolean =>
  used() < Number(values.cpu) && performance.now() < 1000 * Number(values.seconds)
for (let seed = from; seed < from + Number(values.count) && isEarly(); seed++) {
  const run = await simulate(seed, kinds === undefined ? {} : { kinds })
  if (values.history !== undefined) {
    writeFileSync(values.history, run.history.map(line => `${JSON.stringify(line)}\n`).join(''))
  }
  sum.worlds++
  sum.events += run.events
  sum.fewest = Math.min(sum.fewest, run.events)
  sum.taken += run.history.filter(line => line.op === 'taken').length
  sum.faults += run.faults.length
  if (run.violations.length === 0) continue
  const least = values.whole ? run : await shrink(run)
  found = {
    seed,
    violations: least.violations.map(({ invariant, why }) => `${invariant}: ${why}`).slice(0, 20),
    invariants: [...new Set(run.violations.map(one => one.invariant))],
    faults: least.faults,
  }
  break
}
process.stdout.write(`${JSON.stringify({ ...sum, cpu: used(), found })}\n`)
