import { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { print, printJson, table } from '../base/output.ts'
import { contextOf, daemonOf } from './context.ts'
import { ago, mebibytes } from './amounts.ts'

async function stats(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const sums = await daemonOf(context).ask('outbox', {})
  if (context.json) return printJson(sums)
  print(
    table(
      ['ROWS', ''],
      [
        ['queued', String(sums.queued)],
        ['sent, not yet signed for', String(sums.sent)],
        ['signed for, still kept', String(sums.receipted)],
        ['forgotten so far', String(sums.forgotten)],
        ['oldest without receipt', ago(sums.oldest, Date.now())],
        ['room', `${mebibytes(sums.bytes)} of ${mebibytes(sums.quota)}`],
      ],
    ),
  )
  if (sums.epochs.length === 0) return
  const rows = sums.epochs.map(one => [
    one.epoch,
    ago(one.opened, Date.now()),
    String(one.rows),
    String(one.last),
    String(one.confirmed),
    one.server,
  ])
  print('')
  print(table(['EPOCH', 'OPENED', 'ROWS', 'LAST', 'SIGNED FOR', 'SERVER'], rows))
}

async function verify(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const report = await daemonOf(context).ask('verifyOutbox', {})
  if (context.json) printJson(report)
  else {
    for (const { epoch, seq, problem, detail } of report.damage) {
      print(`epoch ${epoch} seq ${seq}: ${problem}, ${detail}`)
    }
    print(`${report.rows} rows in ${report.epochs} epochs, ${report.damage.length} damaged`)
  }
  if (report.damage.length === 0) return
  throw new Fault('outbox.damaged', `${report.damage.length} rows of the outbox are damaged`, {
    hint: 'the undamaged ones are still sent; restart the daemon, which declares the others lost to the server',
  })
}

/** `vitalgate outbox`: what is kept until the server has signed for it. */
export function outboxCommand(): Command {
  const command = new Command('outbox').description('what is kept until the server has signed for it')
  command
    .command('stats')
    .description('rows by state, room, epochs')
    .addHelpText(
      'after',
      '\nExample: vitalgate outbox stats\n\nExit codes: 0 done, 10 daemon not running, 11 not provisioned',
    )
    .action(stats)
  command
    .command('verify')
    .description('go through every row on disk and name each that was altered, lost or swapped')
    .addHelpText(
      'after',
      '\nExample: vitalgate outbox verify\n\nExit codes: 0 all in order, 1 damaged rows, 10 daemon not running, 11 not provisioned',
    )
    .action(verify)
  return command
}
