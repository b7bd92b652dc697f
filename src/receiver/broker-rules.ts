import { topics, upFilter } from '../wire/topics.ts'

/** Who may speak on the embedded broker, and how its own receiver is called. */
export interface Parties {
  server: string
  /** Client id of this server's receiver. */
  receiver: string
  isEnrolled(gateway: string): boolean
  /** Whether a gateway, or the TLS key that it shows, is revoked or replaced; left out where nobody is. */
  isRevoked?(gateway: string, tls: string | undefined): boolean
}

/** What a client wants to publish, as far as the rules look at it. */
export interface Wanted {
  topic: string
  qos: number
  retain: boolean
}

/** Why a publish is refused, or undefined. A gateway: its own `up`; the receiver: the `down` of gateways. */
export function forbidsPublish(parties: Parties, client: string, wanted: Wanted): string | undefined {
  if (wanted.retain) return `retained: ${wanted.topic}`
  if (wanted.qos > 1) return `QoS ${wanted.qos}: ${wanted.topic}`
  const own = topics(parties.server, client).up
  if (client !== parties.receiver) return wanted.topic === own ? undefined : wanted.topic
  const gateway = wanted.topic.split('/')[3] ?? ''
  const down = topics(parties.server, gateway).down
  return wanted.topic === down && parties.isEnrolled(gateway) ? undefined : wanted.topic
}

/**
 * Why a subscription is refused, or undefined. A gateway: its own `down`, letter by letter, so neither a
 * wildcard nor `$share/…`; the receiver: every `up` of its server, plainly, for aedes grants a shared
 * subscription and then stays silent.
 */
export function forbidsSubscribe(parties: Parties, client: string, filter: string): string | undefined {
  const allowed =
    client === parties.receiver ? upFilter(parties.server, false) : topics(parties.server, client).down
  return filter === allowed ? undefined : filter
}
