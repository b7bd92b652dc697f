import { setTimeout as wait } from 'node:timers/promises'
import { Command } from 'commander'
import { nearest } from '../base/check.ts'
import { durationMs } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import { isThere, writeSecretFile } from '../base/files.ts'
import { exit, print, printJson, say, table, usage } from '../base/output.ts'
import { type Args, args as argsForm } from '../wire/members.ts'
import { dangerousVerbs, isObeyedBelow, isVerb, type VerbName, verbArgs, verbs } from '../wire/verbs.ts'
import { readCapture } from './captures.ts'
import { readCarried, tellOrder, warnings } from './cli-command-order.ts'
import { actorOf, type Opened, resolveGateway, withRegistry } from './cli-registry-open.ts'
import { readLimit } from './cli-store.ts'
import {
  type CommandLine,
  commandLine,
  findIntent,
  listIntents,
  readIntent,
  storeIntent,
} from './commands.ts'
import { holdOf } from './hold.ts'
import { readMinimum } from './minimum.ts'
import { isBelowMinimum, lastSeen } from './session.ts'

interface SendOptions {
  arg: string[]
  by?: string
  wait: string
  order?: string
  stands?: string
}

const lookMs = 200

function readVerb(word: string): VerbName {
  if (isVerb(word)) return word
  const names = Object.keys(verbs)
  const near = nearest(word, names)
  throw usage(
    `there is no verb ${word}`,
    near === undefined ? `one of ${names.join(', ')}` : `did you mean ${near}?`,
  )
}

/** A value as it is meant: true, false, a whole number, else a text. */
const meant = (text: string): string | number | boolean => {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text
}

/** The arguments, if they are those of the verb: what its gateway would refuse is not stored. */
function readArgs(verb: VerbName, words: readonly string[]): Args {
  const args = readPairs(words)
  try {
    return verbArgs(verb, args)
  } catch (error) {
    if (isFault(error)) throw usage(error.message, error.hint)
    throw error
  }
}

function readPairs(words: readonly string[]): Args {
  const pairs = words.map((word): [string, string | number | boolean] => {
    const at = word.indexOf('=')
    if (at < 1) throw usage(`--arg is name=value, not ${word}`)
    return [word.slice(0, at), meant(word.slice(at + 1))]
  })
  const read = argsForm.safeParse(Object.fromEntries(pairs))
  if (read.success && Object.keys(read.data).length === pairs.length) return read.data
  throw usage('--arg names are 1 to 64 of a-z 0-9 . _ - and each once, texts have at most 128 characters')
}

function readWait(text: string): number {
  const ms = durationMs(text)
  if (ms === undefined || ms > 3_600_000)
    throw usage(`--wait is a duration up to 1h, not ${text}`, 'such as 60s or 0s')
  return ms
}

/** What cannot be taken back is typed twice where somebody sits at the keyboard. */
async function confirm(verb: VerbName, gateway: string): Promise<void> {
  const warning = warnings[verb]
  if (warning === undefined) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) return
  say(warning(gateway))
  const typed = await ask('Type its first 6 characters to go on: ')
  if (typed.trim() === gateway.slice(0, 6)) return
  throw usage(`${typed.trim()} does not begin ${gateway}: nothing was sent`)
}

const progress: Partial<Record<CommandLine['state'], string>> = {
  waiting: 'waiting for the gateway',
  sent: 'sent, waiting for its answer',
}

/** Looks at a command until it has ended or the time is over; tells people at a terminal how it goes. */
async function follow({ store }: Opened, intent: string, waitMs: number): Promise<CommandLine> {
  const until = Date.now() + waitMs
  let told = ''
  for (;;) {
    const row = readIntent(store, intent)
    if (row === undefined) throw new Fault('store.damaged', `command ${intent} is gone`)
    const line = commandLine(row, Date.now())
    const words = progress[line.state]
    if (words === undefined || Date.now() >= until) return line
    if (words !== told && process.stderr.isTTY === true) say(words)
    told = words
    await wait(Math.min(lookMs, Math.max(0, until - Date.now())))
  }
}

