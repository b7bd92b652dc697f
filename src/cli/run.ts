import { Command } from 'commander'
import { contextOf, software } from './context.ts'

/** `vitalgate run`: the daemon. */
export const runCommand = (): Command =>
  new Command('run')
    .description('the daemon: takes readings and carries them to the server, until SIGTERM or Ctrl-C')
    .addHelpText(
      'after',
      `
The log goes to stderr, one JSON object per line. The first signal lets everything end in order, the second
ends at once.

Example: vitalgate run --state /var/lib/vitalgate

Exit codes: 0 ended by a signal, 1 failed, 13 not permitted, 78 configuration invalid, 130 second signal`,
    )
    .action(async (_given: object, command: Command) => {
      const { state, config } = contextOf(command)
      const { runDaemon } = await import('../daemon/daemon.ts')
      await runDaemon({ state, config, software: software() })
    })
