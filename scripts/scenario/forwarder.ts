import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A piece of network between the gateway and the broker that somebody else controls. */
export interface Forwarder {
  port: number
  /** Sends new connections to this port and cuts the old ones. */
  redirect(port: number): void
  close(): Promise<void>
}

/** Starts passing bytes on, loopback only. */
export function startForwarder(): Promise<Forwarder> {
  let target = 0
  const open = new Set<Socket>()
  const server: Server = createServer(from => {
    if (target === 0) return from.destroy()
    const to = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one)
      one.setNoDelay(true)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        redirect(port) {
          target = port
          for (const socket of open) socket.destroy()
        },
        close: () =>
          new Promise(done => {
            server.close(() => done())
            for (const socket of open) socket.destroy()
          }),
      })
    })
  })
}

/** A port that nobody uses now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
