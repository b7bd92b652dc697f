import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

/** The class of a machine: nothing that names it. */
export interface Machine {
  node: string
  cores: number
  processor: string
  memoryMb: number
  kernel: string
  /** File system that was written to. */
  disk: string
}

// statfs(2)
const fileSystems: Readonly<Record<number, string>> = {
  61267: 'ext4',
  2035054128: 'overlay',
  2435016766: 'btrfs',
  1481003842: 'xfs',
  4076150800: 'f2fs',
}

/** What the figures were measured on. */
export function machineOf(folder: string): Machine {
  const { type } = statfsSync(folder)
  return {
    node: process.version,
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryMb: Math.round(totalmem() / 2 ** 20),
    kernel: release().split('-')[0]!,
    disk: fileSystems[type] ?? `file system ${type.toString(16)}`,
  }
}

/** Processes that want to run, on average over a minute (proc(5)). */
export const loadNow = (): number => Math.round(loadavg()[0]! * 100) / 100
