import type { Command } from 'commander'
import { durationMs } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import type { Rotated } from '../control/api.ts'
import type { Client } from '../control/client.ts'
import { span } from './amounts.ts'
import { contextOf, daemonOf } from './context.ts'

/** How long `--wait` waits where it is not told, and at the most. */
const wait = { usual: '10m', mostMs: 7 * 86_400_000 }

/** How often the daemon is asked whether the keys are bound. */
const lookMs = 1000

function waitMs(text: string): number {
  const ms = durationMs(text)
  if (ms !== undefined && ms <= wait.mostMs) return ms
  throw usage(
    `--wait takes a duration of at most 7d, such as "30m" (got ${JSON.stringify(text.slice(0, 40))})`,
    'or leave it out',
  )
}

/** Whether the gateway speaks under these keys, and its server has answered it. */
async function isBound(daemon: Client, kid: string): Promise<boolean> {
  const { keys, uplink } = await daemon.ask('status', {})
  return keys?.kid === kid && uplink.state === 'welcomed'
}

/** Waits until the gateway speaks under the proposed keys. Fault `server.unreachable` when the time is over. */
async function bound(daemon: Client, { next }: Rotated, patienceMs: number): Promise<void> {
  const until = performance.now() + patienceMs
  while (!(await isBound(daemon, next))) {
    if (performance.now() >= until) {
      throw new Fault('server.unreachable', `the new keys were not bound within ${span(patienceMs)}`, {
        hint: 'nothing is lost: the operator signs when there is time, and vitalgate status shows it',
      })
    }
    await new Promise(resolve => setTimeout(resolve, lookMs))
  }
}

async function rotate({ wait: given }: { wait?: string | true }, command: Command): Promise<void> {
  const context = contextOf(command)
  const patienceMs = given === undefined ? undefined : waitMs(given === true ? wait.usual : given)
  const daemon = daemonOf(context)
  const answer = await daemon.ask('rotate', {})
  if (!context.json) {
    print(`gateway ${answer.gateway}, signing key ${answer.kid}`)
    print(answer.already ? `already proposed: ${answer.next}` : `proposed: ${answer.next}`)
    say(`\n  ${answer.words.join(' ')}\n`)
    say('nothing changes until the operator has signed: tell these six words, they must be the same there')
    say(`operator: vitalgate-receiver registry rotate ${answer.gateway}`)
  }
  if (patienceMs !== undefined) await bound(daemon, answer, patienceMs)
  if (context.json) printJson({ ...answer, bound: patienceMs !== undefined })
  else if (patienceMs !== undefined) print(`bound: the gateway speaks under ${answer.next}`)
}

/** Adds `provision rotate`. */
export function addRotate(command: Command): void {
  command
    .command('rotate')
    .description('propose new keys for this box; they count once the operator has signed them')
    .option(
      '--wait [duration]',
      `wait until the box speaks under the new keys (at most this long, usually ${wait.usual})`,
    )
    .addHelpText(
      'after',
      `
The box makes new keys beside its own and tells the server of them. Readings go on as before. Asked again it
proposes the same keys. A stolen or lost box is revoked by the operator, not rotated.

Example: vitalgate provision rotate --wait 30m

Exit codes: 0 done (also: already proposed), 1 failed or not bound in time, 10 daemon not running,
11 not provisioned`,
    )
    .action(rotate)
}
