import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A piece of line behind which the server may restart. */
export interface PatientLine {
  port: number
  close(): Promise<void>
}

const againMs = 20
const patienceMs = 15_000

/**
 * Passes bytes on to a port, and holds whoever comes while nobody listens there. The gateways of a scene come back
 * as soon as their server is up again: each failed try would double their wait for the next one.
 */
export function startPatientLine(target: number): Promise<PatientLine> {
  const open = new Set<Socket>()
  const keep = (socket: Socket): void => {
    open.add(socket)
    socket.setNoDelay(true)
    socket.on('close', () => open.delete(socket))
  }
  const join = (from: Socket, until: number): void => {
    if (from.destroyed) return
    const to = connect(target, '127.0.0.1')
    let joined = false
    to.on('error', () => {
      // once it was joined, its end is told by 'close'
      if (joined) return
      if (Date.now() > until) from.destroy()
      else setTimeout(() => join(from, until), againMs)
    })
    to.once('connect', () => {
      joined = true
      keep(to)
      from.pipe(to)
      to.pipe(from)
      to.on('close', () => from.destroy())
      from.on('close', () => to.destroy())
      if (from.destroyed) to.destroy()
    })
  }
  const server = createServer(from => {
    keep(from)
    from.on('error', () => from.destroy())
    join(from, Date.now() + patienceMs)
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise(done => {
            server.close(() => done())
            for (const socket of open) socket.destroy()
          }),
      }),
    )
  })
}
