import { isFault } from '../base/fault.ts'
import { type Act, done } from './commands.ts'
import type { LiveSettings } from './settings.ts'

/** Longest text of a result (WIRE 1.5), characters. */
const textLimit = 128

/** Changes a setting, for good; a value that does not fit changes nothing, and the result tells what would. */
export const configSetAct = (settings: Pick<LiveSettings, 'set'>): Act<'config-set'> => ({
  async act(_intent, _end, { key, value }) {
    try {
      return done({ key, ...settings.set(key, value) })
    } catch (error) {
      if (!isFault(error)) throw error
      const why = [...error.message].slice(0, textLimit).join('')
      return { outcome: 'failed', detail: { key, code: error.code, why } }
    }
  },
})
