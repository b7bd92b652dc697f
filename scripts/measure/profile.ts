import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the time of one thread of a program went. */
export interface ThreadProfile {
  /** `gateway`, `gateway, custody`, `receiver`. */
  thread: string
  /** Seconds that it was looked at, and the share of them in which it had nothing to do or waited for its disk. */
  seconds: number
  idle: number
  /** Functions by the share of the rest that was spent in them and not in what they called, the largest first. */
  parts: { share: number; what: string }[]
}

/** The profiles that programs leave behind when they end. */
export interface Profiles {
  /** Words for the Node.js of a program. */
  words(program: string): readonly string[]
  /** Forgets what was left behind. */
  clear(): void
  /** What was left behind since; threads that did next to nothing are left out. */
  read(): ThreadProfile[]
}

/** What V8 writes (Chrome DevTools Protocol, Profiler.Profile), as far as it is looked at. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  /** Microseconds before each sample. */
  timeDeltas: number[]
}

const shown = 12
const leastSeconds = 0.2
const root = fileURLToPath(new URL('../..', import.meta.url))

/** A function as people find it: `seal src/wire/envelope.ts:31`. */
function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  const path = url.startsWith('file:') ? fileURLToPath(url) : url
  return `${name} ${path.startsWith(root) ? path.slice(root.length) : path}:${lineNumber + 1}`
}

/** Adds up profiles of the same thread. */
export function sumProfiles(thread: string, profiles: readonly CpuProfile[]): ThreadProfile {
  const spent = new Map<string, number>()
  for (const { nodes, samples, timeDeltas } of profiles) {
    const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
    samples.forEach((id, at) => {
      const name = names.get(id) ?? '(unknown)'
      spent.set(name, (spent.get(name) ?? 0) + (timeDeltas[at] ?? 0) / 1e6)
    })
  }
  const seconds = [...spent.values()].reduce((sum, one) => sum + one, 0)
  const idle = spent.get('(idle)') ?? 0
  spent.delete('(idle)')
  const busy = seconds - idle
  const parts = [...spent]
    .sort(([, a], [, b]) => b - a)
    .slice(0, shown)
    .map(([what, took]) => ({ share: took / busy, what }))
  return { thread, seconds, idle: seconds === 0 ? 0 : idle / seconds, parts }
}

/** Profiles in a folder of their own. */
export function profilesIn(folder: string): Profiles {
  const at = join(folder, 'profiles')
  const clear = (): void => {
    rmSync(at, { recursive: true, force: true })
    mkdirSync(at)
  }
  clear()
  return {
    words: program => ['--cpu-prof', `--cpu-prof-dir=${join(at, program)}`],
    clear,
    read: () => {
      const found = new Map<string, CpuProfile[]>()
      for (const program of readdirSync(at)) {
        for (const name of readdirSync(join(at, program))) {
          // CPU.date.time.process.thread.number.cpuprofile: thread 0 is the main one
          const isMain = name.split('.').at(-3) === '0'
          const thread = isMain ? program : `${program}, ${program === 'gateway' ? 'custody' : 'worker'}`
          const profile = JSON.parse(readFileSync(join(at, program, name), 'utf8')) as CpuProfile
          found.set(thread, [...(found.get(thread) ?? []), profile])
        }
      }
      return [...found]
        .map(([thread, profiles]) => sumProfiles(thread, profiles))
        .filter(({ seconds, idle }) => seconds * (1 - idle) >= leastSeconds)
    },
  }
}
