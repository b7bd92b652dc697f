import { Command, CommanderError } from 'commander'
import { exit, usage } from '../base/output.ts'
import { defaultConfig, defaultState } from '../identity/places.ts'
import { software } from './context.ts'

/** The commands, each in its own file, loaded when it is asked for: `status` needs no serial port. */
const commands: Record<string, { tells: string; load: () => Promise<Command> }> = {
  run: {
    tells: 'the daemon: takes readings and carries them to the server',
    load: async () => (await import('./run.ts')).runCommand(),
  },
  status: {
    tells: 'how the box stands: devices, outbox, way to the server',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  provision: {
    tells: 'make this box known to its server',
    load: async () => (await import('./provision.ts')).provisionCommand(),
  },
  device: {
    tells: 'add, list and remove devices',
    load: async () => (await import('./device.ts')).deviceCommand(),
  },
  outbox: {
    tells: 'what is kept until the server has signed for it',
    load: async () => (await import('./outbox.ts')).outboxCommand(),
  },
  config: {
    tells: 'check or show the configuration',
    load: async () => (await import('./config.ts')).configCommand(),
  },
  capture: {
    tells: 'record, show, decode, replay and scrub captures of devices',
    load: async () => (await import('./capture.ts')).captureCommand(),
  },
  drivers: {
    tells: 'list the drivers',
    load: async () => (await import('./drivers.ts')).driversCommand(),
  },
}

/** The command that is asked for, also as `help COMMAND`; undefined for none or an unknown one. */
function askedFor(words: readonly string[]): string | undefined {
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    if (word === '--state' || word === '--config') at++
    else if (word !== 'help' && !word.startsWith('-')) return Object.hasOwn(commands, word) ? word : undefined
  }
  return undefined
}

const exits = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 10 daemon not running,
11 not provisioned, 12 refused by the receiver, 13 not permitted, 78 configuration invalid, 130 interrupted

Example: vitalgate status`

const globals = [
  ['--state <dir>', `folder of the box's state (default: ${defaultState})`],
  ['--config <file>', `configuration (default: ${defaultConfig}, which may be absent)`],
  ['--json', 'print data as JSON, one object per line'],
] as const

/**
 * Every command takes the global options in every place: each gets those that it has not declared itself.
 * Usage errors are thrown, and told like every other fault.
 */
function complete(command: Command): Command {
  for (const [flags, tells] of globals) {
    const declared = command.options.some(one => flags.startsWith(String(one.long)))
    if (!declared) command.option(flags, tells)
  }
  command
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  for (const under of command.commands) complete(under)
  return command
}

async function build(words: readonly string[]): Promise<Command> {
  const program = new Command('vitalgate')
    .description('Carries vital signs from bedside devices to the server that may receive them.')
    .version(software())
    .addHelpText('after', exits)
    .hook('preAction', (_, acting) => {
      if (acting.optsWithGlobals<{ json?: true }>().json === true) acting.setOptionValue('json', true)
    })
  const asked = askedFor(words)
  for (const [name, { tells, load }] of Object.entries(commands)) {
    program.addCommand(name === asked ? await load() : new Command(name).description(tells))
  }
  return complete(program)
}

/** Runs one command line; the exit code. Faults are thrown. */
export async function runProgram(words: readonly string[]): Promise<number> {
  const program = await build(words)
  // the daemon ends by its own rules, every other command at once
  if (askedFor(words) !== 'run') process.once('SIGINT', () => process.exit(exit.interrupted))
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return exit.done
    if (error.code === 'commander.help') return exit.usage
    const [message, meant] = error.message.replace(/^error: /, '').split('\n')
    throw usage(message!, meant?.replace(/^\(|\)$/g, '').toLowerCase() ?? 'see --help')
  }
  return Number(process.exitCode ?? exit.done)
}
