import { join } from 'node:path'
import { packetLimit } from '../wire/packets.ts'
import { topics, upFilter } from '../wire/topics.ts'

/** Where everything lies in the folder that is exported for Mosquitto. */
export const mosquittoFiles = (folder: string) => ({
  configuration: join(folder, 'mosquitto.conf'),
  rules: join(folder, 'dynamic-security.json'),
  authority: join(folder, 'ca.pem'),
  certificate: join(folder, 'broker.pem'),
  key: join(folder, 'broker-key.pem'),
  revoked: join(folder, 'revoked.pem'),
  log: join(folder, 'log', 'mosquitto.log'),
  own: join(folder, 'conf.d'),
})

/** What a configuration of Mosquitto depends on. */
export interface MosquittoSettings {
  /** Absolute path of the exported folder. */
  folder: string
  port: number
  /** The dynamic-security plugin. */
  plugin: string
  /** Who Mosquitto becomes when it was started as root. */
  user: string
  gateways: number
}

/** As many clients as the embedded broker takes, or twice as many as there are gateways. */
const connections = (gateways: number): number => Math.max(2000, 2 * gateways)

/** mosquitto.conf for Mosquitto 2.0: WIRE 8.1, as far as Mosquitto can be told. */
export function mosquittoConfiguration({ folder, port, plugin, user, gateways }: MosquittoSettings): string {
  const at = mosquittoFiles(folder)
  return `# Written by: vitalgate-receiver registry export. The next export writes it anew:
# what is your own belongs into ${at.own}/*.conf

user ${user}

# who may do what: nobody anything that the file does not name
plugin ${plugin}
plugin_opt_config_file ${at.rules}
allow_anonymous false
allow_zero_length_clientid false

# nothing is kept for anybody: gateways send again what has no receipt
persistence false
retain_available false
persistent_client_expiration 1d

max_packet_size ${packetLimit}
max_keepalive 600
max_inflight_messages 200
max_queued_messages 10000
max_queued_bytes 16777216

# without it a receipt waits for Nagle's timer
set_tcp_nodelay true
sys_interval 0

# a refused publish or subscription is told at level debug only; topics and lengths, never contents
log_dest file ${at.log}
log_timestamp_format %Y-%m-%dT%H:%M:%S%z
connection_messages true
log_type error
log_type warning
log_type notice
log_type information
log_type subscribe
log_type unsubscribe
log_type debug

listener ${port}
cafile ${at.authority}
certfile ${at.certificate}
keyfile ${at.key}
crlfile ${at.revoked}
tls_version tlsv1.2
require_certificate true
# the certificate's name is user and client id, whatever the client says
use_identity_as_username true
use_username_as_clientid true
max_qos 1
max_connections ${connections(gateways)}

include_dir ${at.own}
`
}

/** Who there is on the broker. */
export interface MosquittoParties {
  server: string
  /** Client id of the server's receivers. */
  receiver: string
  gateways: readonly string[]
}

/** What one certificate name may do (WIRE 8.2). */
interface Grants {
  name: string
  publish: string
  hear: string
  subscribe: readonly string[]
}

const allow = (acltype: string, topic: string) => ({ acltype, topic, priority: 0, allow: true })

/** A role of its own for each name: the plugin of Mosquitto 2.0 has no patterns with the client's name. */
const roleOf = ({ name, publish, hear, subscribe }: Grants) => ({
  rolename: name,
  acls: [
    allow('publishClientSend', publish),
    allow('publishClientReceive', hear),
    // letter by letter, so that neither a wildcard nor somebody else's $share/… is one of them
    ...subscribe.flatMap(filter => [allow('subscribeLiteral', filter), allow('unsubscribeLiteral', filter)]),
  ],
})

/** The dynamic-security plugin's JSON: what is not named is refused. */
export function mosquittoRules({ server, receiver, gateways }: MosquittoParties): string {
  const all: Grants[] = [
    {
      name: receiver,
      publish: topics(server, '+').down,
      hear: upFilter(server, false),
      subscribe: [upFilter(server, true), upFilter(server, false)],
    },
    ...gateways.map(gateway => {
      const { up, down } = topics(server, gateway)
      return { name: gateway, publish: up, hear: down, subscribe: [down] }
    }),
  ]
  const rules = {
    defaultACLAccess: {
      publishClientSend: false,
      publishClientReceive: false,
      subscribe: false,
      unsubscribe: false,
    },
    clients: all.map(({ name }) => ({ username: name, roles: [{ rolename: name }] })),
    groups: [],
    roles: all.map(roleOf),
  }
  return `${JSON.stringify(rules, null, 2)}\n`
}
