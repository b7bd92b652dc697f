import { Command } from 'commander'
import { print, printJson, usage } from '../base/output.ts'
import { hostIn, readBroker, readHost, readPort } from './broker-address.ts'
import type { Plan } from './init-keys.ts'

interface InitOptions {
  host?: string[]
  port: string
  broker: string
  announce?: string[]
  operator: string
  rootFrom?: string
  passphraseFile?: string
}

/** The plan that was typed; every problem with it is a usage fault. */
function planOf(options: InitOptions, now: number): Plan {
  const { host = [], port, broker, announce = [], operator } = options
  const shared = options.rootFrom === undefined ? {} : { rootFrom: options.rootFrom }
  const announced = announce.map(readBroker)
  if (host.length > 7 || announced.length > 8) throw usage('at most 7 hosts and 8 announced brokers')
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(operator)) {
    throw usage(`${operator} is no operator name`, '1 to 64 of a-z 0-9 . _ - and a letter or digit first')
  }
  if (broker !== 'embedded') {
    const own = hostIn(readBroker(broker))
    const hosts = [...new Set([own.host, ...host.map(readHost)])]
    return { hosts, port: own.port, broker, announced, operator, ...shared, now }
  }
  const hosts = [...new Set(host.map(readHost))]
  if (hosts.length === 0) {
    throw usage('name the hosts under which gateways reach this machine', '--host receiver.example.org')
  }
  return { hosts, port: readPort(port), broker, announced, operator, ...shared, now }
}

async function init(command: Command): Promise<void> {
  const options = command.optsWithGlobals<InitOptions & { state: string; json?: boolean }>()
  const [{ initialise }, { isInitialised, paths }, { askPassphrase }, { isThere }] = await Promise.all([
    import('./init.ts'),
    import('./state.ts'),
    import('./ask.ts'),
    import('../base/files.ts'),
  ])
  const { state } = options
  // a root that is there already, here or at another server, has its passphrase
  const isNew = options.rootFrom === undefined && !isThere(paths(state).root)
  const passphrase = (): Promise<string> => askPassphrase(options.passphraseFile, isNew)
  // asked again where all is done, nothing of the plan is looked at
  const plan = isInitialised(state) ? undefined : planOf(options, Date.now())
  const { facts, words, already } = await initialise(state, plan, passphrase)
  if (options.json === true) {
    const { server, broker, hosts, port } = facts
    printJson({ outcome: already ? 'already' : 'initialised', server, broker, hosts, port, words })
    return
  }
  print(already ? `already initialised: ${state}` : `initialised: ${state}`)
  print(`server:     ${facts.server}`)
  print(`broker:     ${facts.broker === 'embedded' ? `embedded, port ${facts.port}` : facts.broker}`)
  print(`root words: ${words.join(' ')}`)
  if (already) return
  print('')
  print('Write the six root words down: every technician confirms them once at the box.')
  print('Keep copies of root.sealed and successor.sealed offline. Who loses both can enrol nobody.')
}

/** `vitalgate-receiver init`: makes a registry and a server. */
export function initCommand(): Command {
  const command = new Command('init')
  return command
    .description('make the registry root, the operator key, the CA and the server keys')
    .option('--host <name...>', 'host names and addresses under which gateways reach the broker')
    .option('--port <port>', 'port of the embedded broker', '8883')
    .option('--broker <url>', 'embedded, or mqtts://host:port of a broker you run yourself', 'embedded')
    .option(
      '--announce <url...>',
      'mqtts://host:port told to gateways, where a router forwards it to this machine',
    )
    .option('--operator <name>', 'name of the first operator', 'operator')
    .option(
      '--root-from <dir>',
      'folder with root.sealed and successor.sealed of another server: the same root',
    )
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .action(() => init(command))
    .addHelpText(
      'after',
      '\nWithout --passphrase-file the passphrase is asked at the terminal. Done again, it changes nothing.' +
        '\nExample: vitalgate-receiver init --host receiver.example.org --port 8883' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
}
