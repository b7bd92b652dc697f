import { Command } from 'commander'
import type { TellingOptions } from './alerts-options.ts'

/** `vitalgate-receiver run`: the server itself. */
export function runCommand(): Command {
  const command = new Command('run')
  return command
    .description('run the receiver, with the embedded broker unless init named another')
    .option('--broker-log <file>', 'log of the Mosquitto you run: what it refuses becomes BROKER_REFUSED')
    .option('--on-flag <command>', 'run this program for each alert, with its JSON on stdin')
    .option('--on-flag-url <url>', 'post the JSON of each alert to this address, or to the one in this file')
    .option('--silent-gateway <time>', 'alert when a gateway was not heard for so long, or off (15m)')
    .option('--silent-device <time>', 'alert when a device that is used daily said nothing for so long (off)')
    .action(async () => {
      const options = command.optsWithGlobals<{ state: string; brokerLog?: string } & TellingOptions>()
      const { tellingOf } = await import('./alerts-options.ts')
      const telling = tellingOf(options)
      const { runReceiver } = await import('./run.ts')
      const { state, brokerLog } = options
      await runReceiver({
        state,
        ...(brokerLog === undefined ? {} : { brokerLog }),
        ...(telling === undefined ? {} : { telling }),
      })
    })
    .addHelpText(
      'after',
      '\nOne line on stderr says when it is ready. The first Ctrl-C finishes what is under way, the second does not.' +
        '\nExample: vitalgate-receiver run --state /var/lib/vitalgate-receiver' +
        '\nExit codes: 0 stopped, 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
}
