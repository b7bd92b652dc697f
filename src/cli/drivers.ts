import { Command } from 'commander'
import { print, printJson, table } from '../base/output.ts'
import type { Link } from '../driver/driver.ts'
import { type Loaded, loadDrivers } from '../driver/load.ts'
import { eachChoice } from '../driver/options.ts'
import { setUp } from '../driver/setup.ts'

/** The guard with the options as they stand by themselves, and those that an option brings. */
function guardsOf({ driver }: Loaded): { usual: string; others: string[] } {
  const usual = setUp(driver, {}).check.name
  const others = new Set(eachChoice(driver.options ?? {}).map(options => setUp(driver, options).check.name))
  others.delete(usual)
  return { usual, others: [...others] }
}

/** A driver as `drivers --json` prints it. */
function driverRow(loaded: Loaded): object {
  const { id, hash, driver, captures } = loaded
  const { link } = setUp(driver, {})
  const { usual, others } = guardsOf(loaded)
  return {
    id,
    name: driver.name,
    revision: driver.revision,
    hash,
    experimental: driver.experimental === true,
    link: 'ble' in link ? { kind: 'ble', service: link.ble.service } : { kind: 'serial', ...link.serial },
    usb: (driver.signs ?? []).flatMap(({ usb }) => usb ?? []),
    signs: driver.signs ?? [],
    guard: usual,
    otherGuards: others,
    kinds: driver.says,
    options: driver.options ?? {},
    captures,
  }
}

/** How a device is reached, in a few words: `serial 9600`, `BLE 1810`. */
const linkText = (link: Link): string =>
  'ble' in link ? `BLE ${link.ble.service.slice(0, 8)}` : `serial ${link.serial.baud}`

function driverCells(loaded: Loaded): string[] {
  const { id, driver } = loaded
  const { usual, others } = guardsOf(loaded)
  const guard = others.length === 0 ? usual : `${usual} (by option: ${others.join(', ')})`
  const kinds = driver.says.length === 0 ? 'wristbands' : driver.says.join(', ')
  return [id, linkText(setUp(driver, {}).link), guard, kinds, driver.name]
}

function tellOptions(drivers: readonly Loaded[]): void {
  const rows = drivers.flatMap(({ id, driver }) =>
    Object.entries(driver.options ?? {}).map(([name, option]) => {
      const others =
        'range' in option
          ? `${option.range[0]} to ${option.range[1]}`
          : option.choices.filter(choice => choice !== option.default).join(', ')
      return [id, name, String(option.default), others, option.tells]
    }),
  )
  print(table(['DRIVER', 'OPTION', 'DEFAULT', 'OR', 'MEANING'], rows))
}

/** `vitalgate drivers`: the devices that this installation understands. */
export const driversCommand = (): Command =>
  new Command('drivers')
    .description('list the drivers: link, guard, what they measure, options')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      '\nExample: vitalgate drivers\n\nExit codes: 0 done, 1 a driver is malformed, 2 wrong usage',
    )
    .action(async (given: { json?: true }) => {
      const { all } = await loadDrivers()
      if (given.json === true) {
        for (const one of all) printJson(driverRow(one))
        return
      }
      print(table(['DRIVER', 'LINK', 'GUARD', 'MEASURES', 'DEVICE'], all.map(driverCells)))
      print('')
      tellOptions(all)
    })
