import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { recordProposal } from '../../src/receiver/devices.ts'
import { openStore } from '../../src/receiver/store.ts'
import { makeBox } from './box.ts'

const program = join(import.meta.dirname, '../../scripts/vitalgate-receiver')
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-receiver-cli-'))
const at = (name: string) => join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Types a command line, with no terminal behind it. */
function type(...line: string[]) {
  const { stdout, stderr, status } = spawnSync(program, line, { encoding: 'utf8', cwd: folder, input: '' })
  return { out: stdout, error: stderr, code: status }
}
const state = at('state')
const typed = (...line: string[]) => type('--state', state, ...line)
const told = (message: string, hint: string) =>
  `vitalgate-receiver: error: ${message}\nvitalgate-receiver: hint: ${hint}\n`
const file = (name: string, content: string, mode = 0o600): string => {
  writeFileSync(at(name), content)
  chmodSync(at(name), mode)
  return at(name)
}

let port = 0
let passphrase = ''
beforeAll(async () => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  port = (probe.address() as { port: number }).port
  await new Promise(resolve => probe.close(resolve))
  passphrase = file('passphrase', 'correct horse battery\n')
})

test('before init every command says what to type', () => {
  expect(typed('registry', 'list')).toEqual({
    out: '',
    error: told(
      `there is no registry in ${state}`,
      'type: vitalgate-receiver init --host NAME, or name the folder with --state',
    ),
    code: 1,
  })
  expect(existsSync(state)).toBe(false)
})

test('init refuses what it cannot use, and makes nothing then', () => {
  expect(typed('init', '--passphrase-file', passphrase)).toMatchObject({
    code: 2,
    error: told('name the hosts under which gateways reach this machine', '--host receiver.example.org'),
  })
  expect(typed('init', '--host', 'localhost')).toMatchObject({
    code: 2,
    error: told(
      'the root key needs its passphrase, and there is no terminal to ask at',
      '--passphrase-file FILE',
    ),
  })
  expect(
    typed('init', '--host', 'localhost', '--passphrase-file', file('short', 'too short\n')),
  ).toMatchObject({
    code: 2,
    error: expect.stringContaining('shorter than 12 characters'),
  })
  const open = file('open', 'correct horse battery\n', 0o644)
  expect(typed('init', '--host', 'localhost', '--passphrase-file', open)).toMatchObject({
    code: 13,
    error: expect.stringContaining(`hint: type: chmod 600 ${open}`),
  })
  expect(typed('init', '--host', 'mqtts://x', '--passphrase-file', passphrase).code).toBe(2)
  expect(existsSync(join(state, 'root.sealed'))).toBe(false)
})

test('init, and init again', () => {
  const line = [
    'init',
    '--host',
    'localhost',
    '--port',
    String(port),
    '--passphrase-file',
    passphrase,
    '--json',
  ]
  const first = typed(...line)
  expect([first.code, first.error]).toEqual([0, ''])
  const made = JSON.parse(first.out)
  expect(made).toMatchObject({ outcome: 'initialised', broker: 'embedded', hosts: ['localhost'], port })
  expect(made.words).toHaveLength(6)
  const again = typed('init')
  expect(again.code).toBe(0)
  expect(again.out).toContain(`already initialised: ${state}`)
  expect(again.out).toContain(`root words: ${made.words.join(' ')}\n`)
})

