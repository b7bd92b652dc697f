import { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { readTextFile, writeFileAtomic } from '../base/files.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import type { Client } from '../control/client.ts'
import { contextOf, daemonOf } from './context.ts'
import { addRotate } from './provision-rotate.ts'
import { typed } from './typed.ts'

async function request({ out }: { out?: string }, command: Command): Promise<void> {
  const context = contextOf(command)
  const answer = await daemonOf(context).ask('request', {})
  if (out !== undefined) writeFileAtomic(out, answer.request)
  if (context.json) return printJson({ ...answer, file: out })
  // the request is data; what people compare goes to people
  if (out === undefined) print(answer.request.trimEnd())
  say(answer.already ? `gateway ${answer.gateway} (already requested)` : `gateway ${answer.gateway}`)
  if (out !== undefined) say(`request written to ${out}`)
  say(`\n  ${answer.words.join(' ')}\n`)
  say(
    'carry the request to the operator, and tell these six words by another way: they must be the same there',
  )
}

/** Asks for the six words on the terminal. */
const typedWords = (): Promise<string> =>
  typed(
    'the six words of the registry root, as the operator got them: ',
    'give --root-words "…", or type them on a terminal',
  )

async function askAccept(daemon: Client, bundle: string, given: string | undefined, move: boolean) {
  if (given !== undefined) return daemon.ask('accept', { bundle, rootWords: given, move })
  try {
    return await daemon.ask('accept', { bundle, move })
  } catch (error) {
    // only a root that nobody confirmed yet needs words: this answer says so
    if (!(error instanceof Fault) || error.code !== 'words.mismatch') throw error
    return daemon.ask('accept', { bundle, rootWords: await typedWords(), move })
  }
}

/** Has a person agree where the bundle moves this box to another server. */
async function acceptBundle(daemon: Client, bundle: string, { rootWords, yes = false }: AcceptOptions) {
  try {
    return await askAccept(daemon, bundle, rootWords, yes)
  } catch (error) {
    if (yes || !(error instanceof Fault) || error.code !== 'route.moves') throw error
    say(error.message)
    say('What is measured from then on goes to the new server. What waits still goes to the old one.')
    if ((await typed('type yes to move this box: ', 'give --yes')) !== 'yes') {
      throw usage('not agreed: nothing was changed')
    }
    return askAccept(daemon, bundle, rootWords, true)
  }
}

interface AcceptOptions {
  rootWords?: string
  yes?: boolean
}

async function accept(path: string, options: AcceptOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const answer = await acceptBundle(daemonOf(context), readTextFile(path), options)
  if (context.json) return printJson(answer)
  print(answer.already ? 'this bundle was already accepted' : 'bundle accepted')
  print(`gateway ${answer.gateway}, site ${answer.site}`)
  print(`server ${answer.server} at ${answer.brokers.join(', ')}`)
  if (answer.movedFrom !== null) {
    print(`moved from server ${answer.movedFrom}; what waits for it is still sent there: vitalgate status`)
  }
  if (answer.phase === 'accepted') say('last step: vitalgate provision verify')
}

async function verify(_given: object, command: Command): Promise<void> {
  const context = contextOf(command)
  for await (const line of await daemonOf(context).follow('verify', {})) {
    if ('step' in line) {
      if (process.stderr.isTTY) say(`${line.step}: ${line.detail}`)
      continue
    }
    const { outcome } = line
    if (context.json) return printJson(outcome)
    const time = outcome.roundTripMs === null ? '' : ` in ${outcome.roundTripMs} ms`
    print(
      `${outcome.already ? 'already provisioned' : 'provisioned'}: server ${outcome.server} signed for a test${time}`,
    )
    return
  }
  throw new Fault('control.absent', 'the daemon stopped before the way was verified', {
    hint: 'start it and type the command again: every step can be repeated',
  })
}

/** `vitalgate provision`: makes this box known to its server, in steps that can be repeated. */
export function provisionCommand(): Command {
  const command = new Command('provision').description('make this box known to its server')
  command
    .command('request')
    .description('make the keys on this box and the request for them; asked again, the same request')
    .option('--out <file>', 'write the request here instead of to stdout')
    .addHelpText(
      'after',
      '\nExample: vitalgate provision request --out request.json\n\nExit codes: 0 done (also: already requested), 1 failed, 10 daemon not running',
    )
    .action(request)
  command
    .command('accept')
    .description("check the operator's bundle and make it this box's route")
    .argument('<bundle>', 'the file that vitalgate-receiver registry enrol wrote')
    .option('--root-words <words>', 'the six words of the registry root (asked for when left out)')
    .option('--yes', 'do not ask where the bundle moves this box to another server')
    .addHelpText(
      'after',
      `
Example: vitalgate provision accept bundle.json --root-words "one two three four five six"

Exit codes: 0 done (also: already accepted), 1 bundle refused, 2 words needed and no terminal,
10 daemon not running, 11 no request made yet`,
    )
    .action(accept)
  command
    .command('verify')
    .description('prove the way to the server: one signed test, and its receipt')
    .addHelpText(
      'after',
      '\nExample: vitalgate provision verify\n\nExit codes: 0 done (also: already provisioned), 1 failed, 10 daemon not running, 11 no bundle accepted yet,\n12 refused by the receiver',
    )
    .action(verify)
  addRotate(command)
  return command
}
