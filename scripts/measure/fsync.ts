import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** How long this machine takes to write 4 KiB and have it on disk, so many times, in milliseconds. */
export function measureFsync(folder: string, times: number): number[] {
  const path = join(folder, 'fsync.probe')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(4096, 1)
  const durations: number[] = []
  for (let i = 0; i < times; i++) {
    const began = performance.now()
    writeSync(file, block)
    fsyncSync(file)
    durations.push(performance.now() - began)
  }
  closeSync(file)
  rmSync(path)
  return durations
}
