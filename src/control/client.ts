import { type IncomingMessage, request } from 'node:http'
import type { z } from 'zod'
import { checked } from '../base/check.ts'
import { codeOf, Fault, type FaultCode } from '../base/fault.ts'
import { isThere } from '../base/files.ts'
import {
  type CallAnswer,
  type CallBody,
  type CallName,
  calls,
  faultAnswer,
  type StreamBody,
  type StreamLine,
  type StreamName,
  streams,
} from './api.ts'

/** Asks the daemon at its control socket. Faults are the daemon's own, `control.absent` or `permission`. */
export interface Client {
  /** Asks a question that has one answer. */
  ask<K extends CallName>(name: K, body: CallBody<K>, end?: AbortSignal): Promise<CallAnswer<K>>
  /** Begins a stream and resolves once the daemon has begun it; then its lines come. */
  follow<K extends StreamName>(
    name: K,
    body: StreamBody<K>,
    end?: AbortSignal,
  ): Promise<AsyncIterable<StreamLine<K>>>
}

/** How long a daemon may take to say something before it counts as stuck, milliseconds. */
const patienceMs = 120_000

/** Largest answer that is taken, bytes. */
const answerLimit = 8_388_608

function connectionFault(error: unknown, path: string): Fault {
  const code = codeOf(error)
  if (code === 'ABORT_ERR') return new Fault('interrupted', 'interrupted', { cause: error })
  if (code === 'EACCES' || code === 'EPERM') {
    return new Fault('permission', `the control socket ${path} may not be used by this user`, {
      hint: 'type it again with sudo',
      cause: error,
    })
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new Fault('control.absent', `the daemon is not running (no answer at ${path})`, {
      hint: 'start it: systemctl start vitalgate (or vitalgate run, in a terminal of its own)',
      cause: error,
    })
  }
  return new Fault('control.absent', `the daemon went away before it answered (${code ?? 'unknown error'})`, {
    hint: 'see the journal: journalctl -u vitalgate',
    cause: error,
  })
}

/** The fault that a fault answer stands for; both ends are the same program, so the code is one of ours. */
function faultIn(value: unknown): Fault | undefined {
  const { success, data } = faultAnswer.safeParse(value)
  if (!success) return undefined
  const { code, message, hint } = data.error
  return new Fault(code as FaultCode, message, hint === undefined ? {} : { hint })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Fault('control.refused', 'the daemon answered with something that is not JSON', { cause })
  }
}

const open = (
  path: string,
  { method, url, body }: { method: string; url: string; body: object },
  end: AbortSignal | undefined,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const text = method === 'POST' ? JSON.stringify(body) : ''
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const signal = end === undefined ? {} : { signal: end }
    const asked = request({ socketPath: path, method, path: url, headers, agent: false, ...signal }, resolve)
    asked.setTimeout(patienceMs, () => asked.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })))
    asked.once('error', error => reject(connectionFault(error, path)))
    asked.end(text)
  })

async function readAll(answer: IncomingMessage, path: string): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length > answerLimit) break
    }
  } catch (error) {
    throw connectionFault(error, path)
  }
  if (length > answerLimit) throw new Fault('control.refused', 'the daemon answered without end')
  return Buffer.concat(chunks).toString('utf8')
}

/** The lines of an answer as they come; a rest without line end is one that was cut off. */
async function* textLines(answer: IncomingMessage): AsyncGenerator<string> {
  let held = ''
  answer.setEncoding('utf8')
  for await (const text of answer as AsyncIterable<string>) {
    const lines = (held + text).split('\n')
    held = lines.pop()!
    if (held.length > answerLimit) throw new Fault('control.refused', 'the daemon sent a line without end')
    yield* lines
  }
}

async function* linesOf<T>(
  answer: IncomingMessage,
  schema: z.ZodType<T>,
  path: string,
  end: AbortSignal | undefined,
): AsyncGenerator<T> {
  try {
    for await (const text of textLines(answer)) {
      const value = parsed(text)
      const fault = faultIn(value)
      if (fault !== undefined) throw fault
      yield checked(schema, value, 'answer', 'control.refused')
    }
  } catch (error) {
    if (error instanceof Fault) throw error
    // an answer that is broken off on purpose ends with the same error as one that broke
    throw connectionFault(end?.aborted === true ? { code: 'ABORT_ERR' } : error, path)
  }
}

/** The path with the members that its `:name` parts take out of the body. */
const fill = (path: string, body: object): string =>
  path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(body[name as keyof typeof body])))

/** A client of the first of these sockets that is there. Nothing is opened before something is asked. */
export function connectControl(places: readonly [string, ...string[]]): Client {
  const path = places.find(isThere) ?? places[0]
  return {
    async ask<K extends CallName>(name: K, body: CallBody<K>, end?: AbortSignal) {
      const call = calls[name]
      const answer = await open(path, { method: call.method, url: fill(call.path, body), body }, end)
      const value = parsed(await readAll(answer, path))
      const fault = faultIn(value)
      if (fault !== undefined) throw fault
      return checked(call.answer as unknown as z.ZodType<CallAnswer<K>>, value, 'answer', 'control.refused')
    },
    async follow<K extends StreamName>(name: K, body: StreamBody<K>, end?: AbortSignal) {
      const stream = streams[name]
      const answer = await open(path, { method: stream.method, url: stream.path, body }, end)
      if (answer.statusCode !== 200) {
        const fault = faultIn(parsed(await readAll(answer, path)))
        throw fault ?? new Fault('control.refused', `the daemon answered with status ${answer.statusCode}`)
      }
      return linesOf(answer, stream.line as unknown as z.ZodType<StreamLine<K>>, path, end)
    },
  }
}
