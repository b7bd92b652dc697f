import { isIP, isIPv6 } from 'node:net'
import { normalize } from 'node:path'
import { Fault } from './fault.ts'
import { plainWord } from './plain.ts'

/** Where a device is reached: a serial port of this machine, a serial device server, or by radio. */
export type Address =
  | { kind: 'serial'; path: string }
  /** `host` is a name, an IPv4 address, or an IPv6 address without brackets. */
  | { kind: 'tcp'; host: string; port: number }
  | { kind: 'ble'; address: string }

/** Longest name of a port, characters. */
const longest = 255

/** What a name of a port must be, in words that go on after the name of a member. */
export const addressForms =
  'must be a path such as /dev/ttyUSB0, or tcp://HOST:PORT, or ble://AA:BB:CC:DD:EE:FF'

/** The one spelling of a host; undefined where it is none. */
function hostOf(text: string): string | undefined {
  const bracketed = /^\[([0-9A-Fa-f:.]+)\]$/.exec(text)?.[1]
  if (bracketed !== undefined) {
    // ::1 and 0:0:0:0:0:0:0:1 are one host
    return isIPv6(bracketed) ? new URL(`http://[${bracketed}]`).hostname.slice(1, -1) : undefined
  }
  if (isIP(text) === 4) return text
  const host = text.toLowerCase()
  const labels = host.split('.')
  // What ends in a number is an address or a slip: resolvers read 010.0.0.1 as 8.0.0.1.
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) return undefined
  return labels.every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)) ? host : undefined
}

function tcpOf(rest: string): Address | undefined {
  const [, hostText = '', portText = ''] = /^(.+):([1-9]\d{0,4})$/.exec(rest) ?? []
  const host = hostOf(hostText)
  const port = Number(portText)
  return host === undefined || port < 1 || port > 65535 ? undefined : { kind: 'tcp', host, port }
}

/**
 * What a name of a port means, in one spelling for one place: paths without detours, hosts in lower case,
 * BLE addresses in upper case. Undefined where it is no such name.
 */
export function addressOf(text: string): Address | undefined {
  if (text.length > longest) return undefined
  if (/^\/[\x21-\x7e]+$/.test(text)) {
    const path = normalize(text)
    return path === '/' ? undefined : { kind: 'serial', path }
  }
  if (text.startsWith('tcp://')) return tcpOf(text.slice(6))
  if (/^ble:\/\/([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$/.test(text)) {
    return { kind: 'ble', address: text.slice(6).toUpperCase() }
  }
  return undefined
}

/** What a name of a port means. Fault `input.invalid` that shows the three forms. */
export function parseAddress(text: string): Address {
  const found = addressOf(text)
  if (found !== undefined) return found
  const shown = plainWord(text.length > 100 ? `${text.slice(0, 100)}…` : text)
  const tcp = { hint: 'HOST is a name, an IPv4 address, or an IPv6 address in brackets; PORT is 1 to 65535' }
  throw new Fault(
    'input.invalid',
    `port ${addressForms} (got "${shown}")`,
    text.startsWith('tcp:') ? tcp : {},
  )
}

/** The name of a port, as people write it: what `parseAddress` understands. */
export function addressText(address: Address): string {
  if (address.kind === 'serial') return address.path
  if (address.kind === 'ble') return `ble://${address.address}`
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host
  return `tcp://${host}:${address.port}`
}

/** Names that udev keeps by the serial number of an adapter, and by the socket it is plugged into. */
const [byId, byPath] = ['/dev/serial/by-id/', '/dev/serial/by-path/']

/** Whether what a port is bound to is a serial number, which only the adapter that is there tells. */
export const isBySerial = (path: string): boolean => path.startsWith(byId)

/**
 * What a port is bound to (WIRE 6.6): the same as long as it means the same device. `serial` is the serial number of
 * the adapter that is there, for a name that udev keeps by it; undefined where it is needed and not known.
 */
export function portIdentity(address: Address, serial?: string): string | undefined {
  if (address.kind === 'ble') return `ble:${address.address}`
  if (address.kind === 'tcp') return addressText(address)
  const { path } = address
  if (isBySerial(path)) return serial === undefined ? undefined : `serial:${serial}`
  return path.startsWith(byPath) ? `usb:${path.slice(byPath.length)}` : `path:${path}`
}
