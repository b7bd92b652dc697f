import { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { print, printJson, table } from '../base/output.ts'
import type { OutboxReport } from '../control/api.ts'
import { ago, mebibytes } from './amounts.ts'
import { contextOf, daemonOf } from './context.ts'
import { addAbandon } from './outbox-abandon.ts'

async function stats(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const sums = await daemonOf(context).ask('outbox', {})
  if (context.json) return printJson(sums)
  print(
    table(
      ['ROWS', ''],
      [
        ['waiting for a receipt', String(sums.queued)],
        ['of these, with the broker', String(sums.sent)],
        ['signed for, still kept', String(sums.receipted)],
        ['forgotten so far', String(sums.forgotten)],
        ['oldest without receipt', ago(sums.oldest, Date.now())],
        ['room', `${mebibytes(sums.bytes)} of ${mebibytes(sums.quota)}`],
      ],
    ),
  )
  for (const { server, queued, receipted, fault } of sums.former) {
    const rows =
      queued === null
        ? `cannot be opened (${fault?.code ?? 'no fault'})`
        : `${queued} wait for a receipt, ${receipted ?? 0} signed for and still kept`
    print(`former server ${server}: ${rows}`)
  }
  if (sums.epochs.length === 0) return
  const rows = sums.epochs.map(one => [
    one.epoch,
    String(one.seq),
    String(one.queued),
    String(one.receipted),
    one.server,
  ])
  print('')
  print(table(['EPOCH', 'LAST', 'WAITING', 'SIGNED FOR', 'SERVER'], rows))
}

/** The problems that the server has not been told of yet. */
const undeclared = (report: OutboxReport) => report.problems.filter(one => !one.declared).length

async function verify(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  const report = await daemonOf(context).ask('verifyOutbox', {})
  if (context.json) printJson(report)
  else {
    for (const { epoch, seq, problem, declared } of report.problems) {
      print(`epoch ${epoch} seq ${seq}: ${problem}${declared ? ', declared to the server' : ''}`)
    }
    for (const { epoch, rows, intent } of report.abandoned) {
      print(`epoch ${epoch}: abandoned, ${rows} rows without a receipt, by order ${intent}`)
    }
    const more = report.more ? ' and more' : ''
    print(`${report.rows} rows in ${report.epochs} epochs: ${report.problems.length}${more} problems`)
  }
  if (report.problems.length === 0) return
  throw new Fault(
    'outbox.damaged',
    `${report.problems.length} places of the outbox are not as they were written`,
    {
      hint:
        undeclared(report) === 0
          ? 'the server has been told of all of them; every other row is sent as it is'
          : 'every other row is sent as it is; restart the daemon, which declares these to the server',
    },
  )
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
  addAbandon(command)
  return command
}
