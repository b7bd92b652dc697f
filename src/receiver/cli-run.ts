import { Command } from 'commander'

/** `vitalgate-receiver run`: the server itself. */
export function runCommand(): Command {
  const command = new Command('run')
  return command
    .description('run the receiver, with the embedded broker unless init named another')
    .action(async () => {
      const { state } = command.optsWithGlobals<{ state: string }>()
      const { runReceiver } = await import('./run.ts')
      await runReceiver({ state })
    })
    .addHelpText(
      'after',
      '\nOne line on stderr says when it is ready. The first Ctrl-C finishes what is under way, the second does not.' +
        '\nExample: vitalgate-receiver run --state /var/lib/vitalgate-receiver' +
        '\nExit codes: 0 stopped, 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
}
