import { Command } from 'commander'
import { print, printJson, usage } from '../base/output.ts'
import { certifyOperator } from './certify.ts'
import { actorOf, withRegistry } from './cli-registry-open.ts'
import { readPinnedRoot } from './root.ts'
import { paths } from './state.ts'

interface CertifyOptions {
  by?: string
  root?: string
  passphraseFile?: string
}

async function certify(name: string, command: Command): Promise<void> {
  const { by, root, passphraseFile } = command.opts<CertifyOptions>()
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) throw usage(`${name} is no operator name`)
  const decided = { name, actor: actorOf(by), now: Date.now() }
  await withRegistry(command, async ({ state, store, registry, json }) => {
    const unlock = async () => {
      const { askPassphrase } = await import('./ask.ts')
      return readPinnedRoot(registry, root ?? paths(state).root, await askPassphrase(passphraseFile, false))
    }
    const already = await certifyOperator(state, store, registry, unlock, decided)
    const key = registry.operators().find(one => one.name === name)?.key.kid
    if (json) printJson({ operator: name, key, outcome: already ? 'already' : 'certified' })
    else print(`${already ? 'already certified' : 'certified'}: operator ${name}, key ${key}`)
  })
}

/** `vitalgate-receiver registry certify-operator`: another one, after the last was revoked. */
export const certifyOperatorCommand = (): Command =>
  new Command('certify-operator')
    .argument('<name>', 'a name that was never used')
    .description('make a new operator key in the place of a revoked one; certified by the root')
    .option('--by <name>', 'who does it (default: who is logged in)')
    .option('--root <file>', 'the sealed root, where it is not in the state folder')
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .action((name: string, _options, self: Command) => certify(name, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry certify-operator operator-2' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
