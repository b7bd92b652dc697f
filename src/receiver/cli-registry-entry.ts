import { Command } from 'commander'
import { usage } from '../base/output.ts'
import { readBroker } from './broker-address.ts'
import { type RootOptions, signingOf, tellEntry, withRoot } from './cli-keys.ts'
import { actorOf, withRegistry } from './cli-registry-open.ts'
import { nextEntry, unsignedKeys } from './server-entry.ts'
import { certifyHosts } from './server-keys.ts'
import { settleEntry } from './server-rotate.ts'

interface EntryOptions extends RootOptions {
  announce?: string[]
  years: string
  by?: string
}

const year = 365.25 * 86_400_000

/** How long an entry counts, milliseconds. */
function lengthOf(years: string): number {
  if (!/^\d{1,2}$/.test(years) || Number(years) < 1) throw usage(`--years ${years} is none`, '1 to 99')
  return Number(years) * year
}

async function entry(command: Command): Promise<void> {
  const options = command.opts<EntryOptions>()
  const now = Date.now()
  const until = now + lengthOf(options.years)
  const brokers = options.announce?.map(readBroker)
  if (brokers !== undefined && brokers.length > 8) throw usage('at most 8 announced brokers')
  const decided = { actor: actorOf(options.by), now }
  await withRegistry(command, async opened => {
    const { state, store, registry, json } = opened
    const signing = signingOf(opened, options)
    if (unsignedKeys(state, registry) !== undefined) {
      throw usage('new keys were made and no entry names them yet', 'vitalgate-receiver keys rotate')
    }
    if (brokers !== undefined) await certifyHosts(state, registry.facts, brokers, now)
    const next = nextEntry(state, registry, { now, until, ...(brokers === undefined ? {} : { brokers }) })
    tellEntry(await settleEntry(state, store, registry, next, signing, decided), 'entered', json)
  })
}

/** `vitalgate-receiver registry entry`: the same keys, at other addresses or for longer. */
export const entryCommand = (): Command =>
  withRoot(new Command('entry'))
    .description('make the next server entry with the same keys: other addresses, longer validity')
    .option('--announce <url...>', 'mqtts://host:port that gateways are told, instead of those of now')
    .option('--years <n>', 'how long it counts', '5')
    .action((_options, self: Command) => entry(self))
    .addHelpText(
      'after',
      '\nHosts that are new get a place in the certificate of the broker. Let old and new addresses work side by' +
        '\nside until every gateway has the entry: vitalgate-receiver keys list' +
        '\nExample: vitalgate-receiver registry entry --announce mqtts://receiver.example.org:8883' +
        '\nExit codes: 0 done, 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
