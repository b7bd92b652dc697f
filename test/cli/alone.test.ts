import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { run } from './transcript.ts'

// What the program does where no daemon runs.
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))
const state = join(folder, 'state')
mkdirSync(state, { mode: 0o700 })

test('no daemon: exit 10 and how to start it', async () => {
  const { code, out, err } = await run(['status', '--state', state])
  expect([code, out]).toEqual([10, ''])
  expect(err).toMatch(
    /^vitalgate: error: the daemon is not running \(no answer at .*\)\nvitalgate: hint: start it: /,
  )
})

test('with --json a failure is one line of JSON on stderr', async () => {
  const { code, out, err } = await run(['--json', '--state', state, 'outbox', 'stats'])
  expect([code, out]).toEqual([10, ''])
  expect(JSON.parse(err).error.code).toBe('control.absent')
})

test('a Node that is too old is told before anything else is loaded', async () => {
  const old = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.19.0'})`
  const { code, err } = await run(['status'], ['--import', old])
  expect(code).toBe(78)
  expect(err).toMatch(
    /^vitalgate: error: Node\.js 20\.19\.0 is too old, 24 or newer is needed\nvitalgate: hint: /,
  )
})

test.each([
  [['stats'], "unknown command 'stats'"],
  [['statsu'], 'did you mean status?'],
  [['device', 'add', 'x'], "required option '--port <name>' not specified"],
  [
    ['device', 'add', 'x', '--driver', 'a', '--port', '/b', '--station', 'c', '--option', 'd'],
    'must be name=value',
  ],
  [['status', '--bogus'], "unknown option '--bogus'"],
])('%j is wrong usage: exit 2', async (words, told) => {
  const { code, out, err } = await run(words)
  expect([code, out]).toEqual([2, ''])
  expect(err).toContain('vitalgate: error: ')
  expect(err).toContain(told)
})

test('--json reaches every command, wherever it stands', async () => {
  const capture = join(folder, 'band.jsonl')
  const header = { capture: 1, driver: 'barcode-scanner', options: {}, link: 'serial', when: '2026-01-15' }
  const rows = [
    { ...header, source: 'bench' },
    { t: 0, in: Buffer.from('BAND-4711\r').toString('hex') },
  ]
  writeFileSync(capture, rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  for (const words of [
    ['capture', 'decode', capture, '--json'],
    ['--json', 'capture', 'decode', capture],
    ['capture', '--json', 'decode', capture],
  ]) {
    const { code, out } = await run(words)
    expect([code, out]).toEqual([0, '{"scanned":"BAND-4711"}\n'])
  }
})

test('help ends with exit codes and an example, and is no failure', async () => {
  for (const words of [['--help'], ['help', 'device'], ['provision', 'accept', '--help']]) {
    const { code, out } = await run(words)
    expect(code).toBe(0)
    if (words.length !== 2) expect(out).toMatch(/Exit codes: 0 done/)
  }
})

test('config check lists every problem of configuration and devices, exit 78', async () => {
  const config = join(folder, 'bad.toml')
  writeFileSync(config, '[uplink]\nwindow = 0\nheartbaet = "5m"\n')
  writeFileSync(
    join(state, 'devices.toml'),
    '[[device]]\nid = "a"\ndriver = "and-lin"\nport = "/dev/x"\nstation = "s"\n',
  )
  const { code, out, err } = await run(['config', 'check', '--state', state, '--config', config])
  expect([code, out]).toEqual([78, ''])
  expect(err).toContain('uplink.window: ')
  expect(err).toContain('uplink.heartbaet: unknown name (did you mean heartbeat?)')
  expect(err).toContain('device[0] a: no driver "and-lin" (did you mean and-line?)')
  const broken = await run(['run', '--state', state, '--config', config])
  expect(broken.code).toBe(78)
  rmSync(join(state, 'devices.toml'))
  const fine = await run(['config', 'check', '--state', state])
  expect([fine.code, fine.out]).toEqual([0, 'configuration, devices and identity are in order\n'])
})

test('a state folder that others may enter is refused by start-up and by config check alike, exit 13', async () => {
  chmodSync(state, 0o711)
  const config = join(folder, 'socket.toml')
  writeFileSync(config, `control.socket = "${join(folder, 'c.sock')}"\n`)
  try {
    const all = await Promise.all([
      run(['config', 'check', '--state', state, '--config', config]),
      run(['run', '--state', state, '--config', config]),
    ])
    for (const { code, err } of all) {
      expect(code).toBe(13)
      expect(err).toContain(`vitalgate: hint: type: chmod 700 ${state}`)
    }
  } finally {
    chmodSync(state, 0o700)
  }
})

test('what a file says cannot speak to the terminal of whoever looks at it', async () => {
  const evil = '\u001b[2K\u009b1A\u202e'
  const path = join(folder, 'evil.jsonl')
  const header = { capture: 1, driver: evil, options: {}, link: 'serial', when: '2026-01-15' }
  writeFileSync(path, `${JSON.stringify({ ...header, source: evil, note: evil })}\n`)
  const shown = await run(['capture', 'show', path])
  expect([shown.code, shown.out]).toEqual([0, expect.stringContaining('note: ?[2K?1A?\n')])
  const decoded = await run(['capture', 'decode', path, '--json'])
  expect(decoded.code).toBe(1)
  expect(JSON.parse(decoded.err).error.message).toContain('no driver')
  for (const { out, err } of [shown, decoded]) expect(out + err).not.toMatch(/[^\n\P{Cc}]|\p{Cf}/u)
})

test('config show gives every setting in force', async () => {
  const config = join(folder, 'good.toml')
  writeFileSync(config, 'timezone = "UTC"\nstation.claim = "off"\n')
  const { code, out } = await run(['config', 'show', '--json', '--config', config])
  expect(code).toBe(0)
  expect(JSON.parse(out)).toEqual({
    fromAfar: [],
    timezone: 'UTC',
    logLevel: 'info',
    stationWindowMs: 180_000,
    stationClaimMs: 0,
    stationEndCode: 'VITALGATE-END',
    outboxQuotaBytes: 536_870_912,
    outboxGraceMs: 604_800_000,
    uplinkHeartbeatMs: 300_000,
    uplinkWindow: 128,
  })
})