const exits: Record<CommandLine['state'], number> = {
  waiting: exit.partly,
  sent: exit.partly,
  done: exit.done,
  failed: exit.failed,
  interrupted: exit.failed,
  expired: exit.failed,
  refused: exit.refused,
}

const toldOf = ({ detail }: CommandLine): string =>
  Object.entries(detail)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')

const sentences: Record<CommandLine['state'], (line: CommandLine) => string> = {
  waiting: () => 'stored; the gateway is away: it is sent when it speaks next, for a quarter of an hour',
  sent: () => 'sent; no answer yet',
  done: line => `done${toldOf(line) === '' ? '' : `: ${toldOf(line)}`}`,
  failed: line => `failed: ${toldOf(line)}`,
  interrupted: () => 'interrupted: the gateway began it and stopped before it ended; it does not try again',
  expired: ({ sent }) =>
    sent === null ? 'expired: the gateway did not speak in time' : 'expired: sent, no answer',
  refused: line => `refused by the gateway: ${toldOf(line)}`,
}

/** Faults where nothing would be dispatched to the gateway, so that nobody waits for it. */
function checkCommandable({ registry, store }: Opened, gateway: string, verb: VerbName): void {
  const hold = holdOf(store, registry.reviews, gateway)
  if (hold !== undefined) {
    throw new Fault('registry.held', `gateway ${gateway} is on hold: ${hold.name}, flag ${hold.flag}`, {
      hint: 'find out why, then: vitalgate-receiver registry release GATEWAY --why TEXT',
    })
  }
  if (isBelowMinimum(store, gateway) && !isObeyedBelow(verb)) {
    const told = `has version ${lastSeen(store, gateway)?.software}, below ${readMinimum(store).version}`
    throw new Fault('command.outdated', `gateway ${gateway} ${told}: it does not obey ${verb}`, {
      hint: 'update its software, then: vitalgate-receiver command send GATEWAY restart',
    })
  }
}

async function send(prefix: string, word: string, command: Command): Promise<void> {
  const options = command.opts<SendOptions>()
  const verb = readVerb(word)
  const args = readArgs(verb, options.arg)
  const waitMs = readWait(options.wait)
  const byHand = readCarried(verb, options)
  const actor = actorOf(options.by)
  await withRegistry(command, async opened => {
    const { state, registry, store, json } = opened
    const gateway = resolveGateway(registry, prefix)
    const bound = registry.gateway(gateway)
    const revoked = bound === undefined || registry.revoked(bound.verifyKey.kid) !== undefined
    if (revoked) {
      throw new Fault('registry.unknown', `gateway ${gateway} is not bound to this server, or revoked`, {
        hint: 'nothing is said to it any more; see: vitalgate-receiver registry list',
      })
    }
    // whoever carries it stands before the box
    if (byHand === undefined) checkCommandable(opened, gateway, verb)
    await confirm(verb, gateway)
    const wanted = { gateway, verb, args, actor, now: Date.now(), carriedMs: byHand?.ms }
    const intent = storeIntent(state, store, registry, wanted)
    if (byHand !== undefined) return tellOrder(opened, intent, byHand.file)
    const line = await follow(opened, intent, waitMs)
    if (json) printJson(line)
    else print(`${verb} ${intent.slice(0, 8)} to ${gateway}: ${sentences[line.state](line)}`)
    if (line.state === 'refused' && !json) say('see: vitalgate-receiver flags list --flag COMMAND_REFUSED')
    process.exitCode = exits[line.state]
  })
}

interface ListOptions {
  gateway?: string
  limit: string
}

async function list(command: Command): Promise<void> {
  const { gateway: prefix, limit } = command.opts<ListOptions>()
  const most = readLimit(limit)
  await withRegistry(command, ({ registry, store, json }) => {
    const gateway = prefix === undefined ? undefined : resolveGateway(registry, prefix)
    const lines = listIntents(store, gateway, most).map(row => commandLine(row, Date.now()))
    if (json) for (const line of lines) printJson(line)
    else if (lines.length === 0) print('no commands')
    else {
      const rows = lines.map(line => [
        line.made.slice(0, 19).replace('T', ' '),
        line.intent.slice(0, 8),
        line.gateway.slice(0, 8),
        line.verb,
        line.state,
        line.by,
        toldOf(line),
      ])
      print(table(['TIME (UTC)', 'INTENT', 'GATEWAY', 'VERB', 'STATE', 'BY', 'DETAIL'], rows))
    }
  })
}

