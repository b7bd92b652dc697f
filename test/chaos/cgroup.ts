import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../scripts/scenario/program.ts'
import { codeOf } from '../../src/base/fault.ts'

/** A group of processes whose memory the kernel bounds. */
export interface Cgroup {
  /** Puts a running process into it, with the threads that it has. */
  admit(pid: number): void
  /** Leaves it hardly more than it uses now: whoever needs more is killed by the kernel. */
  squeeze(): void
  /** Its processes must have ended. */
  remove(): Promise<void>
}

const root = '/sys/fs/cgroup'
const spareBytes = 2 ** 20

/** The folder of the memory group that this process is in, and how version 1 and 2 call what is in it. */
function own(): { folder: string; limit: string; used: string } | undefined {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')
  const places = lines.map(line => line.split(':') as [string, string, string])
  const first = places.find(([, controllers]) => controllers.split(',').includes('memory'))
  const names = { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes' }
  if (first !== undefined) return { folder: join(root, 'memory', first[2]), ...names }
  const second = places.find(([, controllers]) => controllers === '')
  return second && { folder: join(root, second[2]), limit: 'memory.max', used: 'memory.current' }
}

/** A new group below the one of this process, or why there can be none: a sentence. */
export function makeCgroup(name: string): Cgroup | string {
  const ours = own()
  if (ours === undefined || !existsSync(ours.folder))
    return 'this process is in no memory cgroup that can be seen'
  const folder = join(ours.folder, name)
  try {
    mkdirSync(folder)
  } catch (error) {
    return `no memory cgroup can be made here: ${codeOf(error)}`
  }
  const file = (one: string): string => join(folder, one)
  if (!existsSync(file(ours.limit))) {
    rmdirSync(folder)
    return 'cgroups below this one have no memory controller'
  }
  return {
    admit: pid => writeFileSync(file('cgroup.procs'), String(pid)),
    squeeze() {
      // what a process had before it came stays on the account of the group that it came from
      const used = Number(readFileSync(file(ours.used), 'utf8'))
      writeFileSync(file(ours.limit), String(used + spareBytes))
    },
    remove: () =>
      until('the group empty', 10_000, () => {
        try {
          rmdirSync(folder)
          return true
        } catch (error) {
          if (codeOf(error) === 'EBUSY') return false
          throw error
        }
      }),
  }
}
