import type { Address, Connection, ConnectionEvents } from '../../src/uplink/connection.ts'
import { broker, copyOf, Line } from './broker.ts'

/** Stands where the session opens its connection: a line to the simulated broker. `key` names the box. */
export function openConnection(address: Address, listen: string, events: ConnectionEvents): Connection {
  const line = new Line(address.key, listen, events)
  broker().connect(line)
  return {
    publish: (topic, payload) => broker().publish(line, { topic, payload: copyOf(payload) }),
    close: async () => {
      line.isOpen = false
      broker().lines.delete(line)
    },
  }
}
