import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { exitOf } from '../../src/base/output.ts'
import type { Handlers, Taken } from '../../src/control/api.ts'
import { connectControl } from '../../src/control/client.ts'
import { type Control, serve } from '../../src/control/serve.ts'
import { fakeHandlers, status } from './handlers.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-control-'))
const path = join(folder, 'control.sock')
let control: Control | undefined
const bugs: unknown[] = []
afterEach(async () => {
  await control?.stop()
  control = undefined
  bugs.length = 0
})
afterAll(() => rmSync(folder, { recursive: true }))

const begin = async (own: Partial<Handlers> = {}) => {
  control = await serve(path, fakeHandlers(own), error => bugs.push(error))
  return connectControl([path])
}

const fault = async (act: Promise<unknown>): Promise<Fault> => {
  try {
    await act
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Asks without the client, as anybody could. */
const raw = (method: string, url: string, body = ''): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, method, path: url, agent: false }, answer => {
      let text = ''
      answer.on('data', chunk => {
        text += String(chunk)
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      answer.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })

test('a question is answered, at a socket for its owner only', async () => {
  const client = await begin()
  expect(await client.ask('status', {})).toEqual(status)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  await control?.stop()
  expect(existsSync(path)).toBe(false)
})

test('a member in the path arrives as it was meant', async () => {
  const client = await begin()
  expect(await client.ask('removeDevice', { id: 'a/b c' })).toEqual({ removed: 'a/b c' })
})

test('a fault of the daemon is the fault of the client, with code, message and hint', async () => {
  const client = await begin()
  const { code, message, hint } = await fault(client.ask('outbox', {}))
  expect([code, message, hint]).toEqual([
    'identity.unprovisioned',
    'this box has no route yet',
    'provision it first',
  ])
  expect(
    (await fault(client.follow('verify', {}).then(lines => lines[Symbol.asyncIterator]().next()))).code,
  ).toBe('identity.unprovisioned')
})

test('a bug is told to the daemon, and nothing of it to the client', async () => {
  const bug = new TypeError('seed 123')
  const client = await begin({
    status: async () => {
      throw bug
    },
  })
  const told = await fault(client.ask('status', {}))
  expect(told.message).toBe('the daemon met a bug in itself')
  expect(bugs).toEqual([bug])
})

test.each([
  ['GET', '/nowhere', '', 400, 'nothing answers GET /nowhere'],
  ['POST', '/status', '', 400, 'nothing answers POST /status'],
  ['DELETE', '/devices/%', '', 400, 'path is not properly encoded'],
  ['POST', '/devices', '{', 400, 'body is not JSON'],
  ['POST', '/devices', '[]', 400, 'request has'],
  ['POST', '/devices', '{"id":"a","more":1}', 400, 'more: unknown name'],
  ['POST', '/devices', ' '.repeat(262_145), 400, 'body is larger than 262144 bytes'],
  ['POST', '/provision/verify', '{"a":1}', 400, 'a: unknown name'],
])('%s %s %#: refused with a reason', async (method, url, body, code, message) => {
  await begin()
  const answer = await raw(method, url, body)
  expect(answer.status).toBe(code)
  expect(JSON.parse(answer.text).error.message).toContain(message)
  expect(bugs).toEqual([])
})

const one = (seq: number): Taken => ({
  device: 'scale-1',
  hash: 'ab'.repeat(32),
  epoch: '00'.repeat(8),
  seq,
  at: 1,
})

test('whoever follows misses nothing that was taken after the stream began', async () => {
  let say: (line: Taken) => void = () => {}
  const client = await begin({
    taken: (_body, send, end) => {
      say = send
      return new Promise(resolve => end.addEventListener('abort', () => resolve()))
    },
  })
  const lines = (await client.follow('taken', {}))[Symbol.asyncIterator]()
  say(one(1))
  say(one(2))
  expect((await lines.next()).value).toEqual(one(1))
  expect((await lines.next()).value).toEqual(one(2))
  await control?.stop()
  expect((await lines.next()).done).toBe(true)
})

test('a follower who leaves is told to the handler', async () => {
  let left: () => void = () => {}
  const gone = new Promise<void>(resolve => {
    left = resolve
  })
  const client = await begin({
    taken: (_body, send, end) => {
      send(one(1))
      return new Promise(resolve =>
        end.addEventListener('abort', () => {
          left()
          resolve()
        }),
      )
    },
  })
  const stop = new AbortController()
  const lines = (await client.follow('taken', {}, stop.signal))[Symbol.asyncIterator]()
  expect((await lines.next()).value).toEqual(one(1))
  stop.abort()
  expect((await fault(lines.next())).code).toBe('interrupted')
  await gone
})

test('a follower who does not read is dropped instead of filling the memory', async () => {
  let say: (line: Taken) => void = () => {}
  const dropped = new Promise<void>(resolve => {
    void begin({
      taken: (_body, send, end) => {
        say = send
        return new Promise(done =>
          end.addEventListener('abort', () => {
            resolve()
            done()
          }),
        )
      },
    }).then(() => {
      const idle = connect(path, () => idle.write('GET /taken HTTP/1.1\r\nHost: x\r\n\r\n'))
      idle.once('readable', () => {
        for (let seq = 0; seq < 40_000; seq++) say(one(seq))
      })
      idle.on('error', () => {})
    })
  })
  await dropped
})

test('followers leave room for questions: the seventeenth is refused, until one of the others leaves', async () => {
  const client = await begin({
    taken: (_body, _send, end) => new Promise(resolve => end.addEventListener('abort', () => resolve())),
  })
  const leave = Array.from({ length: 16 }, () => new AbortController())
  for (const one of leave) await client.follow('taken', {}, one.signal)
  for (let n = 0; n < 80; n++) {
    const told = await fault(client.follow('taken', {}))
    expect([told.code, told.hint]).toEqual(['control.refused', 'end one of them first'])
  }
  expect(await client.ask('status', {})).toEqual(status)
  leave[0]?.abort()
  const again = async (): Promise<unknown> => {
    try {
      return await client.follow('taken', {})
    } catch {
      return again()
    }
  }
  expect(await again()).toBeDefined()
})

test('a fault in the middle of a stream is its last line', async () => {
  const client = await begin({
    verify: async (_body, send) => {
      send({ step: 'connecting', detail: 'x' })
      throw new Fault('server.refused', 'the server holds this box')
    },
  })
  const lines = (await client.follow('verify', {}))[Symbol.asyncIterator]()
  expect((await lines.next()).value).toEqual({ step: 'connecting', detail: 'x' })
  const told = await fault(lines.next())
  expect([told.code, exitOf(told)]).toEqual(['server.refused', 12])
})

test('no daemon: control.absent, exit 10, and how to start it', async () => {
  const told = await fault(connectControl([join(folder, 'none.sock')]).ask('status', {}))
  expect([told.code, exitOf(told)]).toEqual(['control.absent', 10])
  expect(told.hint).toContain('systemctl start vitalgate')
})

test('a daemon that goes away in the middle of an answer is told', async () => {
  const client = await begin({
    status: async () => {
      for (const one of sockets) one.destroy()
      return status
    },
  })
  const sockets: { destroy(): void }[] = []
  const { createServer } = await import('node:net')
  const between = join(folder, 'between.sock')
  const proxy = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.pipe(connect(path)).on('error', () => {})
  }).listen(between)
  expect((await fault(connectControl([between]).ask('status', {}))).code).toBe('control.absent')
  await new Promise(resolve => proxy.close(resolve))
  expect(client).toBeDefined()
})

test('an answer that is not of the contract is refused', async () => {
  const client = await begin({ status: async () => ({ ...status, more: 1 }) })
  expect((await fault(client.ask('status', {}))).message).toContain('more: unknown name')
})

test('a socket that a crash left is replaced; a living one and a file are not touched', async () => {
  const crashed = spawnSync('/usr/bin/perl', [
    '-MIO::Socket::UNIX',
    '-e',
    'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die',
    path,
  ])
  expect(crashed.status).toBe(0)
  expect(existsSync(path)).toBe(true)
  await begin()
  expect((await fault(serve(path, fakeHandlers(), () => {}))).message).toContain('another daemon answers')
  expect((await raw('GET', '/status')).status).toBe(200)
  const file = join(folder, 'file')
  writeFileSync(file, 'kept')
  expect((await fault(serve(file, fakeHandlers(), () => {}))).message).toContain('is no socket')
  expect(readFileSync(file, 'utf8')).toBe('kept')
})
