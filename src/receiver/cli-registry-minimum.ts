import { Command } from 'commander'
import { print, printJson, usage } from '../base/output.ts'
import { isVersion } from '../base/version.ts'
import { actorOf, type Opened, withRegistry } from './cli-registry-open.ts'
import { readMinimum, setMinimum } from './minimum.ts'
import { isBelowMinimum } from './session.ts'

/** The gateways whose last handshake told a lower version. */
const belowOf = ({ registry, store }: Opened): string[] =>
  registry.gateways().filter(gateway => isBelowMinimum(store, gateway))

async function minimum(version: string | undefined, command: Command): Promise<void> {
  const actor = actorOf(command.opts<{ by?: string }>().by)
  if (version !== undefined && !isVersion(version)) {
    throw usage(`${version} is no version`, 'three numbers with two dots, such as 0.2.0')
  }
  await withRegistry(command, opened => {
    const { store, json } = opened
    const fresh = version !== undefined && setMinimum(store, version, actor, Date.now())
    const { version: held, by, at } = readMinimum(store)
    const below = belowOf(opened)
    if (json) {
      const since = at === null ? null : new Date(at).toISOString()
      printJson({ version: held, by, since, below, ...(version === undefined ? {} : { already: !fresh }) })
      return
    }
    const who = by === null ? 'nobody set another' : `set by ${by}`
    print(version === undefined || fresh ? `${held} (${who})` : `already ${held}`)
    if (below.length === 0) return
    print(`below it, by their last handshake: ${below.length}\n${below.join('\n')}`)
  })
}

/** `vitalgate-receiver registry min-version`: the lowest gateway version that this server wants. */
export const minimumCommand = (): Command =>
  new Command('min-version')
    .argument('[version]', 'the lowest version to want from now on, X.Y.Z')
    .description('show or set the lowest gateway version; a lower one warns and is commanded no more')
    .option('--by <name>', 'who sets it (default: who is logged in)')
    .action((version: string | undefined, _options, self: Command) => minimum(version, self))
    .addHelpText(
      'after',
      '\nA gateway below it goes on collecting and sending; it obeys only ping, status and restart.' +
        '\nExample: vitalgate-receiver registry min-version 0.2.0 --by "A. Jones"' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage',
    )
