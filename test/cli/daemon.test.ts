import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { base64url, unbase64url } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import type { Handlers, OutboxReport } from '../../src/control/api.ts'
import { type Control, serve } from '../../src/control/serve.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { setUp } from '../../src/driver/setup.ts'
import { addDevice, readDevices, removeDevice } from '../../src/identity/devices.ts'
import { wordsOf } from '../../src/identity/identity.ts'
import { acceptBundle, makeRequest, requestText } from '../../src/identity/provision.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { type Request, verifyRegistry } from '../../src/wire/registry.ts'
import { unpublish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { fakeHandlers, status } from '../control/handlers.ts'
import { makeBundle, makeRegistry, serverId } from '../identity/registry-stand-in.ts'
import { run } from './transcript.ts'

// What the program says to a daemon whose handlers are the identity's own functions.
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-cli-'))
const state = join(folder, 'state')
const socket = join(folder, 'c.sock')
const config = join(folder, 'vitalgate.toml')
writeFileSync(config, `control.socket = "${socket}"\n`)
const registry = makeRegistry()
const own: Partial<Handlers> = {}
let control: Control

beforeAll(async () => {
  const drivers = await loadDrivers()
  const check = (one: { id: string; driver: string; options: object }) => {
    setUp(drivers.of(one.driver).driver, one.options, `options of ${one.id}`, 'config.invalid')
  }
  const clock = { now: () => 1_700_000_000_000, mono: () => 0 }
  const handlers: Handlers = fakeHandlers({
    async request() {
      const { already, identity } = await makeRequest(state, { hardware: 'test', software: '0', clock })
      return { already, gateway: identity.gateway, words: wordsOf(identity), request: requestText(identity) }
    },
    async accept({ bundle, rootWords: words }) {
      const { already, identity } = acceptBundle(state, bundle, words)
      const { binding, entry, server } = identity.route
      const versions = { binding: binding.version, serverEntry: entry.version }
      const { phase, gateway } = identity
      return {
        ...{ already, phase, gateway, server, site: binding.site, brokers: entry.brokers, versions },
        movedFrom: null,
      }
    },
    devices: async () => readDevices(state, check),
    addDevice: async given => addDevice(state, given, check),
    removeDevice: async ({ id }) => ({ removed: removeDevice(state, id).id }),
    status: async () => (own.status ?? (async () => status))({}),
    verify: async (body, send, end) => own.verify?.(body, send, end),
    verifyOutbox: async () => (own.verifyOutbox ?? fakeHandlers().verifyOutbox)({}),
  })
  control = await serve(socket, handlers, error => {
    throw error
  })
})
afterAll(async () => {
  await control.stop()
  rmSync(folder, { recursive: true })
  rmSync(registry.folder, { recursive: true })
})

const vitalgate = (...words: string[]) => run([...words, '--config', config])

test('provisioning by file: request, its words, accept with the root words, each step again', async () => {
  expect((await vitalgate('provision', 'accept', config, '--root-words', 'x')).code).toBe(11)
  const file = join(folder, 'request.json')
  const first = await vitalgate('provision', 'request', '--out', file)
  expect([first.code, first.out]).toEqual([0, ''])
  const statement = unpublish(JSON.parse(readFileSync(file, 'utf8')))
  const { keys } = JSON.parse(Buffer.from(statement.body).toString()) as Request
  const request = verifyRegistry('request', statement, verifyKey(unbase64url(keys.sign)))
  expect(first.err).toMatch(
    new RegExp(`^gateway ${request.gateway}\nrequest written to ${file}\n\n {2}(\\w+ ){5}\\w+\n`),
  )
  const again = await vitalgate('provision', 'request', '--json')
  expect(again.code).toBe(0)
  const told = JSON.parse(again.out)
  expect([told.already, told.gateway, told.request]).toEqual([
    true,
    request.gateway,
    readFileSync(file, 'utf8'),
  ])
  expect(first.err).toContain(`\n  ${told.words.join(' ')}\n`)

  const bundle = join(folder, 'bundle.json')
  writeFileSync(bundle, JSON.stringify(makeBundle(registry, request)))
  const unasked = await vitalgate('provision', 'accept', bundle)
  expect([unasked.code, unasked.err]).toEqual([
    2,
    'vitalgate: error: this needs an answer: the six words of the registry root, as the operator got them\nvitalgate: hint: give --root-words "…", or type them on a terminal\n',
  ])
  const wrong = await vitalgate('provision', 'accept', bundle, '--root-words', 'six words that are not right')
  expect(wrong.code).toBe(1)
  expect(wrong.err).toContain(
    "error: the words are not those of the bundle's registry root\nvitalgate: hint: ",
  )
  const foreign = join(folder, 'foreign.json')
  writeFileSync(foreign, JSON.stringify(makeBundle(registry, request, { gateway: serverId })))
  const words = rootWords(registry.root.publicKey).join(' ')
  const theirs = await vitalgate('provision', 'accept', foreign, '--root-words', words)
  expect(theirs.code).toBe(1)
  expect(theirs.err).toMatch(/error: the bundle is for gateway c+a, this is \w+\nvitalgate: hint: /)
  const done = await vitalgate('provision', 'accept', bundle, '--root-words', words)
  expect([done.code, done.err]).toEqual([0, 'last step: vitalgate provision verify\n'])
  expect(done.out.split('\n').slice(0, 2)).toEqual([
    'bundle accepted',
    `gateway ${request.gateway}, site site-1`,
  ])
  const twice = await vitalgate('provision', 'accept', bundle)
  expect([twice.code, twice.out.split('\n')[0]]).toEqual([0, 'this bundle was already accepted'])
  expect(base64url(registry.root.publicKey)).toBe(JSON.parse(readFileSync(bundle, 'utf8')).root)
})

test('provision verify tells the outcome, or why not', async () => {
  own.verify = async (_body, send) => {
    send({ step: 'handshake', detail: 'x' })
    send({ outcome: { already: false, gateway: 'g', server: 's', roundTripMs: 12 } })
  }
  const done = await vitalgate('provision', 'verify')
  expect([done.code, done.out, done.err]).toEqual([
    0,
    'provisioned: server s signed for a test in 12 ms\n',
    '',
  ])
  own.verify = async (_body, send) => {
    send({ step: 'connecting', detail: 'x' })
    throw new Fault('server.refused', 'the server holds this box', { hint: 'ask the operator' })
  }
  const refused = await vitalgate('provision', 'verify', '--json')
  expect([refused.code, refused.out]).toEqual([12, ''])
  expect(JSON.parse(refused.err).error).toEqual({
    code: 'server.refused',
    message: 'the server holds this box',
    hint: 'ask the operator',
  })
})

test('Ctrl-C ends a command that waits with 130', async () => {
  let waits: () => void = () => {}
  const waiting = new Promise<void>(resolve => {
    waits = resolve
  })
  own.verify = (_body, _send, end) => {
    waits()
    return new Promise(resolve => end.addEventListener('abort', () => resolve()))
  }
  const ending = vitalgate('provision', 'verify')
  await waiting
  ending.interrupt()
  expect((await ending).code).toBe(130)
})

const scale = ['--driver', 'and-line', '--port', '/dev/null', '--station', 'ward-a']

test('devices: added with the choices of the card, listed, refused with a hint, removed', async () => {
  const added = await vitalgate('device', 'add', 'scale-1', ...scale, '--option', 'parity=true')
  expect([added.code, added.out.split('\n')[0]]).toEqual([
    0,
    'device scale-1 added: and-line at /dev/null, station ward-a',
  ])
  const again = await vitalgate('device', 'add', 'scale-1', ...scale, '--option', 'parity=true')
  expect([again.code, again.out]).toEqual([0, 'device scale-1 was already added\n'])
  const listed = await vitalgate('device', 'list', '--json')
  expect(JSON.parse(listed.out)).toEqual({
    id: 'scale-1',
    driver: 'and-line',
    port: '/dev/null',
    station: 'ward-a',
    options: { parity: true },
  })
  const missing = await vitalgate(
    'device',
    'add',
    'b',
    '--driver',
    'and-line',
    '--port',
    '/dev/ttyNONE',
    '--station',
    's',
  )
  expect(missing.code).toBe(1)
  expect(missing.err).toMatch(/^vitalgate: error: there is no port \/dev\/ttyNONE\nvitalgate: hint: /)
  const unknown = await vitalgate(
    'device',
    'add',
    'b',
    '--driver',
    'and-lin',
    '--port',
    '/dev/zero',
    '--station',
    's',
  )
  expect([unknown.code, unknown.err]).toEqual([
    1,
    'vitalgate: error: no driver "and-lin"\nvitalgate: hint: did you mean and-line?\n',
  ])
  const option = await vitalgate(
    'device',
    'add',
    'b',
    '--driver',
    'and-line',
    '--port',
    '/dev/zero',
    '--station',
    's',
    '--option',
    'parity=maybe',
  )
  expect(option.code).toBe(1)
  expect(option.err).toContain('parity: must be one of')
  const removed = await vitalgate('device', 'remove', 'scale-1')
  expect(removed.code).toBe(0)
  expect((await vitalgate('device', 'remove', 'scale-1')).err).toContain('hint: no device was added yet')
})

test('status is readable, and all of it with --json', async () => {
  const { code, out } = await vitalgate('status')
  expect(code).toBe(0)
  expect(out).toBe(`box          provisioned, version 0.1.0, running for 1 d 2 h
gateway      ${'g'.repeat(25)}a
server       ${'s'.repeat(25)}a (site site-1)
uplink       connected, the server has proved its key (for 1 h 1 min), mqtts://broker.example:8883
receipt      5 s ago
outbox       3 wait for a receipt, the oldest for 2 min; 40 signed for and still kept; 100.0 MiB of 460.8 MiB (21 %)
clock        synchronised (ntp)
certificate  until 2033-11-07 (3645 days left)
route        until 2028-11-05

DEVICE   STATE  STATION  READINGS  LAST       FAULTS  LAST FAULT                  DRIVER AND PORT
scale-1  open   ward-a   12        1 min ago  1       frame.check 1 min 10 s ago  and-line at /dev/ttyUSB0
`)
  expect(JSON.parse((await vitalgate('status', '--json')).out)).toEqual(status)
})

test('what needs attention comes first', async () => {
  own.status = async () => ({
    ...status,
    notices: ['the clock is not synchronised'],
    devices: [],
    uplink: {
      state: 'refused',
      broker: 'mqtts://b:8883',
      since: null,
      lastReceipt: null,
      refusal: { flag: 'SERVER_KEY_UNPINNED', count: 2, fingerprint: 'ab', since: status.clock.wall - 1000 },
    },
  })
  const { out } = await vitalgate('status')
  const lines = out.split('\n')
  expect(lines[0]).toBe('! the clock is not synchronised')
  expect(out).toContain('SERVER_KEY_UNPINNED: 2 times, first 1 s ago, key ab')
  expect(lines.at(-2)).toBe('no device was added yet')
})

test('outbox verify: 0 in order, 1 with the damaged places named', async () => {
  const fine = await vitalgate('outbox', 'verify')
  expect([fine.code, fine.out]).toEqual([0, '9 rows in 1 epochs: 0 problems\n'])
  const epoch = '0011223344556677'
  const report: OutboxReport = {
    epochs: 1,
    rows: 9,
    problems: [{ epoch, seq: 4, problem: 'altered', declared: false }],
    more: false,
    abandoned: [],
  }
  own.verifyOutbox = async () => report
  const damaged = await vitalgate('outbox', 'verify')
  expect([damaged.code, damaged.out.split('\n')[0]]).toEqual([1, `epoch ${epoch} seq 4: altered`])
  expect(damaged.err).toContain('vitalgate: error: 1 places of the outbox are not as they were written\n')
  const json = await vitalgate('outbox', 'verify', '--json')
  expect(JSON.parse(json.out)).toEqual(report)
})
