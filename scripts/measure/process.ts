import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** What a process has used up to now (proc(5)). */
export interface Used {
  /** Seconds of processor time, all threads together, those that ended included. */
  cpu: number
  /** Resident memory now, and the most since `resetPeak`, megabytes of 2^20 bytes. */
  rss: number
  peak: number
  /**
   * Bytes that the process caused to be written: whole pages of 4 KiB that it made dirty in the page cache, counted
   * again when they are made dirty after they were written out. Neither the file system's own journal nor what a
   * card's controller copies about is in it.
   */
  written: number
}

/** Ticks a second in /proc/PID/stat (sysconf(3), _SC_CLK_TCK): 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

/** Seconds of processor time in the text of /proc/PID/stat. */
export function cpuIn(stat: string): number {
  // the second field is the program's name in brackets, which may hold blanks and brackets; utime and stime are 14, 15
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [Number(fields[11]), Number(fields[12])]
  if (!Number.isSafeInteger(user) || !Number.isSafeInteger(system)) throw new Error('/proc tells no times')
  return (user + system) / ticksPerSecond
}

/** The number behind a name in the text of /proc/PID/status or /proc/PID/io. */
export function numberIn(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)
  if (found === null) throw new Error(`/proc tells no ${name}`)
  return Number(found[1])
}

/** Seconds that a thread was on a processor, in the text of its schedstat. */
export const onProcessorIn = (schedstat: string): number => Number(schedstat.split(' ')[0]) / 1e9

/** Reads what a process has used. */
export function usedBy(pid: number): Used {
  const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'utf8')
  const status = read('status')
  return {
    cpu: cpuIn(read('stat')),
    rss: numberIn(status, 'VmRSS') / 1024,
    peak: numberIn(status, 'VmHWM') / 1024,
    written: numberIn(read('io'), 'write_bytes'),
  }
}

/** Begins the peak of resident memory anew. */
export const resetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5')

/**
 * Seconds of processor time of the threads that a process has now, to the nanosecond: `usedBy` counts in hundredths,
 * too coarse for a process that does next to nothing.
 */
export const preciseCpu = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`)
    .map(thread => onProcessorIn(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')))
    .reduce((sum, one) => sum + one, 0)
