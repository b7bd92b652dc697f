import { Command } from 'commander'
import { print, printJson, usage } from '../base/output.ts'
import { actorOf, resolveGateway, withRegistry } from './cli-registry-open.ts'
import { holdOf, releaseGateway } from './hold.ts'
import { openReviewer } from './reviews.ts'

/** The reason as it is signed (WIRE 9.13). */
function wordsOf(why: string): string {
  if (/^[^\p{Cc}]{1,500}$/u.test(why)) return why
  throw usage(
    '--why is one line of 1 to 500 characters',
    'what was found out: it is signed and kept for ever; no resident belongs in it',
  )
}

async function release(prefix: string, command: Command): Promise<void> {
  const { why, by } = command.opts<{ why: string; by?: string }>()
  const [words, actor] = [wordsOf(why), actorOf(by)]
  await withRegistry(command, ({ state, store, registry, json }) => {
    const gateway = resolveGateway(registry, prefix)
    const held = holdOf(store, registry.reviews, gateway)
    if (held === undefined) {
      if (json) printJson({ gateway, flags: [], outcome: 'already' })
      else print(`gateway ${gateway} is not on hold`)
      return
    }
    const reviewer = openReviewer(state, registry)
    const decided = { by: actor, words, at: Date.now() }
    const { flags } = releaseGateway(store, registry.reviews, reviewer, gateway, decided)
    const { operator } = reviewer
    if (json) printJson({ gateway, flags, by: actor, operator, outcome: 'released' })
    else {
      const which = `flag${flags.length === 1 ? '' : 's'} ${flags.join(', ')}`
      print(`released: gateway ${gateway}, held for ${which}; it is commanded again with its next handshake`)
    }
  })
}

/** `vitalgate-receiver registry release`: a gateway on hold is commanded again. */
export const releaseCommand = (): Command =>
  new Command('release')
    .argument('<gateway>', 'gateway id, or its first 6 characters or more')
    .description('end the hold of a gateway after CLONE_SUSPECT or FORK; signed by the operator')
    .requiredOption('--why <text>', 'what was found out, signed with it')
    .option('--by <name>', 'who decided it (default: who is logged in)')
    .action((gateway: string, _options, self: Command) => release(gateway, self))
    .addHelpText(
      'after',
      '\nFirst find out why its key or disk was in two places, and take one of them out of service.' +
        '\nExample: vitalgate-receiver registry release k3v9qa --by "A. Jones" --why "card restored from a backup"' +
        '\nExit codes: 0 done (also: not on hold), 1 failed, 2 usage',
    )
