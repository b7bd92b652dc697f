import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Where the time comes from. Everything that must know the time is handed one of these. */
export interface Clock {
  /** Wall time, milliseconds since 1970 UTC. May jump. */
  now(): number
  /** Milliseconds since an arbitrary moment of this boot. Never jumps, never goes back. */
  mono(): number
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => Math.floor(Number(process.hrtime.bigint() / 1_000_000n)),
}

/**
 * The id of this boot, 32 hex characters. systemd's ProcSubset=pid hides it from /proc, so the unit may
 * pass it (`%b`) as VITALGATE_BOOT_ID; where neither tells, each start of the program counts as a boot.
 */
export function bootId(env: NodeJS.ProcessEnv = process.env): string {
  const passed = env.VITALGATE_BOOT_ID
  if (passed !== undefined && /^[0-9a-f]{32}$/.test(passed)) return passed
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '')
  } catch {
    return randomUUID().replaceAll('-', '')
  }
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a duration as people write it (`90s`, `3m`, `7d`); undefined if it is none. */
export function durationMs(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  return match === null ? undefined : Number(match[1]) * units[match[2]!]!
}
