import { type ChildProcess, spawn } from 'node:child_process'
import { createPrivateKey, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, jest, test } from '@jest/globals'
import { freePort } from '../../scripts/scenario/forwarder.ts'
import { until } from '../../scripts/scenario/program.ts'
import { bytesOf, unbase64url } from '../../src/base/bytes.ts'
import { readSecret } from '../../src/base/keyfile.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { places } from '../../src/identity/places.ts'
import { ownLock, paths, readSecrets } from '../../src/receiver/state.ts'
import { type Canary, type Place, sightings } from './search.ts'

// What other users of a machine, and whoever reads /proc of the own user, see of every process of both programs.
jest.setTimeout(180_000)

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-visible-'))
const gateway = join(folder, 'gateway')
const receiver = join(folder, 'receiver')
const passphrase = randomBytes(16).toString('hex')
const running: ChildProcess[] = []
afterAll(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
})

let started = 0
const program = (name: string) => fileURLToPath(new URL(`../../scripts/${name}`, import.meta.url))

/**
 * Starts a program as it is typed, and notes arguments and environment of every process that comes of it. strace
 * runs beside it (-D), so that the program's process is the child itself and gets our signals.
 */
function begin(name: string, words: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const trace = join(folder, `trace-${started++}`)
  const tracing = ['-D', '-f', '-qq', '-v', '-xx', '-s', '1000000', '-e', 'trace=execve', '-o', trace]
  const child = spawn('strace', [...tracing, program(name), ...words], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  return child
}

/** Types one command to its end; its stdout. */
async function type(name: string, words: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = begin(name, words, env)
  let out = ''
  let err = ''
  child.stdout?.on('data', chunk => {
    out += String(chunk)
  })
  child.stderr?.on('data', chunk => {
    err += String(chunk)
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${name} ${words.join(' ')} ended with ${String(code)}: ${err}`)
  return out
}

/** Starts a daemon and waits for a word of its stderr. */
async function startDaemon(name: string, words: string[], ready: string): Promise<ChildProcess> {
  const child = begin(name, words)
  let err = ''
  child.stderr?.on('data', chunk => {
    err += String(chunk)
  })
  await until(`${name} ready`, 60_000, () => {
    if (child.exitCode !== null) throw new Error(err)
    return err.includes(ready)
  })
  return child
}

/** Arguments and environments in a trace: strace writes every string in hex (-xx), each argument by itself. */
function traced(name: string): Place {
  const text = readFileSync(join(folder, name), 'utf8')
  if (text.includes('"...')) throw new Error(`${name} was cut`)
  const strings = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
    hex.replaceAll('\\x', ''),
  )
  return { name, bytes: Buffer.from(strings.join('00'), 'hex') }
}

const traces = (): Place[] =>
  readdirSync(folder)
    .filter(name => name.startsWith('trace-'))
    .map(traced)

/** What /proc shows of a running process (proc(5)). */
const shown = (child: ChildProcess): Place[] =>
  ['cmdline', 'environ'].map(name => ({
    name: `${name} of ${child.pid}`,
    bytes: readFileSync(`/proc/${child.pid}/${name}`),
  }))

/** Every secret of the box, of the server and of the registry. */
function secrets(): Canary[] {
  const keys = readKeys(gateway)
  const lock = ownLock(receiver)
  const server = readSecrets(receiver, 'server', lock)
  const scalar = (pem: string) => unbase64url(createPrivateKey(pem).export({ format: 'jwk' }).d as string)
  const seed = (which: 'root' | 'successor' | 'operator') =>
    unbase64url(readSecrets(receiver, which, which === 'operator' ? lock : { passphrase }).seed)
  const named: [string, Uint8Array][] = [
    ['signing seed', keys.signSeed],
    ['box key', Uint8Array.from(keys.box.secret.export({ format: 'der', type: 'pkcs8' })).slice(-32)],
    ['TLS key', scalar(keys.tlsKey)],
    ['secret file of the box', readSecret(places(gateway).secret)],
    ['secret file of the receiver', readSecret(paths(receiver).secret)],
    ['server box key', unbase64url(server.box)],
    ['receipt key', unbase64url(server.receipt)],
    ['command key', unbase64url(server.command)],
    ['broker TLS key', scalar(server.brokerKey)],
    ['receiver TLS key', scalar(server.clientKey)],
    ['CA key', scalar(readSecrets(receiver, 'authority', lock).key)],
    ['operator key', seed('operator')],
    ['root key', seed('root')],
    ['successor key', seed('successor')],
    ['passphrase', bytesOf(passphrase)],
  ]
  return named.map(([name, bytes]) => ({ name, bytes }))
}

test('no process of either program has a secret among its arguments or in its environment', async () => {
  const typed = join(folder, 'passphrase')
  const request = join(folder, 'request.json')
  writeFileSync(typed, `${passphrase}\n`, { mode: 0o600 })
  const r = (...words: string[]) => type('vitalgate-receiver', ['--state', receiver, ...words])
  const g = (...words: string[]) => type('vitalgate', ['--state', gateway, ...words])

  const port = String(await freePort())
  const init = await r('init', '--host', 'localhost', '--port', port, '--passphrase-file', typed, '--json')
  const server = await startDaemon('vitalgate-receiver', ['--state', receiver, 'run'], 'ready')
  const box = await startDaemon('vitalgate', ['--state', gateway, 'run'], '"ready"')
  const asked = JSON.parse(await g('provision', 'request', '--out', request, '--json'))
  const words = ['--words', asked.words.join(' '), '--passphrase-file', typed]
  await r('registry', 'enrol', request, '--site', 'test', '--out', folder, ...words)
  const bundle = join(folder, `${asked.gateway}.bundle.json`)
  await g('provision', 'accept', bundle, '--root-words', JSON.parse(init).words.join(' '))
  await g('provision', 'verify')
  await g('status')
  await g('outbox', 'verify')
  await g('config', 'check')
  await r('registry', 'list')
  await r('flags', 'list')

  const alive = [...shown(server), ...shown(box)]
  for (const child of [box, server]) {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  }
  const places = [...traces(), ...alive]
  expect(places).toHaveLength(started + 4)
  expect(sightings(places, secrets())).toEqual([])
  // the same search sees what is there: the name of the file with the passphrase, and which commands were typed
  const there = (text: string) => sightings(places, [{ name: text, bytes: bytesOf(text) }]).length
  // (a whole argument, for "enroll" is a word that may stand in a fingerprint: BIP-39's list)
  expect([there(typed), there('\0enrol\0'), there('environ') > 0]).toEqual([2, 1, false])
  expect(there('--disable-sigusr1')).toBe(started + 2)
})

test('a secret in the environment of the shell is found by this search, and does not reach Node.js', async () => {
  await type('vitalgate', ['--version'], { CANARY: passphrase })
  const trace = `trace-${started - 1}`
  const [canary] = [{ name: 'passphrase', bytes: bytesOf(passphrase) }]
  expect(sightings([traced(trace)], [canary!])).toEqual([`${trace}: passphrase, plain`])
  const lines = readFileSync(join(folder, trace), 'utf8').trimEnd().split('\n')
  const hex = [...Buffer.from('CANARY')].map(byte => `\\x${byte.toString(16)}`).join('')
  expect(lines.at(-1)).not.toContain(hex)
})
