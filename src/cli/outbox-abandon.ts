import type { Command } from 'commander'
import { readTextFile } from '../base/files.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import type { AbandonAnswer } from '../control/api-abandon.ts'
import { day } from './amounts.ts'
import { contextOf, daemonOf } from './context.ts'
import { typed } from './typed.ts'

/** How many rows, and of which days; neither can be told of a route that does not open. */
function amount({ rows, first, last }: AbandonAnswer): string {
  if (rows === null) return 'rows that nobody could count'
  if (first === null || last === null) return `${rows} rows without a receipt`
  const days = day(first) === day(last) ? `on ${day(first)}` : `from ${day(first)} to ${day(last)}`
  return `${rows} rows without a receipt, taken ${days}`
}

const whose = ({ what, id }: AbandonAnswer): string =>
  what === 'server' ? `for the former server ${id}` : `under the revoked key ${id} and those before it`

interface AbandonOptions {
  yes?: boolean
}

async function abandon(path: string, { yes = false }: AbandonOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const daemon = daemonOf(context)
  const order = readTextFile(path)
  let answer = await daemon.ask('abandon', { order, agreed: yes })
  if (answer.state === 'asked') {
    say(`operator ${answer.operator} orders to give up ${amount(answer)}, ${whose(answer)}`)
    say('Readings among them are lost for good: no server has signed for them.')
    if ((await typed('type abandon to delete them: ', 'give --yes')) !== 'abandon') {
      throw usage('not agreed: nothing was changed')
    }
    answer = await daemon.ask('abandon', { order, agreed: true })
  }
  if (context.json) return printJson(answer)
  const already = answer.state === 'already' ? ' already' : ''
  print(`given up${already}: ${amount(answer)}, ${whose(answer)}`)
  print('the present server is told of it')
}

/** Adds `outbox abandon`. */
export function addAbandon(command: Command): void {
  command
    .command('abandon')
    .description('delete, by an operator’s order, rows that no server will ever sign for')
    .argument('<order>', 'the file that vitalgate-receiver command send … abandon --order FILE wrote')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `
For a box with rows for a former server that never returns, or under a key that was revoked, and that nobody can
command. It says first how many rows are lost. Done again it changes nothing.

Example: vitalgate outbox abandon order.json

Exit codes: 0 done (also: already done), 1 order refused, 2 not agreed, 10 daemon not running, 11 not provisioned`,
    )
    .action(abandon)
}
