import { parse, stringify, TomlError } from 'smol-toml'
import { z } from 'zod'
import { checked, problems } from '../base/check.ts'
import { Fault } from '../base/fault.ts'
import { isThere, readTextFile, writeFileAtomic } from '../base/files.ts'
import { type SettingName, settingNames } from '../wire/verbs.ts'
import { type Config, settingForms } from './config.ts'
import { places, type Save } from './places.ts'

/**
 * settings.toml: what an operator changed from afar, over the configuration file, as texts like those that stand there.
 * A file of its own: the configuration belongs to root and to its comments.
 */
export type Settings = Partial<Record<SettingName, string>>

const form: z.ZodType<Settings> = z.strictObject(
  Object.fromEntries(settingNames.map(name => [name, z.string().optional()])),
)

/** The member of the configuration that each setting becomes. */
const members = {
  'log.level': 'logLevel',
  'station.window': 'stationWindowMs',
  'station.claim': 'stationClaimMs',
  'uplink.heartbeat': 'uplinkHeartbeatMs',
} as const satisfies Record<SettingName, keyof Config>

const hint = (path: string): string => `without this file the configuration alone counts: rm ${path}`

/** What was changed from afar; empty where nothing was. Fault `config.invalid`. */
export function readSettings(state: string): Settings {
  const path = places(state).settings
  if (!isThere(path)) return {}
  try {
    const settings = checked(form, parse(readTextFile(path)), path, 'config.invalid')
    for (const name of settingNames) {
      const value = settings[name]
      if (value !== undefined) settingValue(name, value)
    }
    return settings
  } catch (cause) {
    if (cause instanceof TomlError || (cause instanceof Fault && cause.code !== 'permission')) {
      throw new Fault('config.invalid', `${path}: ${cause.message.split('\n').at(-1)!.trim()}`, {
        hint: hint(path),
        cause,
      })
    }
    throw cause
  }
}

/** What a setting becomes, by the configuration's own schema. Fault `input.invalid` that tells what it may be. */
export function settingValue(name: SettingName, text: string): Config[keyof Config] {
  const read = settingForms[name].safeParse(text)
  if (read.success) return read.data
  const [first] = problems(settingForms[name], text)
  throw new Fault('input.invalid', `${name} ${first!.problem}`)
}

/** The configuration with these settings over it; each was checked. */
export const withSettings = (config: Config, settings: Settings): Config => ({
  ...config,
  ...Object.fromEntries(
    settingNames.flatMap(name => {
      const text = settings[name]
      return text === undefined ? [] : [[members[name], settingValue(name, text)]]
    }),
  ),
})

/** Writes a setting, or with undefined forgets it: then the configuration file counts again. */
export function writeSetting(
  state: string,
  name: SettingName,
  text: string | undefined,
  save: Save = writeFileAtomic,
): void {
  const { [name]: _, ...others } = readSettings(state)
  const settings = text === undefined ? others : { ...others, [name]: text }
  const head = '# Written at the word of an operator (config-set). It goes over the configuration file.\n\n'
  save(places(state).settings, head + stringify(settings), 0o600)
}

const units: [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]

/** A setting as people write it. */
export function settingText(config: Config, name: SettingName): string {
  const value = config[members[name]]
  if (typeof value !== 'number') return String(value)
  if (value === 0) return 'off'
  const [unit, ms] = units.find(([, length]) => value % length === 0)!
  return `${value / ms}${unit}`
}
