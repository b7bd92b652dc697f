import type { IncomingMessage, ServerResponse } from 'node:http'
import type { z } from 'zod'
import { textOf } from '../base/bytes.ts'
import { checked } from '../base/check.ts'
import { Fault } from '../base/fault.ts'
import { bodyLimit, type CallName, calls, type Handlers, type StreamName, streams } from './api.ts'

/** Answers one request. A fault of it is answered by who called it. */
export type Answer = (
  handlers: Handlers,
  request: IncomingMessage,
  response: ServerResponse,
  end: AbortSignal,
) => Promise<void>

/** What answers a request, and whether it goes on until somebody leaves. */
export interface Route {
  answer: Answer
  stream: boolean
}

/** Bytes that a stream may have on their way before its reader counts as gone. */
const lagLimit = 1_048_576

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > bodyLimit) throw new Fault('input.invalid', `body is larger than ${bodyLimit} bytes`)
    chunks.push(chunk)
  }
  if (length === 0) return {}
  try {
    return JSON.parse(textOf(Buffer.concat(chunks)))
  } catch (cause) {
    throw new Fault('input.invalid', 'body is not JSON', { cause })
  }
}

/** Answers a question that has one answer. */
const answerCall =
  (name: CallName, inPath: Record<string, string>): Answer =>
  async (handlers, request, response) => {
    const given = await readBody(request)
    const whole = typeof given === 'object' ? { ...given, ...inPath } : given
    const body = checked(calls[name].body as z.ZodType, whole, 'request', 'input.invalid')
    const answer = await (handlers[name] as (body: unknown) => Promise<unknown>)(body)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify(answer)}\n`)
  }

/** Answers line by line until the handler is done, the client leaves or the daemon ends. */
const answerStream =
  (name: StreamName): Answer =>
  async (handlers, request, response, end) => {
    const schema = streams[name].body as z.ZodType
    const body = checked(schema, await readBody(request), 'request', 'input.invalid')
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const send = (line: object) => {
      if (response.writableLength > lagLimit) response.destroy()
      if (!response.destroyed) response.write(`${JSON.stringify(line)}\n`)
    }
    response.setHeader('content-type', 'application/x-ndjson')
    const handler = handlers[name] as (body: unknown, send: unknown, end: AbortSignal) => Promise<void>
    const over = handler(body, send, AbortSignal.any([end, gone.signal]))
    if (!response.headersSent) response.flushHeaders()
    await over
    response.end()
  }

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new Fault('input.invalid', 'path is not properly encoded', { cause })
  }
}

/** The members that a path's `:name` parts stand for, or undefined if the path is another. */
function match(pattern: string, path: string): Record<string, string> | undefined {
  const [known, given] = [pattern.split('/'), path.split('/')]
  if (known.length !== given.length) return undefined
  const members: Record<string, string> = {}
  for (const [at, part] of known.entries()) {
    const text = given[at]!
    if (part.startsWith(':')) members[part.slice(1)] = decoded(text)
    else if (part !== text) return undefined
  }
  return members
}

/** What answers a request, by its method and path. Fault `input.invalid` if nothing does. */
export function findRoute({ method = '', url = '' }: IncomingMessage): Route {
  for (const [name, call] of Object.entries(calls)) {
    const members = match(call.path, url)
    if (call.method !== method || members === undefined) continue
    return { answer: answerCall(name as CallName, members), stream: false }
  }
  for (const [name, stream] of Object.entries(streams)) {
    if (stream.method !== method || stream.path !== url) continue
    return { answer: answerStream(name as StreamName), stream: true }
  }
  throw new Fault('input.invalid', `nothing answers ${method} ${url.slice(0, 80)}`)
}
