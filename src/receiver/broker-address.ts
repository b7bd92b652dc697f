import { isIP } from 'node:net'
import { usage } from '../base/output.ts'

const hostGrammar = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/
const brokerGrammar = /^mqtts:\/\/(?:\[([0-9a-f:]+)\]|([a-z0-9.-]+)):(\d{1,5})$/

/** A host name or address as it was typed. Fault `usage`. */
export function readHost(text: string): string {
  const host = text.toLowerCase()
  if (isIP(host) === 0 && !hostGrammar.test(host)) {
    throw usage(`${text} is neither a host name nor an address`, 'a name alone, without mqtts:// and port')
  }
  return host
}

/** A port as it was typed. Fault `usage`. */
export function readPort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port
  throw usage(`port is 1 to 65535, not ${text}`)
}

/** The address of a broker as it was typed: mqtts://host:port. Fault `usage`. */
export function readBroker(url: string): string {
  const port = Number(brokerGrammar.exec(url)?.[3])
  if (port >= 1 && port <= 65_535) return url
  throw usage(`${url} is no broker`, 'mqtts://host:port')
}

/** Host and port of a broker's address; an IPv6 address without its brackets. */
export function hostIn(url: string): { host: string; port: number } {
  const [, address, name, port] = brokerGrammar.exec(url) ?? []
  return { host: address ?? name ?? '', port: Number(port) }
}
