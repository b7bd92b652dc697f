import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { codeOf, Fault } from '../base/fault.ts'
import { answerFault, type Bug } from './answer.ts'
import type { Handlers } from './api.ts'
import { findRoute } from './routes.ts'

/** A control socket that answers. `stop` ends its streams and resolves when the last answer is out. */
export interface Control {
  path: string
  stop(): Promise<void>
}

/** Connections at a time, and how many of them may be streams: the rest is for questions. */
const connectionLimit = 64
const streamLimit = 16

const tooMany = (): Fault =>
  new Fault('control.refused', `${streamLimit} programs follow the daemon already`, {
    hint: 'end one of them first',
  })

/** Whether somebody answers at a socket. */
const answers = (path: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', error => {
      if (codeOf(error) === 'ECONNREFUSED' || codeOf(error) === 'ENOENT') resolve(false)
      else
        reject(
          new Fault('control.refused', `${path} cannot be looked at (${codeOf(error)})`, { cause: error }),
        )
    })
  })

/** Clears the way of a socket that a crash left. Touches nothing that is no socket, or still answers. */
async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new Fault('control.refused', `${path} is there and is no socket`, {
      hint: 'move it away, or name another place: control.socket in vitalgate.toml',
    })
  }
  if (await answers(path)) {
    throw new Fault('control.refused', `another daemon answers at ${path}`, {
      hint: 'stop it first: systemctl stop vitalgate',
    })
  }
  unlinkSync(path)
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', cause =>
      reject(new Fault('control.refused', `no socket can be made at ${path} (${codeOf(cause)})`, { cause })),
    )
    // the socket is made within this call: at no moment may anybody but the owner connect
    const before = process.umask(0o177)
    try {
      server.listen(path, resolve)
    } finally {
      process.umask(before)
    }
  })
}

/**
 * Answers at a Unix socket of mode 0600. A handler's Fault becomes the answer; whatever else it throws is
 * given to `bug`. Fault `control.refused` if the path is taken or cannot be made.
 */
export async function serve(path: string, handlers: Handlers, bug: Bug): Promise<Control> {
  await clear(path)
  const end = new AbortController()
  let open = 0
  const act = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { answer, stream } = findRoute(request)
    if (!stream) return answer(handlers, request, response, end.signal)
    if (open === streamLimit) throw tooMany()
    open++
    try {
      await answer(handlers, request, response, end.signal)
    } finally {
      open--
    }
  }
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 1_000, maxHeaderSize: 8192 },
    (request, response) => {
      act(request, response).catch((error: unknown) => answerFault(response, error, bug))
    },
  )
  server.maxConnections = connectionLimit
  await listen(server, path)
  chmodSync(path, 0o600)
  return {
    path,
    stop: () =>
      new Promise(resolve => {
        end.abort()
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}
