import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { readUrl, tellUrl } from '../../src/receiver/alerts-webhook.ts'
import { issueServer, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import { thrownBy } from './fixture.ts'

const line = '{"alert":1}\n'
const never = new AbortController().signal
let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
})

/** An address of a real server on this machine. */
async function listening(made: Server): Promise<number> {
  server = made.listen(0, '127.0.0.1')
  await once(made, 'listening')
  return (made.address() as AddressInfo).port
}
const answering = async (answer: (asked: IncomingMessage, told: ServerResponse) => void): Promise<URL> =>
  readUrl(`http://127.0.0.1:${await listening(createServer(answer))}/alerts?from=here`)

test('https to anywhere, http to this machine alone, and no name or password', () => {
  for (const right of [
    'https://alerts.example.org/x',
    'http://localhost:80/',
    'http://127.0.0.1:9/x',
    'http://127.9.9.9/',
    'http://[::1]:8080/',
  ]) {
    expect(readUrl(right).href).toBe(new URL(right).href)
  }
  for (const wrong of [
    '',
    'alerts.example.org',
    'http://alerts.example.org/',
    'http://127.0.0.1.example.org/',
    'http://localhost.example.org/',
    'http://10.0.0.1/',
    'http://[::2]/',
    'ftp://localhost/',
    'https://user:secret@example.org/',
    `https://example.org/${'x'.repeat(3000)}`,
  ]) {
    expect([wrong.slice(0, 40), thrownBy(() => readUrl(wrong))]).toEqual([wrong.slice(0, 40), 'usage'])
  }
})

test('an address that is a secret comes out of a file that only its owner may read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-alerts-'))
  const file = join(folder, 'address')
  writeFileSync(file, 'https://alerts.example.org/token\n', { mode: 0o600 })
  expect(readUrl(file).href).toBe('https://alerts.example.org/token')
  chmodSync(file, 0o644)
  expect(thrownBy(() => readUrl(file))).toBe('permission')
  expect(thrownBy(() => readUrl(join(folder, 'nowhere')))).toBe('file.missing')
  rmSync(folder, { recursive: true })
})

test('one object is posted, as JSON', async () => {
  const asked = Promise.withResolvers<object>()
  const url = await answering((request, answer) => {
    const { method, headers } = request
    let body = ''
    request.on('data', part => {
      body += String(part)
    })
    request.on('end', () => {
      const [type, length] = [headers['content-type'], headers['content-length']]
      asked.resolve({ method, url: request.url, type, length, body })
      answer.writeHead(204).end()
    })
  })
  expect(await tellUrl(url, line, never)).toBeUndefined()
  expect(await asked.promise).toEqual({
    method: 'POST',
    url: '/alerts?from=here',
    type: 'application/json',
    length: '12',
    body: line,
  })
})

test('an answer that is no success, a redirect included, says that it was not told', async () => {
  let asked = 0
  const url = await answering((_request, answer) => {
    asked++
    answer.writeHead(asked === 1 ? 500 : 307, { location: '/elsewhere' }).end()
  })
  expect(await tellUrl(url, line, never)).toBe('address answered with status 500')
  expect(await tellUrl(url, line, never)).toBe('address answered with status 307')
  expect(asked).toBe(2)
})

test('of an answer without end only the head is waited for', async () => {
  const closed = Promise.withResolvers<void>()
  const url = await answering((_request, answer) => {
    answer.writeHead(200)
    answer.on('close', closed.resolve)
    const more = (): void => {
      if (!answer.destroyed) answer.write('x'.repeat(65_536), () => setImmediate(more))
    }
    more()
  })
  expect(await tellUrl(url, line, never)).toBeUndefined()
  await closed.promise
})

test('a head without end is cut off', async () => {
  const url = await answering((_request, answer) => {
    answer.writeHead(200, { long: 'x'.repeat(20_000) }).end()
  })
  expect(await tellUrl(url, line, never)).toBe('address cannot be reached (HPE_HEADER_OVERFLOW)')
})

test('silence has an end, and so has the receiver', async () => {
  const url = await answering(() => undefined)
  expect(await tellUrl(url, line, never, 200)).toBe('address did not answer within 0.2 s')
  const stop = new AbortController()
  server!.once('request', () => stop.abort())
  expect(await tellUrl(url, line, stop.signal)).toBe('receiver was stopped')
})

test('nobody there, or one who hangs up', async () => {
  const url = await answering(request => request.socket.destroy())
  expect(await tellUrl(url, line, never)).toBe('address cannot be reached (ECONNRESET)')
  server!.close()
  server!.closeAllConnections()
  await once(server!, 'close')
  expect(await tellUrl(url, line, never)).toBe('address cannot be reached (ECONNREFUSED)')
})

test('a server whose certificate nobody vouches for is not told, whatever the environment says', async () => {
  const [authorityKey, key] = [await makeTlsKey(), await makeTlsKey()]
  const authority = {
    key: authorityKey,
    certificate: await makeAuthority(authorityKey, 'nobody', Date.now()),
  }
  const cert = await issueServer(authority, key, ['127.0.0.1'], Date.now())
  let asked = 0
  const made = createTlsServer({ key, cert }, (_request, answer) => {
    asked++
    answer.end()
  })
  const url = readUrl(`https://127.0.0.1:${await listening(made)}/`)
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  try {
    expect(await tellUrl(url, line, never)).toBe(
      'address cannot be reached (UNABLE_TO_VERIFY_LEAF_SIGNATURE)',
    )
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  }
  expect(asked).toBe(0)
})
