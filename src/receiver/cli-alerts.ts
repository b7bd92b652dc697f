import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { print, printJson, say, table } from '../base/output.ts'
import {
  addTest,
  alertMembers,
  type ChannelName,
  channelNames,
  isUndelivered,
  listAlerts,
  type QueuedAlert,
} from './alerts.ts'
import { commandMs } from './alerts-command.ts'
import { markFailed, openChannelsOf } from './alerts-queue.ts'
import { readLimit, withStore } from './cli-store.ts'
import { paths, readFacts } from './state.ts'
import { openStore, type Store } from './store.ts'

const head = ['ALERT', 'TIME (UTC)', 'KIND', 'GATEWAY', 'DEVICE', 'BY', 'STATE', 'TRIES', 'DETAIL']

const rowOf = (one: QueuedAlert): string[] => [
  String(one.alert),
  new Date(one.at).toISOString().slice(0, 19).replace('T', ' '),
  one.flag ?? one.kind,
  one.gateway?.slice(0, 8) ?? '-',
  one.device ?? '-',
  one.channel,
  one.state,
  String(one.attempts),
  [
    one.count > 1 ? `${one.count} ${one.detail}` : one.detail,
    ...(one.why === null ? [] : [`(${one.why})`]),
  ].join(' '),
]

const lineOf = (one: QueuedAlert) => ({
  ...alertMembers(one),
  channel: one.channel,
  state: one.state,
  attempts: one.attempts,
  ...(one.settled === null ? {} : { settled: new Date(one.settled).toISOString() }),
  ...(one.why === null ? {} : { why: one.why }),
  ...(isUndelivered(one) ? { code: 'alert.undelivered' } : {}),
})

/** Says which way keeps failing: whoever lists alerts must not take silence for peace. */
function warnOf(found: readonly QueuedAlert[]): void {
  for (const channel of channelNames) {
    const lost = found.filter(one => one.channel === channel && isUndelivered(one))
    const last = lost.at(-1)
    if (last === undefined) continue
    say(
      `vitalgate-receiver: warning: alert.undelivered: ${lost.length} of these did not arrive by ${channel}: ${last.why ?? 'unknown'}`,
    )
  }
}

function list(command: Command): void {
  const { undelivered, limit } = command.opts<{ undelivered?: boolean; limit: string }>()
  const filter = { undelivered: undelivered === true, limit: readLimit(limit) }
  withStore(command, (store, json) => {
    const found = listAlerts(store, filter)
    if (json) for (const one of found) printJson(lineOf(one))
    else print(found.length === 0 ? 'no alerts' : table(head, found.map(rowOf)))
    if (!json) warnOf(found)
  })
}

/** How long a test may take: another alert's try, then its own. */
const patienceMs = 2 * commandMs + 10_000
const lookMs = 200

/** What became of a test, channel by channel: settled, or not taken in time. */
async function outcomes(store: Store, number: number): Promise<QueuedAlert[]> {
  const until = performance.now() + patienceMs
  for (;;) {
    const rows = listAlerts(store, { number })
    if (rows.every(one => one.state !== 'waiting')) return rows
    if (performance.now() > until) break
    await sleep(lookMs)
  }
  for (const one of listAlerts(store, { number })) {
    if (one.state === 'waiting') markFailed(store, one, 'no running receiver took it', Date.now())
  }
  return listAlerts(store, { number })
}

async function test(command: Command): Promise<void> {
  const { state, json } = command.optsWithGlobals<{ state: string; json?: boolean }>()
  readFacts(state)
  const store = openStore(paths(state).database)
  try {
    const channels: ChannelName[] = openChannelsOf(store)
    if (channels.length === 0) {
      throw new Fault('control.absent', 'no receiver that tells operators is running here', {
        hint: 'start it with: vitalgate-receiver run --on-flag COMMAND, or --on-flag-url URL',
      })
    }
    const number = store.write(() => addTest(store, channels, Date.now()))
    const found = await outcomes(store, number)
    for (const one of found) {
      if (json === true) printJson(lineOf(one))
      else if (one.state === 'delivered') print(`alert ${number} arrived by ${one.channel}`)
    }
    const missed = found.filter(one => one.state !== 'delivered')
    if (missed.length > 0) throw missedFault(number, missed)
  } finally {
    store.close()
  }
}

function missedFault(number: number, missed: readonly QueuedAlert[]): Fault {
  const why = missed.map(one => `${one.channel}: ${one.why ?? 'unknown'}`).join('; ')
  return new Fault('server.unreachable', `alert ${number} did not arrive by ${why}`, {
    hint: 'try what run was given by hand, as its user, with {} on its stdin; the log of the receiver says more',
  })
}

/** `vitalgate-receiver alerts`: what operators were told, and whether it arrived. */
export function alertsCommand(): Command {
  const command = new Command('alerts').description('what operators are told, and whether it arrived')
  command
    .command('list')
    .description('list alerts, the newest last, one line for each way they are told')
    .option('--undelivered', 'only those that did not arrive, or not yet')
    .option('--limit <n>', 'at most so many, the newest', '100')
    .action((_options, self: Command) => list(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver alerts list --undelivered\nExit codes: 0 done, 1 failed, 2 usage',
    )
  command
    .command('test')
    .description('send a test through the running receiver, and say whether it arrived')
    .action((_options, self: Command) => test(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver alerts test\nExit codes: 0 arrived, 1 did not arrive, 2 usage, 10 no receiver runs that tells anybody',
    )
  return command
}
