import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../../src/base/fault.ts'
import { openSite, type StartedSite } from '../scenario/site.ts'
import { type Profiles, profilesIn } from './profile.ts'
import { type Sizes, spaceFor } from './sizes.ts'

/** What everything is measured on: a site of its own in a temporary folder, and who runs on it just now. */
export interface Stage {
  folder: string
  site: StartedSite
  /** The configuration of every box: an outbox with room for the largest size. */
  config: string
  sizes: Sizes
  /** Where the programs leave their profiles; undefined where they are not profiled. */
  profiles: Profiles | undefined
  /** A line for people. */
  tell(line: string): void
  /** A program ended by itself: whatever waits for it fails at once. */
  died(why: string): void
  /** Seconds until a condition holds; looks every `lookMs`. A fault where a program died, or after ten minutes. */
  until(what: string, holds: () => Promise<boolean>, lookMs?: number): Promise<number>
  /** A new empty folder for a state. */
  makeFolder(name: string): string
  close(): Promise<void>
}

const patienceMs = 600_000
const usualLookMs = 20
/** statfs(2): a file system in memory, where writing and syncing cost nothing and prove nothing. */
const tmpfs = 0x01021994

const outboxQuota = '16GiB'

/** Judges the folder before anything is measured in it. Fault `disk.full` or `usage`. */
function checkFolder(folder: string, sizes: Sizes): void {
  const { type, bavail, bsize } = statfsSync(folder)
  const [free, wanted] = [bavail * bsize, spaceFor(sizes)]
  const elsewhere = 'name a folder on another disk: TMPDIR=/path scripts/bench'
  if (type === tmpfs)
    throw new Fault('usage', `${tmpdir()} is in memory: nothing can be synced there`, { hint: elsewhere })
  if (free < wanted) {
    const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1)
    const message = `${tmpdir()} has ${gigabytes(free)} GB free, this size needs ${gigabytes(wanted)} GB`
    throw new Fault('disk.full', message, { hint: `${elsewhere}, or measure less: --quick` })
  }
}

/** Makes keys and a receiver, and provisions a box; nothing runs then. */
export async function openStage(
  sizes: Sizes,
  profiled: boolean,
  tell: (line: string) => void,
): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-bench-'))
  let dead: string | undefined
  const died = (why: string): void => {
    dead ??= why
    tell(why)
  }
  try {
    checkFolder(folder, sizes)
    const config = join(folder, 'vitalgate.toml')
    writeFileSync(config, `[outbox]\nquota = "${outboxQuota}"\n`)
    const profiles = profiled ? profilesIn(folder) : undefined
    const node = profiles?.words('receiver') ?? []
    const site = await openSite(folder, tell, died, { names: ['whole'], direct: true, node })
    // each measurement starts those that it needs
    for (const box of site.boxes) await box.daemon.stop()
    await site.server().stop()
    return {
      ...{ folder, site, config, sizes, profiles, tell, died },
      async until(what, holds, lookMs = usualLookMs) {
        const began = performance.now()
        while (!(await holds())) {
          if (dead !== undefined) throw new Fault('control.absent', dead, { hint: `logs are in ${folder}` })
          if (performance.now() - began > patienceMs) {
            const hint = `something hangs, or the machine is busy with other things: logs are in ${folder}`
            throw new Fault('interrupted', `${what} did not happen within ${patienceMs / 1000} s`, { hint })
          }
          await new Promise(resolve => setTimeout(resolve, lookMs))
        }
        return (performance.now() - began) / 1000
      },
      makeFolder(name) {
        const made = join(folder, name)
        mkdirSync(made, { mode: 0o700 })
        return made
      },
      close: () => site.close(),
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}
