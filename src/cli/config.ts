import { Command } from 'commander'
import { Fault, isFault } from '../base/fault.ts'
import { print, printJson, table } from '../base/output.ts'
import { readConfig } from '../identity/config.ts'
import { places } from '../identity/places.ts'
import { readSettings, withSettings } from '../identity/settings.ts'
import { mebibytes, span } from './amounts.ts'
import { type Context, contextOf } from './context.ts'

/** What start-up reads, each part by itself, so that one that is broken does not hide the others. */
async function findFaults(context: Context): Promise<Fault[]> {
  const { startList } = await import('../daemon/prepare.ts')
  const faults: Fault[] = []
  for (const read of Object.values(startList(context))) {
    try {
      await read()
    } catch (error) {
      if (!isFault(error)) throw error
      // one that hides another part, as a driver hides its devices, is the same fault again
      if (!faults.includes(error)) faults.push(error)
    }
  }
  return faults
}

async function check(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const faults = await findFaults(context)
  const [first] = faults
  if (first === undefined) {
    if (context.json) printJson({ ok: true })
    else print('configuration, devices and identity are in order')
    return
  }
  const { code } = faults.find(one => one.code === 'config.invalid') ?? first
  const hint = faults.find(one => one.hint !== undefined)?.hint
  throw new Fault(code, faults.map(one => one.message).join('\n'), hint === undefined ? {} : { hint })
}

function show(_given: object, command: Command): void {
  const { json, config, state } = contextOf(command)
  const settings = readSettings(state)
  const found = withSettings(readConfig(config), settings)
  const { settings: file } = places(state)
  const fromAfar = Object.keys(settings)
  if (json) {
    printJson({ ...found, fromAfar })
    return
  }
  const rows: [string, string][] = [
    ['timezone', found.timezone],
    ['log.level', found.logLevel],
    ['station.window', span(found.stationWindowMs)],
    ['station.claim', found.stationClaimMs === 0 ? 'off' : span(found.stationClaimMs)],
    ['station.end', found.stationEndCode],
    ['outbox.quota', mebibytes(found.outboxQuotaBytes)],
    ['outbox.grace', span(found.outboxGraceMs)],
    ['uplink.heartbeat', span(found.uplinkHeartbeatMs)],
    ['uplink.window', String(found.uplinkWindow)],
    ['control.socket', found.controlSocket ?? 'in the runtime or state folder'],
  ]
  const origin = (name: string): string => (fromAfar.includes(name) ? `${file}, by an operator` : '')
  print(
    table(
      ['SETTING', 'VALUE', 'CHANGED IN'],
      rows.map(row => [...row, origin(row[0])]),
    ),
  )
}

/** `vitalgate config`: what start-up will find. Works without the daemon. */
export function configCommand(): Command {
  const command = new Command('config').description('check or show the configuration; needs no daemon')
  command
    .command('check')
    .description('do what start-up does, and list every problem')
    .addHelpText(
      'after',
      `
Example: vitalgate config check --config /etc/vitalgate/vitalgate.toml

Exit codes: 0 in order, 1 keys or route cannot be used, 13 not permitted, 78 configuration invalid`,
    )
    .action(check)
  command
    .command('show')
    .description('show every setting as it is in force, defaults included')
    .addHelpText(
      'after',
      '\nExample: vitalgate config show --json\n\nExit codes: 0 done, 78 configuration invalid',
    )
    .action(show)
  return command
}
