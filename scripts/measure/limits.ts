import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import type { Measured } from './figures.ts'
import { measureFsync } from './fsync.ts'

/** Bytes of a statement as long as a weighing's. */
const statementLength = 700
const fsyncs = 100
const slice = 300

/** Calls in a second of processor time, one thread: what a core does while nobody else has it. */
export function perSecond(work: () => void, sliceMs = slice): number {
  const began = performance.now()
  const before = process.cpuUsage()
  let calls = 0
  while (performance.now() - began < sliceMs) {
    for (let i = 0; i < 16; i++) work()
    calls += 16
  }
  const { user, system } = process.cpuUsage(before)
  return (calls / (user + system)) * 1e6
}

const times = <T>(count: number, measure: () => T): T[] => Array.from({ length: count }, measure)

/** Milliseconds from starting Node.js with nothing to do until it has ended, and the memory that it takes then. */
function bareNode(): { ms: number; megabytes: number } {
  const began = performance.now()
  const words = ['-e', 'process.stdout.write(String(process.memoryUsage.rss()))']
  const told = execFileSync(process.execPath, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return { ms: performance.now() - began, megabytes: Number(told) / 2 ** 20 }
}

/** What this machine can do at most: disk, the two operations of each statement, and an empty process. */
export function measureLimits(folder: string, count: number): Measured {
  const key = signingKey(makePair('ed25519').secret)
  const other = verifyKey(key.publicKey)
  const statement = randomBytes(statementLength)
  const signature = key.sign(statement)
  const signs = times(count, () => perSecond(() => key.sign(statement)))
  const verifies = times(count, () => perSecond(() => other.verify(statement, signature)))
  const node = times(count, bareNode)
  const cpu = (rates: readonly number[]): number[] => rates.map(rate => 1000 / rate)
  const durations = measureFsync(folder, fsyncs * count)
  return {
    fsync: { title: 'write 4 KiB and fsync', unit: 'ms', samples: durations },
    sign: { title: 'Ed25519 signatures, one core', unit: '/s', samples: signs },
    verify: { title: 'Ed25519 verifications, one core', unit: '/s', samples: verifies },
    'sign-cpu': { title: 'processor time of 1,000 signatures', unit: 's/1,000', samples: cpu(signs) },
    'verify-cpu': { title: 'processor time of 1,000 verifications', unit: 's/1,000', samples: cpu(verifies) },
    node: {
      title: 'Node.js starts, does nothing and ends',
      unit: 's',
      samples: node.map(({ ms }) => ms / 1000),
    },
    'node-memory': {
      title: 'memory of Node.js that does nothing',
      ...{ unit: 'MB', samples: node.map(({ megabytes }) => megabytes) },
    },
  }
}
