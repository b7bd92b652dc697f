import * as http from 'node:http'
import * as https from 'node:https'
import { isIPv4 } from 'node:net'
import { codeOf } from '../base/fault.ts'
import { readSecretFile } from '../base/files.ts'
import { usage } from '../base/output.ts'

/** How long an address may take to answer. */
export const webhookMs = 10_000
/** Bytes of an answer's headers; its body is not read. */
const headerLimit = 16_384
const urlLimit = 2048

/** Whether a host of a URL is this machine. */
const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))

/**
 * The address of `--on-flag-url`: HTTPS, or HTTP to this machine. A path names a file of mode 0600 that holds
 * the address, for one that is a secret: a command line may be read by everybody on the machine.
 */
export function readUrl(text: string): URL {
  const typed = text.startsWith('/') ? readSecretFile(text, 'file.missing').toString('utf8').trim() : text
  // an address may be a secret, and is not quoted
  if (typed.length > urlLimit || !URL.canParse(typed)) {
    throw usage('--on-flag-url is no address', '--on-flag-url https://alerts.example.org/vitalgate')
  }
  const url = new URL(typed)
  if (url.username !== '' || url.password !== '') {
    throw usage(
      '--on-flag-url holds a name or password',
      'put a secret into the path, and the address into a file',
    )
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return url
  throw usage(`--on-flag-url is neither https nor on this machine (${url.origin})`, 'use an https:// address')
}

/**
 * Posts `line` to an address. Only a status of 200 to 299 means that it was told; redirects are not followed.
 * Gives why it was not, or undefined. Never rejects, never hangs.
 */
export function tellUrl(
  url: URL,
  line: string,
  signal: AbortSignal,
  timeoutMs = webhookMs,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const { request } = url.protocol === 'https:' ? https : http
  const late = AbortSignal.timeout(timeoutMs)
  const asked = request(url, {
    method: 'POST',
    agent: false,
    signal: AbortSignal.any([signal, late]),
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(line),
      'user-agent': 'vitalgate-receiver',
    },
    maxHeaderSize: headerLimit,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  } satisfies https.RequestOptions)
  asked.on('response', answer => {
    const status = answer.statusCode ?? 0
    resolve(status >= 200 && status <= 299 ? undefined : `address answered with status ${status}`)
    // nothing in its body concerns us, however long it is
    answer.on('error', () => undefined)
    answer.destroy()
  })
  asked.on('error', error => {
    if (late.aborted) resolve(`address did not answer within ${timeoutMs / 1000} s`)
    else if (signal.aborted) resolve('receiver was stopped')
    else resolve(`address cannot be reached (${codeOf(error) ?? 'unknown error'})`)
  })
  asked.on('close', () => resolve('address closed the connection without an answer'))
  asked.end(line)
  return promise
}
