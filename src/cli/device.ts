import { Command, InvalidArgumentError } from 'commander'
import { print, printJson, say, table } from '../base/output.ts'
import type { Acceptance, DeviceBody } from '../control/api.ts'
import { contextOf, daemonOf } from './context.ts'
import { add } from './device-add.ts'
import { gather } from './device-options.ts'
import { scan } from './device-scan.ts'
import { test } from './device-test.ts'

const standings: Record<Acceptance, string> = {
  accepted: 'accepted',
  waiting: 'quarantined: not accepted yet',
  changed: 'quarantined: accepted with another driver',
}

const optionText = (options: DeviceBody['options']): string =>
  Object.entries(options)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')

async function list(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const devices = await daemonOf(context).ask('devices', {})
  if (context.json) {
    for (const one of devices) printJson(one)
    return
  }
  if (devices.length === 0) {
    return print('no device was added yet; what is there: vitalgate device scan')
  }
  const rows = devices.map(one => [
    one.id,
    one.driver,
    one.port,
    one.station,
    one.acceptance === undefined ? '-' : standings[one.acceptance],
    optionText(one.options),
  ])
  print(table(['DEVICE', 'DRIVER', 'PORT', 'STATION', 'AT THE SERVER', 'OPTIONS'], rows))
  if (!devices.some(one => one.acceptance === 'waiting' || one.acceptance === 'changed')) return
  say('readings in quarantine are kept, and released when the operator accepts the device')
}

async function remove(id: string, _given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const answer = await daemonOf(context).ask('removeDevice', { id })
  if (context.json) return printJson(answer)
  print(`device ${answer.removed} removed; what it said before is kept and sent`)
}

const secondsOf = (word: string): number => {
  const seconds = Number(word)
  if (!/^\d{1,3}$/.test(word) || seconds < 1 || seconds > 600) {
    throw new InvalidArgumentError('must be a whole number from 1 to 600')
  }
  return seconds
}

/** `vitalgate device`: which device is at which port. */
export function deviceCommand(): Command {
  const command = new Command('device').description('find, add, test, list and remove devices')
  command
    .command('scan')
    .description('show what is there: serial ports, and what advertises over Bluetooth')
    .option('--seconds <n>', 'how long is listened', secondsOf, 15)
    .addHelpText(
      'after',
      `
Example: vitalgate device scan

Exit codes: 0 done, 2 wrong usage, 10 daemon not running`,
    )
    .action(scan)
  command
    .command('add')
    .description('add a device; exactly the same one again is already added')
    .argument('<id>', 'its name on this box: a-z 0-9 . _ -')
    .requiredOption('--port <name>', 'where it is: /dev/ttyUSB0, tcp://HOST:PORT or ble://AA:BB:CC:DD:EE:FF')
    .requiredOption('--station <name>', 'the devices that are used together: a room, a cart')
    .option(
      '--driver <id>',
      'the driver that understands it (list: vitalgate drivers); without, signs propose it',
    )
    .option('--option <name=value>', 'set an option of the driver (may be repeated)', gather)
    .addHelpText(
      'after',
      `
Examples: vitalgate device add scale-1 --driver and-line --port /dev/ttyUSB0 --station ward-a --option parity=true
          vitalgate device add cuff-1 --port ble://A4:C1:38:00:11:22 --station ward-a

A serial port is remembered by a name that stays when devices are plugged in anew. A Bluetooth device that must
be paired is paired now: put it into pairing mode first.

Exit codes: 0 done (also: already added), 1 refused (unknown driver, no such port, id or port taken, not paired),
2 wrong usage, 10 daemon not running`,
    )
    .action(add)
  command
    .command('test')
    .description('show live what a device says and what is made of it; nothing is taken by this')
    .argument('[id]', 'a device that was added; its readings go on being taken')
    .option('--driver <id>', 'try this driver')
    .option('--port <name>', 'at this port, which no device has')
    .option('--option <name=value>', 'set an option of the driver (may be repeated)', gather)
    .option('--seconds <n>', 'how long', secondsOf, 60)
    .addHelpText(
      'after',
      `
Examples: vitalgate device test scale-1
          vitalgate device test --driver and-line --port /dev/ttyUSB0 --option baud=9600

Exit codes: 0 done, 1 no such device or driver, 2 wrong usage, 10 daemon not running`,
    )
    .action(test)
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
