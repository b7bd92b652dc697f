import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { paths, readFacts } from '../../src/receiver/state.ts'
import { type Program, startProgram } from './program.ts'

/** Name in the certificate of a client that may hear everything: only tests have one. */
export const spyName = 'spy'

/** Access rules: each gateway its own two topics, the receiver those of its server, the spy to hear all. */
const rules = (server: string, receiver: string): string => `
user ${receiver}
topic read vitalgate/1/${server}/+/up
topic write vitalgate/1/${server}/+/down

user ${spyName}
topic read #

pattern write vitalgate/1/${server}/%u/up
pattern read vitalgate/1/${server}/%u/down
`

/** What an operator would write for a broker of his own (docs: TLS with client certificates, no anonymous). */
const configuration = (folder: string, port: number, state: string): string => {
  const { authorityCertificate, brokerCertificate, brokerKey } = paths(state)
  return `
listener ${port} 127.0.0.1
cafile ${authorityCertificate}
certfile ${brokerCertificate}
keyfile ${brokerKey}
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file ${join(folder, 'mosquitto.acl')}
set_tcp_nodelay true
max_packet_size 65536
persistence false
log_dest stderr
log_type all
# started as root it would drop to its own user, who cannot read the key
user root
`
}

/** Starts Debian's Mosquitto with the certificates that `init --broker` made in a receiver's state folder. */
export function startMosquitto(folder: string, port: number, state: string): Program {
  const { server, client } = readFacts(state)
  const file = join(folder, 'mosquitto.conf')
  writeFileSync(join(folder, 'mosquitto.acl'), rules(server, client), { mode: 0o600 })
  writeFileSync(file, configuration(folder, port, state))
  return startProgram('/usr/sbin/mosquitto', ['-c', file], join(folder, 'mosquitto.log'))
}
