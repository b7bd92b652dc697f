import { topics } from '../wire/topics.ts'
import { printable, type Refusal } from './broker-refusals.ts'
import type { Parties } from './broker-rules.ts'
import { datedLine, refusalIn, tlsRefusal, type Why } from './mosquitto-words.ts'

/** Takes Mosquitto's log line by line; answers what each line tells of refusals. */
export type RefusalLog = (line: string, now: number) => Refusal[]

/** Connected clients, and connections without a name, whose addresses are remembered. */
const clientsLimit = 10_000
const newcomersLimit = 64

/** Whom Mosquitto speaks to, as far as its log showed it. */
function makeVisitors() {
  const clients = new Map<string, string>()
  const newcomers: string[] = []

  /** The address of a connection that never had a name; empty where it may be one of several. */
  const leaveUnnamed = (): string => {
    const [address = ''] = newcomers
    const only = newcomers.every(one => one === address)
    newcomers.shift()
    return only ? address : ''
  }

  return {
    knock: (address: string): void => {
      newcomers.push(address)
      if (newcomers.length > newcomersLimit) newcomers.shift()
    },
    enter: (id: string, address: string): void => {
      clients.delete(id)
      if (clients.size >= clientsLimit) clients.delete(clients.keys().next().value!)
      clients.set(id, address)
      const at = newcomers.indexOf(address)
      if (at >= 0) newcomers.splice(at, 1)
    },
    leave: (id: string): void => void clients.delete(id),
    leaveUnnamed,
    /** Mosquitto prints the name in the certificate of whoever is connected, else an address, or neither. */
    whois: (who: string | undefined): { address: string; name: string | null } => {
      const address = who === undefined ? undefined : clients.get(who)
      if (address !== undefined) return { address, name: printable(who!) }
      return { address: who === '<unknown>' ? leaveUnnamed() : printable(who ?? ''), name: null }
    },
  }
}

/**
 * Reads the log of a Mosquitto that runs with the exported configuration into what the embedded broker reports
 * by itself. Nothing is read or kept but what the lines say; whom a line does not name is known from those before.
 */
export function readRefusals(parties: Parties): RefusalLog {
  const visitors = makeVisitors()
  let tlsError = ''
  /** Who subscribes, and the filter that was printed last and not yet granted. */
  let subscriber: string | undefined
  let filter: string | undefined
  /** Who has just connected: his will comes next, if he has one. */
  let entered: string | undefined

  type Told = [who: string | undefined, why: Why]

  /** Mosquitto prints a filter, then at once that it is granted, or nothing. */
  function refusedFilter(says: string): Told[] {
    if (subscriber === undefined || filter === undefined) return []
    const [id, asked] = [subscriber, filter]
    filter = undefined
    const granted = [0, 1].some(qos => says === `${id} ${qos} ${asked}`)
    return granted ? [] : [[id, ['forbidden-subscribe', asked]]]
  }

  /** A line of its own for a filter, or for the topic of a will. */
  function indented(text: string): Told[] {
    const will = entered
    entered = undefined
    if (will === undefined) {
      // an UNSUBSCRIBE is printed in the same way
      if (subscriber !== undefined) filter = text
      return []
    }
    // it is published only where its owner may publish it himself
    return text === topics(parties.server, will).up ? [] : [[will, ['will', text]]]
  }

  function enter(address: string, id: string): Told[] {
    visitors.enter(id, address)
    entered = id
    if (id === parties.receiver) return []
    // a certificate of ours: Mosquitto lets him in, and refuses all he asks for
    if (!parties.isEnrolled(id)) return [[id, ['not-enrolled', 'connected, may do nothing']]]
    // let in by a broker that has not heard of it
    if (parties.isRevoked?.(id, undefined) === true) return [[id, ['revoked', 'connected, export again']]]
    return []
  }

  function leaveUnnamed(): Told[] {
    const why = tlsRefusal(tlsError)
    if (why !== undefined) return [['<unknown>', why]]
    visitors.leaveUnnamed()
    return []
  }

  function leave(says: string): Told[] {
    const told = refusalIn(says)
    return told === undefined ? [] : [[told.who, told.why]]
  }

  function understand(says: string): Told[] {
    const [, tabbed] = /^\t(.*?)(?: \(QoS \d\))?$/.exec(says) ?? []
    if (tabbed !== undefined) return indented(tabbed)
    if (!says.startsWith('Will message specified')) entered = undefined
    const [, asking] = /^Received SUBSCRIBE from (\S+)$/.exec(says) ?? []
    if (asking !== undefined) subscriber = asking
    else if (says.startsWith('Sending SUBACK')) subscriber = undefined
    const [, knocking] = /^New connection from (\S+):\d+ on port \d+\.$/.exec(says) ?? []
    if (knocking !== undefined) visitors.knock(knocking)
    const [, from, id] = /^New client connected from (\S+):\d+ as (\S+) \(/.exec(says) ?? []
    if (from !== undefined && id !== undefined) return enter(from, id)
    const [, at, error] = /^Client connection from (\S+) failed: (.+)\.$/.exec(says) ?? []
    const why = error === undefined ? undefined : tlsRefusal(error)
    if (why !== undefined) return [[at, why]]
    if (/^Client <unknown> (?:disconnected: |closed its connection)/.test(says)) return leaveUnnamed()
    return leave(says)
  }

  return (line, now) => {
    const { at, says } = datedLine(line, now)
    const told = [...refusedFilter(says), ...understand(says)]
    const found = told.map(([who, [reason, detail]]) => ({
      ...visitors.whois(who),
      fingerprint: null,
      reason,
      detail: printable(detail),
      count: 1,
      at,
    }))
    // OpenSSL's first word counts; what it is about stands in the next line
    const [, error] = /^OpenSSL Error\[\d+\]: (.+)$/.exec(says) ?? []
    tlsError = error === undefined ? '' : tlsError || error
    const [, left] = /^(?:Client|Bad socket read\/write on client) (\S+?):? /.exec(says) ?? []
    // who was only replaced by a newer connection enters again with the next line
    if (left !== undefined) visitors.leave(left)
    return found
  }
}
