import { Command, CommanderError } from 'commander'
import { keepCompiled } from '../base/compiled.ts'
import { codeOf, Fault } from '../base/fault.ts'
import { harden } from '../base/hardening.ts'
import { refuseOldNode } from '../base/node.ts'
import { exit, exitOf, tellFault, usage } from '../base/output.ts'

const program = 'vitalgate-receiver'

/** What SQLite's errors mean to a person; anything else is left as it is. */
function readable(error: unknown): unknown {
  const code = codeOf(error)
  if (error instanceof Fault || code === undefined || !code.startsWith('SQLITE_')) return error
  const full = code === 'SQLITE_FULL' || code.startsWith('SQLITE_IOERR')
  if (full) {
    const hint = 'free some space; nothing that was receipted is lost: df -h'
    return new Fault('file.unreadable', `the database cannot be written (${code})`, { hint, cause: error })
  }
  if (code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY')) {
    const hint = 'run it as the user that owns the state folder'
    return new Fault('permission', `the database cannot be opened for writing (${code})`, {
      hint,
      cause: error,
    })
  }
  if (code === 'SQLITE_BUSY') {
    return new Fault('file.unreadable', 'another command holds the database for long', {
      hint: 'type it again in a moment',
      cause: error,
    })
  }
  const hint = 'keep a copy of receiver.db and restore it from a backup; gateways send again what it lacks'
  return new Fault('store.damaged', `the database is damaged (${code})`, { hint, cause: error })
}

/** Commander's refusal of a command line as our own, or undefined where it only showed help. */
function refusalOf(error: CommanderError): Fault | undefined {
  if (error.exitCode === 0) return undefined
  if (error.code === 'commander.help') return usage('name a command', `${program} --help`)
  return usage(error.message.replace(/^error: /, '').replace('\n', ' '), `${program} --help`)
}

/** No command of the tree writes an error or ends the process: that is decided below, in one place. */
function quieten(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined })
  if (command.commands.length > 0) command.configureOutput({ writeErr: () => undefined })
  for (const one of command.commands) quieten(one)
}

async function makeProgram(): Promise<Command> {
  const [init, run, registry, flags, readings, alerts, commands, keys] = await Promise.all([
    import('./cli-init.ts'),
    import('./cli-run.ts'),
    import('./cli-registry.ts'),
    import('./cli-flags.ts'),
    import('./cli-readings.ts'),
    import('./cli-alerts.ts'),
    import('./cli-command.ts'),
    import('./cli-keys.ts'),
  ])
  const root = new Command(program)
    .description('receives, verifies and keeps what the gateways of its registry send')
    .option('--state <dir>', 'state folder', '/var/lib/vitalgate-receiver')
    .option('--json', 'print JSON, one value per line')
    .addHelpText(
      'after',
      `\nExample: ${program} init --host receiver.example.org && ${program} run` +
        '\nExit codes: 0 done, 1 failed, 2 usage, 3 done in part, 12 refused by the gateway, 13 not permitted,' +
        '\n130 interrupted',
    )
  root.addCommand(init.initCommand())
  root.addCommand(run.runCommand())
  root.addCommand(registry.registryCommand())
  root.addCommand(keys.keysCommand())
  root.addCommand(flags.flagsCommand())
  root.addCommand(readings.readingsCommand())
  root.addCommand(alerts.alertsCommand())
  root.addCommand(commands.commandCommand())
  quieten(root)
  return root
}

/** Runs one command line and answers its exit code. */
async function main(line: string[]): Promise<number> {
  try {
    // before anything native is loaded
    refuseOldNode()
    harden()
    keepCompiled()
    await (await makeProgram()).parseAsync(line, { from: 'user' })
    return Number(process.exitCode ?? exit.done)
  } catch (caught) {
    const error = caught instanceof CommanderError ? refusalOf(caught) : readable(caught)
    if (error === undefined) return exit.done
    tellFault(program, error, line.includes('--json'))
    return exitOf(error)
  }
}

process.stdout.on('error', error => {
  // the reader has seen enough: head, less
  if (codeOf(error) === 'EPIPE') process.exit(exit.done)
  throw error
})
process.exitCode = await main(process.argv.slice(2))
