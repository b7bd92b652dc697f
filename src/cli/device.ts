import { Command } from 'commander'
import { print, printJson, table, usage } from '../base/output.ts'
import type { DeviceBody } from '../control/api.ts'
import { contextOf, daemonOf } from './context.ts'

interface AddOptions {
  driver: string
  port: string
  station: string
  option?: Record<string, string>
}

/** Gathers `--option name=value`, which may be given more than once. */
function gather(word: string, before: Record<string, string> = {}): Record<string, string> {
  const at = word.indexOf('=')
  if (at < 1) throw usage(`--option must be name=value (got ${JSON.stringify(word)})`)
  return { ...before, [word.slice(0, at)]: word.slice(at + 1) }
}

/** The words that were typed, as the choices of the driver's card that they name. */
async function optionsOf(driver: string, words: Record<string, string>): Promise<DeviceBody['options']> {
  const { loadDrivers } = await import('../driver/load.ts')
  const { choiceOf } = await import('../driver/options.ts')
  const table = (await loadDrivers()).of(driver).driver.options ?? {}
  return Object.fromEntries(Object.entries(words).map(([name, word]) => [name, choiceOf(table, name, word)]))
}

const optionText = (options: DeviceBody['options']): string =>
  Object.entries(options)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')

async function add(id: string, given: AddOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const { driver, port, station } = given
  const options = await optionsOf(driver, given.option ?? {})
  const answer = await daemonOf(context).ask('addDevice', { id, driver, port, station, options })
  if (context.json) return printJson(answer)
  if (answer.already) return print(`device ${id} was already added`)
  print(`device ${id} added: ${driver} at ${answer.device.port}, station ${station}`)
  print('its readings wait at the receiver until an operator has accepted it')
}

async function list(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const devices = await daemonOf(context).ask('devices', {})
  if (context.json) {
    for (const one of devices) printJson(one)
    return
  }
  if (devices.length === 0) {
    return print('no device was added yet; add one: vitalgate device add ID --driver D --port P --station S')
  }
  const rows = devices.map(one => [one.id, one.driver, one.port, one.station, optionText(one.options)])
  print(table(['DEVICE', 'DRIVER', 'PORT', 'STATION', 'OPTIONS'], rows))
}

async function remove(id: string, _given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const answer = await daemonOf(context).ask('removeDevice', { id })
  if (context.json) return printJson(answer)
  print(`device ${answer.removed} removed; what it said before is kept and sent`)
}

/** `vitalgate device`: which device is at which port. */
export function deviceCommand(): Command {
  const command = new Command('device').description('add, list and remove devices')
  command
    .command('add')
    .description('add a device; exactly the same one again is already added')
    .argument('<id>', 'its name on this box: a-z 0-9 . _ -')
    .requiredOption('--driver <id>', 'the driver that understands it (list: vitalgate drivers)')
    .requiredOption('--port <path>', 'where it is plugged in; /dev/serial/by-path/… stays the same')
    .requiredOption('--station <name>', 'the devices that are used together: a room, a cart')
    .option('--option <name=value>', 'set an option of the driver (may be repeated)', gather)
    .addHelpText(
      'after',
      `
Example: vitalgate device add scale-1 --driver and-line --port /dev/ttyUSB0 --station ward-a --option parity=true

Exit codes: 0 done (also: already added), 1 refused (unknown driver, no such port, id or port taken),
2 wrong usage, 10 daemon not running`,
    )
    .action(add)
  command
    .command('list')
    .description('list the devices')
    .addHelpText('after', '\nExample: vitalgate device list\n\nExit codes: 0 done, 10 daemon not running')
    .action(list)
  command
    .command('remove')
    .description('remove a device')
    .argument('<id>', 'its name on this box')
    .addHelpText(
      'after',
      '\nExample: vitalgate device remove scale-1\n\nExit codes: 0 done, 1 no such device, 10 daemon not running',
    )
    .action(remove)
  return command
}
