import { parse, TomlError } from 'smol-toml'
import { z } from 'zod'
import { checked } from '../base/check.ts'
import { durationMs } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import { isThere, readTextFile } from '../base/files.ts'
import type { SettingName } from '../wire/verbs.ts'
import { defaultConfig, socketPathLimit } from './places.ts'

/** How this box behaves. It never says which server: that is the route's alone (WIRE 9.5). */
export interface Config {
  /** IANA name of the site's time zone, in which devices show their time. */
  timezone: string
  logLevel: (typeof levels)[number]
  /** How long a scan waits for a measurement at its station. */
  stationWindowMs: number
  /** How long after an unattributed measurement a scan still claims it; 0 is never. */
  stationClaimMs: number
  /** The code that closes a resident's window at a station when it is scanned. */
  stationEndCode: string
  outboxQuotaBytes: number
  /** How long a receipted row is kept, so that a server restored from backup can be fed again. */
  outboxGraceMs: number
  uplinkHeartbeatMs: number
  /** How many rows are on their way at a time. */
  uplinkWindow: number
  /** Path of the control socket where it is not at its usual place. */
  controlSocket: string | undefined
}

export const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

const isZone = (text: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false // it throws for an unknown zone, there is no other way to ask
  }
}

/** A duration within bounds, as people write them. `off` is 0 where it may be. */
const duration = (least: string, most: string, off = false) =>
  z.string({ error: 'must be a duration in quotes, such as "3m"' }).transform((text, context) => {
    if (off && text === 'off') return 0
    const ms = durationMs(text)
    if (ms !== undefined && ms >= durationMs(least)! && ms <= durationMs(most)!) return ms
    const got = JSON.stringify(text.slice(0, 40))
    context.addIssue({
      code: 'custom',
      message: `must be ${off ? '"off" or ' : ''}from "${least}" to "${most}" (got ${got})`,
    })
    return z.NEVER
  })

const sizes: Record<string, number> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }
const leastQuota = 16 * sizes.MiB!
const mostQuota = 256 * sizes.GiB!

const size = z.string({ error: 'must be a size in quotes, such as "512MiB"' }).transform((text, context) => {
  const match = /^(\d{1,9})(KiB|MiB|GiB)$/.exec(text)
  const bytes = match === null ? 0 : Number(match[1]) * sizes[match[2]!]!
  if (bytes >= leastQuota && bytes <= mostQuota) return bytes
  const got = JSON.stringify(text.slice(0, 40))
  context.addIssue({ code: 'custom', message: `must be from "16MiB" to "256GiB" (got ${got})` })
  return z.NEVER
})

/** The settings that may be changed from afar, each as it is written; defaults apart. */
export const settingForms = {
  'log.level': z.enum(levels),
  'station.window': duration('10s', '60m'),
  'station.claim': duration('1s', '10m', true),
  'uplink.heartbeat': duration('1s', '1h'),
} as const satisfies Record<SettingName, z.ZodType>

const schema = z.strictObject({
  timezone: z
    .string()
    .max(64)
    .refine(isZone, 'must be a time zone such as "Europe/Berlin"')
    .default(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
  log: z.strictObject({ level: settingForms['log.level'].default('info') }).prefault({}),
  station: z
    .strictObject({
      window: settingForms['station.window'].default(180_000),
      claim: settingForms['station.claim'].default(60_000),
      end: z
        .string()
        .regex(/^[\x21-\x7e]{1,64}$/, 'must be 1 to 64 printable characters without blanks')
        .default('VITALGATE-END'),
    })
    .prefault({}),
  outbox: z
    .strictObject({
      quota: size.default(512 * sizes.MiB!),
      grace: duration('0s', '90d').default(7 * 86_400_000),
    })
    .prefault({}),
  uplink: z
    .strictObject({
      heartbeat: settingForms['uplink.heartbeat'].default(300_000),
      window: z.int().min(1).max(1024).default(128),
    })
    .prefault({}),
  control: z
    .strictObject({
      socket: z
        .string()
        .regex(/^\/[\x21-\x7e]+$/, 'must be an absolute path')
        .max(socketPathLimit)
        .optional(),
    })
    .prefault({}),
})

/** What a misplaced wish for a server is told (WIRE 9.5). */
const serverHint = 'which server this box speaks to is told by its route alone: vitalgate provision accept'

/** The configuration that a TOML text describes. Fault `config.invalid` that lists every problem. */
export function parseConfig(text: string, what: string): Config {
  let value: unknown
  try {
    value = parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const [why] = cause.message.replace('Invalid TOML document: ', '').split('\n')
    throw new Fault('config.invalid', `${what}: line ${cause.line}, column ${cause.column}: ${why}`, {
      cause,
    })
  }
  try {
    const { timezone, log, station, outbox, uplink, control } = checked(schema, value, what, 'config.invalid')
    return {
      timezone,
      logLevel: log.level,
      stationWindowMs: station.window,
      stationClaimMs: station.claim,
      stationEndCode: station.end,
      outboxQuotaBytes: outbox.quota,
      outboxGraceMs: outbox.grace,
      uplinkHeartbeatMs: uplink.heartbeat,
      uplinkWindow: uplink.window,
      controlSocket: control.socket,
    }
  } catch (error) {
    if (!isFault(error) || !/\b(?:server|broker|url|host)\w*: unknown name/.test(error.message)) throw error
    throw new Fault('config.invalid', error.message, { hint: serverHint })
  }
}

/**
 * The configuration of this box. Without `path` the usual file may be absent: then all has its default. A
 * file that was named must be there. Faults: `config.invalid`, `permission`.
 */
export function readConfig(path: string | undefined): Config {
  const file = path ?? defaultConfig
  if (path === undefined && !isThere(file)) return parseConfig('', file)
  return parseConfig(readTextFile(file, 'config.invalid'), file)
}
