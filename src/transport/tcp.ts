import { lookup as systemLookup } from 'node:dns'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { systemClock } from '../base/clock.ts'
import { codeOf, Fault, isFault } from '../base/fault.ts'
import { addressText } from '../base/portname.ts'
import { type Port, after as systemAfter } from './port.ts'
import { type Line, type LineEvents, reopening, type Times, type Way } from './reopening.ts'

/** What tcpPort works with; the machine's own where nothing else is handed in. */
export interface TcpTools extends Times {
  /** Begins a connection; it ends by `connect` or `error`, or when it is destroyed. */
  connect(host: string, port: number): Socket
}

/** How long a connection may take to come up, its name to be looked up included. */
const connectMs = 5000
/** How long bytes may wait for room: a device server that takes none for so long is stuck. */
const writeMs = 5000
/**
 * After so long without a byte the kernel asks whether the other end is still there: ten times, a second
 * apart, as Node sets it (Node net docs, socket.setKeepAlive). It does not ask while bytes of ours are
 * unconfirmed: then it gives up after about 15 minutes (tcp(7), tcp_retries2).
 */
const keepAliveMs = 10_000

/** Lookups cannot be called off: while one is out, whoever asks again waits for the same. */
function once(lookup: LookupFunction): LookupFunction {
  let waiting: Parameters<LookupFunction>[2][] = []
  return (host, options, callback) => {
    waiting.push(callback)
    if (waiting.length > 1) return
    lookup(host, options, (...answer) => {
      const all = waiting
      waiting = []
      for (const one of all) one(...answer)
    })
  }
}

/** Connects as a serial line needs it: small chunks at once, and a silent end is found out. */
export function connector(look: LookupFunction = systemLookup): TcpTools['connect'] {
  const lookup = once(look)
  return (host, port) =>
    connect({ host, port, lookup, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs })
}

/** Where a connection cannot even begin. */
const noWay = new Set([
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
])

const absent = (name: string, host: string, cause?: unknown): Fault =>
  new Fault('port.missing', `no answer from ${name}`, {
    hint: `is the device server switched on, and in this network? try: ping ${host}`,
    cause,
  })

const closed = (name: string): Fault =>
  new Fault('port.gone', `device server closed the connection: ${name}`, {
    hint: 'if it does so again and again, another program may be using it',
  })

/** Why there is no connection, in the words of a person. */
function refusal(name: string, host: string, cause: unknown): Fault {
  if (isFault(cause)) return cause
  const code = codeOf(cause) ?? 'unknown reason'
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') {
    // Missing, not refused: nobody forbids it, there is nothing at this port, like a path without a device.
    // A device server that starts says the same for a while.
    return new Fault('port.missing', `nothing listens at ${name}`, {
      hint: 'the device server is there: look at its port number and mode (raw TCP server), and who else uses it',
      cause,
    })
  }
  if (code === 'ETIMEDOUT') return absent(name, host, cause)
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) {
    return new Fault('port.missing', `name is not known: ${host} (${code})`, {
      hint: 'give the address of the device server instead of its name',
      cause,
    })
  }
  if (noWay.has(code)) {
    return new Fault('port.missing', `there is no way to ${name} (${code})`, {
      hint: `look at the network cable, and at the address of this machine: ip address`,
      cause,
    })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new Fault('port.refused', `connection is not permitted: ${name}`, {
      hint: 'a firewall of this machine forbids it',
      cause,
    })
  }
  return new Fault('port.refused', `port cannot be opened: ${name}`, { hint: code, cause })
}

const lineOf = (socket: Socket): Line => ({
  write: bytes =>
    new Promise((resolve, reject) => {
      socket.write(Buffer.from(bytes), error => (error ? reject(error) : resolve()))
    }),
  pause: paused => void (paused ? socket.pause() : socket.resume()),
  close: () =>
    new Promise(resolve => {
      if (socket.closed) return resolve()
      socket.once('close', () => resolve())
      socket.destroy()
    }),
})

/**
 * A serial device server that is spoken to as raw TCP, and kept connected: when the connection goes, it tries
 * again with waits from 250 ms to 2 s. `host` is a name or an address, an IPv6 address without brackets.
 */
export function tcpPort(host: string, port: number, handed: Partial<TcpTools> = {}): Port {
  const tools: TcpTools = { clock: systemClock, after: systemAfter, connect: connector(), ...handed }
  const name = addressText({ kind: 'tcp', host, port })

  const open = (events: LineEvents, signal: AbortSignal): Promise<Line> =>
    new Promise((resolve, reject) => {
      const socket = tools.connect(host, port)
      let up = false
      const fail = (cause: unknown): void => {
        callOff()
        reject(cause)
        socket.destroy()
      }
      const callOff = tools.after(connectMs, () => fail(absent(name, host)))
      signal.addEventListener('abort', () => fail(signal.reason), { once: true })
      const down = (cause: unknown): void => (up ? events.lost(cause) : fail(cause))
      socket.on('data', (bytes: Buffer) => events.data(bytes))
      socket.on('error', down)
      // Half a connection is none: whatever closed it will not read what we write.
      socket.on('end', () => down(closed(name)))
      socket.on('close', () => down(undefined))
      socket.once('connect', () => {
        callOff()
        up = true
        resolve(lineOf(socket))
      })
    })

  const way: Way = { open, refusal: cause => refusal(name, host, cause), writeMs: () => writeMs }
  return reopening(name, way, tools)
}
