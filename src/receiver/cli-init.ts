import { isIP } from 'node:net'
import { Command } from 'commander'
import { print, printJson, usage } from '../base/output.ts'
import type { Plan } from './init-keys.ts'

interface InitOptions {
  host?: string[]
  port: string
  broker: string
  announce?: string[]
  operator: string
  passphraseFile?: string
}

const hostGrammar = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/
const brokerGrammar = /^mqtts:\/\/(?:\[([0-9a-f:]+)\]|([a-z0-9.-]+)):(\d{1,5})$/

function readHost(text: string): string {
  const host = text.toLowerCase()
  if (isIP(host) === 0 && !hostGrammar.test(host)) {
    throw usage(`${text} is neither a host name nor an address`, 'a name alone, without mqtts:// and port')
  }
  return host
}

function readPort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port
  throw usage(`port is 1 to 65535, not ${text}`)
}

function readBroker(url: string): string {
  const port = Number(brokerGrammar.exec(url)?.[3])
  if (port >= 1 && port <= 65_535) return url
  throw usage(`${url} is no broker`, 'mqtts://host:port')
}

/** The plan that was typed; every problem with it is a usage fault. */
function planOf({ host = [], port, broker, announce = [], operator }: InitOptions, now: number): Plan {
  const announced = announce.map(readBroker)
  if (host.length > 7 || announced.length > 8) throw usage('at most 7 hosts and 8 announced brokers')
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(operator)) {
    throw usage(`${operator} is no operator name`, '1 to 64 of a-z 0-9 . _ - and a letter or digit first')
  }
  if (broker !== 'embedded') {
    const [, address, name, at] = brokerGrammar.exec(readBroker(broker))!
    const hosts = [...new Set([(address ?? name)!, ...host.map(readHost)])]
    return { hosts, port: readPort(at!), broker, announced, operator, now }
  }
  const hosts = [...new Set(host.map(readHost))]
  if (hosts.length === 0) {
    throw usage('name the hosts under which gateways reach this machine', '--host receiver.example.org')
  }
  return { hosts, port: readPort(port), broker, announced, operator, now }
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
  const passphrase = (): Promise<string> => askPassphrase(options.passphraseFile, !isThere(paths(state).root))
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
    .option('--passphrase-file <file>', 'file (mode 0600) with the passphrase of the registry root')
    .action(() => init(command))
    .addHelpText(
      'after',
      '\nWithout --passphrase-file the passphrase is asked at the terminal. Done again, it changes nothing.' +
        '\nExample: vitalgate-receiver init --host receiver.example.org --port 8883' +
        '\nExit codes: 0 done (also: already so), 1 failed, 2 usage, 13 not permitted, 130 interrupted',
    )
}