test('enrol: one box, wrong words, the same again, and a batch in part', async () => {
  const [one, two, three] = [await makeBox(), await makeBox(), await makeBox()]
  const request = file('one.json', one.text)
  const enrol = (...line: string[]) =>
    typed('registry', 'enrol', ...line, '--site', 'oak-house', '--out', at('bundles'))
  const secret = ['--passphrase-file', passphrase]

  expect(enrol(request, ...secret)).toMatchObject({
    code: 2,
    error: told('the six words of the box are needed, and there is no terminal to ask at', '--words "…"'),
  })
  expect(enrol(request, '--words', two.words, ...secret)).toMatchObject({
    code: 1,
    error: told(
      `the six words are not those of the request of ${one.gateway}`,
      'read them again from the box; if they differ, this request is not from that box',
    ),
  })
  const wrong = ['--passphrase-file', file('wrong', 'another passphrase\n')]
  expect(enrol(request, '--words', one.words, ...wrong)).toMatchObject({
    code: 1,
    error: told('the passphrase is wrong', 'type it again'),
  })
  const bundle = join(at('bundles'), `${one.gateway}.bundle.json`)
  expect(existsSync(bundle)).toBe(false)
  expect(enrol(request, '--words', one.words, ...secret)).toEqual({
    out: `enrolled: ${one.gateway} at oak-house, bundle ${bundle}\n`,
    error: '',
    code: 0,
  })
  const elsewhere = typed('registry', 'enrol', request, '--site', 'elm-house', '--out', at('bundles'))
  expect(elsewhere.error).toContain(`${one.gateway} is enrolled at oak-house, not at elm-house\n`)
  const content = readFileSync(bundle, 'utf8')
  rmSync(bundle)
  expect(enrol(request, '--json')).toMatchObject({ code: 0, error: '' })
  expect(readFileSync(bundle, 'utf8')).toBe(content)

  const words = file('words', `${two.words}\n${three.words}\n`)
  const impostor = file('impostor.json', (await makeBox({ gateway: one.gateway })).text)
  const batch = enrol(
    file('two.json', two.text),
    impostor,
    file('three.json', three.text),
    '--words-file',
    words,
    ...secret,
  )
  expect(batch.code).toBe(3)
  expect(batch.out).toContain(`enrolled: ${two.gateway}`)
  expect(batch.out).toContain(`enrolled: ${three.gateway}`)
  expect(batch.error).toContain(`error: gateway ${one.gateway} is enrolled with other keys`)
  expect(batch.error).toContain('hint: a box that was wiped makes a new id')
  expect(enrol(impostor, '--words', one.words, ...secret).code).toBe(1)
  expect(enrol(at('absent.json'))).toMatchObject({ code: 1, error: expect.stringContaining('there is no') })
})

test('list, show and devices speak of what was enrolled', async () => {
  const lines = typed('registry', 'list', '--json')
    .out.trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines).toHaveLength(3)
  expect(lines[0]).toMatchObject({ site: 'oak-house', devices: 0, proposed: 0, lastSeen: null })
  const gateway: string = lines[0].gateway
  const store = openStore(join(state, 'receiver.db'))
  recordProposal(store.db, {
    gateway,
    device: 'scale-1',
    driver: 'and-line',
    station: 'room-1',
    hash: 'a'.repeat(64),
    at: Date.UTC(2026, 0, 15, 9, 5),
  })
  store.close()
  const prefix = gateway.slice(0, 8)
  expect(typed('registry', 'devices', 'list', prefix).out).toBe(
    'GATEWAY                     DEVICE   DRIVER    STATION  PORT  STATE     PROPOSAL      PROPOSED (UTC)\n' +
      `${gateway}  scale-1  and-line  room-1   -     proposed  aaaaaaaaaaaa  2026-01-15 09:05\n`,
  )
  expect(typed('registry', 'devices', 'accept', prefix, 'scale-1', '--proposal', 'bbbbbbbb')).toMatchObject({
    code: 1,
    error: expect.stringContaining('scale-1 was proposed anew as aaaaaaaaaaaa, not bbbbbbbb'),
  })
  expect(typed('registry', 'devices', 'accept', prefix, 'scale-1', '--proposal', 'x').code).toBe(2)
  expect(typed('registry', 'devices', 'accept', prefix, 'scale-2')).toMatchObject({
    code: 1,
    error: told(`${gateway} has proposed no device scale-2`, 'it proposed: scale-1'),
  })
  const accepted = typed(
    'registry',
    'devices',
    'accept',
    prefix,
    'scale-1',
    '--release',
    '--by',
    'anna',
    '--json',
  )
  expect(accepted.code).toBe(0)
  expect(JSON.parse(accepted.out)).toMatchObject({ outcome: 'accepted', version: 1, released: 0 })
  expect(typed('registry', 'devices', 'accept', prefix, 'scale-1').out).toContain('already accepted: scale-1')
  const shown = JSON.parse(typed('registry', 'show', prefix, '--json').out)
  expect(shown).toMatchObject({ gateway, site: 'oak-house', versions: { binding: 1, devices: 1 } })
  expect(shown.words).toHaveLength(6)
  expect(shown.devices).toMatchObject([{ device: 'scale-1', state: 'accepted' }])
  expect(typed('registry', 'show', 'zzzzzz')).toMatchObject({
    code: 1,
    error: told('no gateway zzzzzz is enrolled', 'type: vitalgate-receiver registry list'),
  })
  expect(typed('registry', 'show', 'abc').code).toBe(2)
})

