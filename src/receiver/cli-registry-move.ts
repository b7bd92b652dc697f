import { Command } from 'commander'
import { readTextFile } from '../base/files.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import { actorOf, resolveGateway, withRegistry } from './cli-registry-open.ts'
import { type CheckedMove, checkMove, moveGateway } from './move-gateway.ts'

interface MoveOptions {
  by?: string
  yes?: boolean
}

/** Says what follows, and has the beginning of the gateway's id typed. */
async function confirm({ binding, entry }: CheckedMove, yes: boolean | undefined): Promise<void> {
  const { gateway } = binding
  say(`gateway:    ${gateway} at ${binding.site}`)
  say(`new server: ${entry.server}`)
  say(`brokers:    ${entry.brokers.join(' ')}`)
  say(
    'With its next hellos it is told, and sends all that is new there. What it has taken for this server it still',
  )
  say('sends here, so keep this server running until it has. This server commands it no more.')
  if (yes === true) return
  const { ask, isAttended } = await import('./ask.ts')
  if (!isAttended()) throw usage('it must be confirmed, and there is no terminal to ask at', '--yes')
  const typed = await ask(`Type the first 6 characters of the gateway's id to move it: `)
  if (typed.trim() !== gateway.slice(0, 6)) throw usage('not confirmed: nothing was changed')
}

async function move(prefix: string, file: string, command: Command): Promise<void> {
  const { by, yes } = command.opts<MoveOptions>()
  const decided = { actor: actorOf(by), now: Date.now() }
  await withRegistry(command, async ({ store, registry, json }) => {
    const gateway = resolveGateway(registry, prefix)
    const checked = checkMove(registry, gateway, readTextFile(file), file)
    const isDone = registry.moved(gateway)?.version === checked.binding.version
    if (!isDone) await confirm(checked, yes)
    const already = moveGateway(store, registry, checked, decided)
    const { server, version } = checked.binding
    const outcome = already ? 'already' : 'moved'
    if (json) printJson({ gateway, server, version, outcome })
    else print(`${already ? 'already moved' : 'moved'}: ${gateway} to server ${server}, binding ${version}`)
  })
}

/** `vitalgate-receiver registry move`: gives a gateway to another server of the same root. */
export const moveCommand = (): Command =>
  new Command('move')
    .argument('<gateway>', 'gateway id, or its first 6 characters or more')
    .argument('<bundle>', 'the bundle that the other server wrote')
    .description('give a gateway to another server of the same root; handed down with its next hellos')
    .option('--by <name>', 'who decides it (default: who is logged in)')
    .option('--yes', 'do not ask for confirmation')
    .action((gateway: string, bundle: string, _options, self: Command) => move(gateway, bundle, self))
    .addHelpText(
      'after',
      '\nFirst here: registry show GATEWAY --request FILE. Then there: registry enrol FILE.' +
        '\nExample: vitalgate-receiver registry move k3v9qa k3v9qa….bundle.json' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage',
    )
