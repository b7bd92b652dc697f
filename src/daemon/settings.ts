import { type Config, readConfig } from '../identity/config.ts'
import { readSettings, settingText, settingValue, withSettings, writeSetting } from '../identity/settings.ts'
import type { SettingName } from '../wire/verbs.ts'

/** What became of a setting that was changed: `restart` where it counts from the next start on. */
export interface Changed {
  old: string
  new: string
  effect: 'now' | 'restart'
}

/** The settings of a running gateway, as far as they may be changed from afar. */
export interface LiveSettings {
  /**
   * Changes one for good, and at once where that can be; the word `unset` gives it back to the configuration file.
   * Faults `input.invalid`, `config.invalid` (the file cannot be read any more), `permission`, `disk.full`: then
   * nothing is changed.
   */
  set(name: SettingName, text: string): Changed
}

/** Gives a setting back to the configuration file. */
const unset = 'unset'

/** What needs a new connection, and so a start. */
const atStart: readonly SettingName[] = ['uplink.heartbeat']

/** The settings of this state folder and configuration file; `apply` takes what can be changed at once. */
export function liveSettings(
  { state, config: file }: { state: string; config: string | undefined },
  apply: (config: Config) => void,
): LiveSettings {
  return {
    set(name, text) {
      if (text !== unset) settingValue(name, text)
      // before anything is written: a file that cannot be read tells no value to go back to
      const plain = readConfig(file)
      const old = settingText(withSettings(plain, readSettings(state)), name)
      writeSetting(state, name, text === unset ? undefined : text)
      const config = withSettings(plain, readSettings(state))
      apply(config)
      return { old, new: settingText(config, name), effect: atStart.includes(name) ? 'restart' : 'now' }
    },
  }
}