async function show(prefix: string, command: Command): Promise<void> {
  const { capture } = command.opts<{ capture?: string }>()
  await withRegistry(command, ({ registry, store, json }) => {
    const row = findIntent(store, prefix)
    if (row === undefined) {
      throw usage(
        `no command ${prefix}`,
        'name it by 8 of its digits or more; see: vitalgate-receiver command list',
      )
    }
    const line = commandLine(row, Date.now())
    const bytes = capture === undefined ? undefined : readCapture(store, registry, row)
    if (bytes !== undefined) {
      if (isThere(capture!)) throw usage(`${capture} is there already`, 'name a file that is not there')
      writeSecretFile(capture!, bytes)
    }
    if (json) printJson({ ...line, ...(bytes !== undefined && { file: capture, bytes: bytes.length }) })
    else {
      print(`${line.verb} ${line.intent} to ${line.gateway}, by ${line.by}: ${sentences[line.state](line)}`)
      if (bytes !== undefined) {
        print(`${bytes.length} bytes written to ${capture}`)
        say('it holds what residents measured; before you pass it on: vitalgate capture scrub')
      }
    }
  })
}

/** An example of each verb that takes arguments. */
const examples = Object.entries(verbs)
  .flatMap(([verb, { example }]) => (example === '' ? [] : [`${verb} ${example}`]))
  .map(words => `\n          vitalgate-receiver command send k3v9qa ${words}`)
  .join('')

/** `vitalgate-receiver command`: what gateways are told to do. */
export function commandCommand(): Command {
  const command = new Command('command').description('what gateways are told to do, and what became of it')
  command
    .command('send')
    .argument('<gateway>', 'gateway id, or its first 6 characters or more')
    .argument('<verb>', Object.keys(verbs).join(', '))
    .description(`tell a gateway to do something; ${dangerousVerbs.join(', ')} are signed by the operator`)
    .option('--arg <name=value>', 'argument of the verb', (word, all: string[]) => [...all, word], [])
    .option('--by <name>', 'who wants it (default: who is logged in)')
    .option('--wait <duration>', 'how long to wait for the answer', '60s')
    .option(
      '--order <file>',
      'write the order of an abandon into this file, for a person to carry to the box',
    )
    .option('--stands <duration>', 'how long an order that is carried stands (default: 30d)')
    .action((gateway: string, verb: string, _options, self: Command) => send(gateway, verb, self))
    .addHelpText(
      'after',
      '\nIt is stored first, and stands for 15 minutes. It is sent within a second where the gateway is connected,' +
        '\nand else when it speaks next.' +
        '\nExamples: vitalgate-receiver command send k3v9qa ping --wait 6m' +
        examples +
        '\n          vitalgate-receiver command send k3v9qa abandon --arg key=0123456789abcdef --order order.json' +
        '\nExit codes: 0 done, 1 failed, interrupted or expired, 2 usage, 3 no answer yet, 12 refused by the gateway',
    )
  command
    .command('show')
    .argument('<intent>', 'the command, or its first 8 digits or more')
    .description('show one command; write the capture that a capture-stop handed up')
    .option('--capture <file>', 'write the capture into this file, which must not be there yet')
    .action((intent: string, _options, self: Command) => show(intent, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver command show 4f2a90c1 --capture scale-1.capture' +
        '\nExit codes: 0 done, 1 no capture or not all of it, 2 usage',
    )
  command
    .command('list')
    .description('list commands, the newest last')
    .option('--gateway <id>', 'only of this gateway (its first 6 characters or more)')
    .option('--limit <n>', 'at most so many, the newest', '100')
    .action((_options, self: Command) => list(self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver command list --gateway k3v9qa\nExit codes: 0 done, 1 failed, 2 usage',
    )
  return command
}
