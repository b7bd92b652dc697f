import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { Moment, TimeSource } from '../reading/reading.ts'
import { lastWall } from '../wire/members.ts'

/** How good the wall clock is; `uncertainty` in milliseconds, null where nobody knows. */
export interface ClockQuality {
  source: TimeSource
  uncertainty: number | null
}

/** Tells moments with the quality of the clock (DESIGN 9). */
export interface Moments {
  /** This moment, or the one at an earlier steady time of this boot. */
  at(mono?: number): Moment
  stop(): void
}

/** How often the clock's quality is looked at, milliseconds. */
const lookMs = 60_000
/** Between two looks no NTP client slews a clock by more: this one was set, or the machine slept. */
const jumpMs = 5_000
/** What an NTP client keeps a clock within on a site's network, generously. */
const ntpUncertaintyMs = 1_000

const run = promisify(execFile)

/** Whether any NTP client disciplines the clock: timesyncd's mark, or what timedated asks of the kernel. */
async function synchronized(): Promise<boolean> {
  if (existsSync('/run/systemd/timesync/synchronized')) return true
  try {
    const { stdout } = await run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'], {
      timeout: 5_000,
    })
    return stdout.trim() === 'yes'
  } catch {
    // no timedated on this system: then nobody vouches for the clock
    return false
  }
}

/** Looks where this machine's time comes from. */
export async function lookAtClock(): Promise<ClockQuality> {
  if (await synchronized()) return { source: 'ntp', uncertainty: ntpUncertaintyMs }
  if (existsSync('/dev/rtc0')) return { source: 'rtc', uncertainty: null }
  const saved = ['/etc/fake-hwclock.data', '/var/lib/systemd/timesync/clock'].some(path => existsSync(path))
  return { source: saved ? 'saved' : 'none', uncertainty: null }
}

/**
 * Starts watching the clock; `becameGood` is told when an NTP source is there for the first time, and again where
 * the clock has jumped since: what was told before it may have been wrong.
 */
export async function watchMoments(
  clock: Clock,
  boot: string,
  becameGood: (moment: Moment) => void,
  look: () => Promise<ClockQuality> = lookAtClock,
  everyMs = lookMs,
): Promise<Moments> {
  let quality = await look()
  let anchored = quality.source === 'ntp'
  const at = (mono?: number): Moment => {
    const now = clock.mono()
    const then = mono ?? now
    // a box that woke up in 1970 was not there before it, and no clock may make a reading one that nobody takes
    const wall = Math.min(Math.max(clock.now() - (now - then), 0), lastWall)
    return { wall, ...quality, boot, mono: then }
  }
  const ahead = (): number => clock.now() - clock.mono()
  let before = ahead()
  const timer = setInterval(async () => {
    quality = await look()
    const since = ahead()
    if (Math.abs(since - before) > jumpMs) anchored = false
    before = since
    if (anchored || quality.source !== 'ntp') return
    anchored = true
    becameGood(at())
  }, everyMs)
  timer.unref()
  return { at, stop: () => clearInterval(timer) }
}
