import { usage } from '../base/output.ts'
import type { DeviceBody } from '../control/api.ts'

/** Gathers `--option name=value`, which may be given more than once. */
export function gather(word: string, before: Record<string, string> = {}): Record<string, string> {
  const at = word.indexOf('=')
  if (at < 1) throw usage(`--option must be name=value (got ${JSON.stringify(word)})`)
  return { ...before, [word.slice(0, at)]: word.slice(at + 1) }
}

/** The words that were typed, as the choices of the driver's card that they name. */
export async function optionsOf(
  driver: string,
  words: Record<string, string>,
): Promise<DeviceBody['options']> {
  const { loadDrivers } = await import('../driver/load.ts')
  const { choiceOf } = await import('../driver/options.ts')
  const table = (await loadDrivers()).of(driver).driver.options ?? {}
  return Object.fromEntries(Object.entries(words).map(([name, word]) => [name, choiceOf(table, name, word)]))
}

/** Whether a driver's devices must be bonded before they are read. */
export async function bonds(driver: string, options: DeviceBody['options']): Promise<boolean> {
  const { loadDrivers } = await import('../driver/load.ts')
  const { setUp } = await import('../driver/setup.ts')
  const { link } = setUp((await loadDrivers()).of(driver).driver, options, 'options', 'input.invalid')
  return 'ble' in link && link.ble.bond
}
