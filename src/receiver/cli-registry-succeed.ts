import { Command } from 'commander'
import { unbase64url } from '../base/bytes.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import { rootWords } from '../wire/words.ts'
import { actorOf, type Opened, withRegistry } from './cli-registry-open.ts'
import { openRegistry } from './registry.ts'
import { stragglers } from './root-followers.ts'
import { paths } from './state.ts'
import { planOf, succeed } from './succeed.ts'

interface SucceedOptions {
  root?: string
  successor?: string
  passphraseFile?: string
  by?: string
  yes?: boolean
}

const wordsOf = (root: string): string => rootWords(unbase64url(root)).join(' ')

/** Says what is signed anew, and has it confirmed. */
async function confirm({ registry }: Opened, yes: boolean | undefined): Promise<void> {
  const { operators, gateways, entry } = planOf(registry)
  say(`root that ends:  ${wordsOf(registry.facts.root)}`)
  say(`root to come:    ${wordsOf(registry.facts.successor)}`)
  say(`it signs anew:   server entry ${entry}, ${gateways} gateways, ${operators.length} operators`)
  for (const { name, kid } of operators) say(`  operator ${name}, key ${kid}`)
  say(
    'Nothing that the root that ends signs from now on is believed, here or at a gateway that has followed.',
  )
  say(
    'If it was stolen, look at each operator and gateway first: registry log, registry list. Revoke what is not yours.',
  )
  if (yes === true) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) throw usage('it must be confirmed, and there is no terminal to ask at', '--yes')
  const typed = await ask('This cannot be undone. Type succeed to go on: ')
  if (typed.trim() !== 'succeed') throw usage('not confirmed: nothing was changed')
}

async function run(command: Command): Promise<void> {
  const { root, successor, passphraseFile, by, yes } = command.opts<SucceedOptions>()
  const decided = { actor: actorOf(by), now: Date.now() }
  await withRegistry(command, async opened => {
    const { state, store, registry, json } = opened
    const path = root ?? paths(state).successor
    const { askPassphrase } = await import('./ask.ts')
    const passphrase = await askPassphrase(passphraseFile, false)
    await confirm(opened, yes)
    const files = { path, passphrase, made: successor }
    const { already, ...made } = succeed(state, store, registry, files, decided)
    const behind = stragglers(store, openRegistry(state, store.db))
    const words = rootWords(unbase64url(made.root))
    if (json) {
      const successorWords = rootWords(unbase64url(made.successor))
      printJson({ words, successorWords, behind: behind.length, outcome: already ? 'already' : 'succeeded' })
      return
    }
    print(already ? 'already the root' : 'the successor is the root now')
    print(`root words:      ${words.join(' ')}`)
    print(`successor words: ${wordsOf(made.successor)}`)
    print(
      `still to follow: ${behind.length} gateways, with their next hellos: vitalgate-receiver registry list`,
    )
    say('Write the six root words down. Keep copies of the new root.sealed and successor.sealed offline.')
    say(`The new successor is ${paths(state).successor}; gateways learn it with their next bundle.`)
  })
}

/** `vitalgate-receiver registry succeed`: the successor becomes the root. */
export const succeedCommand = (): Command =>
  new Command('succeed')
    .description('let the successor become the registry root: it signs anew all that is in force')
    .option('--root <file>', 'the sealed successor, where it is not in the state folder')
    .option('--successor <file>', 'the next successor that another server of this root has made already')
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .option('--by <name>', 'who decides it (default: who is logged in)')
    .option('--yes', 'do not ask for confirmation')
    .action((_options, self: Command) => run(self))
    .addHelpText(
      'after',
      '\nFor the day on which the root is lost, or in other hands. Cut short, type it again.' +
        '\nExample: vitalgate-receiver registry succeed --root /media/root/successor.sealed' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
