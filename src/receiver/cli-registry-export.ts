import { Command } from 'commander'
import { print, printJson, say, usage } from '../base/output.ts'
import { withRegistry } from './cli-registry-open.ts'

interface ExportOptions {
  mosquitto?: string
  plugin?: string
  user: string
}

async function exportAll(command: Command): Promise<void> {
  const { mosquitto, plugin, user } = command.opts<ExportOptions>()
  if (mosquitto === undefined) throw usage('name what to export', '--mosquitto DIR')
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user)) throw usage(`${user} is no user name`)
  const { exportMosquitto } = await import('./mosquitto-export.ts')
  await withRegistry(command, async ({ state, registry, json }) => {
    const revoked = registry.revokedCertificates()
    const plan = { state, folder: mosquitto, user, revoked, now: Date.now() }
    const made = await exportMosquitto(registry, plugin === undefined ? plan : { ...plan, plugin })
    if (json) printJson(made)
    else {
      print(`exported: ${made.folder}`)
      print(`gateways: ${made.gateways}`)
      print(`revoked:  ${made.revoked}`)
    }
    if (!made.given) {
      say(
        `give the files to Mosquitto's user: (cd ${made.folder} && chown ${user} *.pem *.json *.conf log/*)`,
      )
    }
    say('then restart Mosquitto: it reads the access rules only when it starts')
  })
}

/** `vitalgate-receiver registry export`: what a broker of the operator's own needs. */
export function exportCommand(): Command {
  const command = new Command('export')
  return command
    .description('write a complete Mosquitto configuration: certificates, access rules, revoked certificates')
    .option('--mosquitto <dir>', 'folder to write to; files of other names in it are left alone')
    .option('--plugin <file>', 'path of mosquitto_dynamic_security.so, if the broker runs elsewhere')
    .option('--user <name>', 'user that Mosquitto runs as', 'mosquitto')
    .action(() => exportAll(command))
    .addHelpText(
      'after',
      '\nExport again after each enrolment and revocation, then restart Mosquitto.' +
        '\nExample: vitalgate-receiver registry export --mosquitto /etc/mosquitto/vitalgate' +
        '\nExit codes: 0 done, 1 failed, 2 usage, 13 not permitted',
    )
}