test('a row changed by hand is told, the others are still shown; a file that is no database is told', () => {
  const copy = at('copy')
  cpSync(state, copy, { recursive: true })
  // a copy is made with the rights of the umask
  expect(type('--state', copy, 'registry', 'list')).toMatchObject({
    code: 13,
    error: expect.stringContaining(`hint: type: chmod 700 ${copy}`),
  })
  chmodSync(copy, 0o700)
  const store = openStore(join(copy, 'receiver.db'))
  store.db.exec('DROP TRIGGER statements_stay')
  const [victim] = store.all<{ subject: string }>(
    "UPDATE statements SET body = CAST(replace(CAST(body AS TEXT), 'oak-house', 'elm-house') AS BLOB) WHERE id = " +
      "(SELECT max(id) FROM statements WHERE type = 'binding') RETURNING subject",
  )
  store.close()
  const listed = type('--state', copy, 'registry', 'list', '--json')
  expect(listed.code).toBe(1)
  expect(listed.out.trim().split('\n')).toHaveLength(2)
  expect(listed.out).not.toContain('elm-house')
  expect(JSON.parse(listed.error)).toMatchObject({
    error: {
      code: 'store.damaged',
      message: expect.stringContaining(victim!.subject),
      hint: expect.any(String),
    },
  })
  for (const end of ['-wal', '-shm']) rmSync(join(copy, `receiver.db${end}`), { force: true })
  writeFileSync(
    join(copy, 'receiver.db'),
    'this is no database, and it is long enough to be read as one'.repeat(20),
  )
  expect(type('--state', copy, 'registry', 'list')).toMatchObject({
    code: 1,
    error: expect.stringMatching(/error: .*receiver\.db is damaged\n.*hint: restore it from a backup/),
  })
})

test('a command line typed wrong ends with 2 and a hint, as text or as JSON', () => {
  expect(type('--nonsense')).toMatchObject({
    code: 2,
    out: '',
    error: told("unknown option '--nonsense'", 'vitalgate-receiver --help'),
  })
  const json = type('registry', 'lst', '--json')
  expect(json.code).toBe(2)
  expect(JSON.parse(json.error)).toMatchObject({
    error: { code: 'usage', hint: 'vitalgate-receiver --help' },
  })
  expect(type('registry', 'enrol', '--help')).toMatchObject({
    code: 0,
    error: '',
    out: expect.stringContaining('Exit codes: 0 done'),
  })
})

test('an old Node.js is refused before anything native is loaded', () => {
  const pretend = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.1.0"})'
  const main = join(import.meta.dirname, '../../src/receiver/main.ts')
  const { stderr, status } = spawnSync(process.execPath, ['--import', pretend, main, 'run'], {
    encoding: 'utf8',
  })
  expect(status).toBe(78)
  expect(stderr).toContain('error: Node.js 20.1.0 is too old, 24 or newer is needed')
  expect(stderr).toContain('hint: ')
})

test('run says when it is ready, tells a taken port, and ends cleanly on SIGTERM', async () => {
  const child = spawn(program, ['--state', state, 'run'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.setEncoding('utf8')
  while (!text.includes('ready')) text += (await once(child.stderr, 'data'))[0]
  child.stderr.resume()
  expect(typed('run')).toMatchObject({
    code: 1,
    error: expect.stringMatching(
      /error: broker cannot listen on port \d+ \(EADDRINUSE\)\n.*hint: see who has it/,
    ),
  })
  child.kill('SIGTERM')
  expect((await once(child, 'exit'))[0]).toBe(0)
})
