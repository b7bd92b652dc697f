import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { refuseOpened } from '../../src/base/hardening.ts'
import { exitOf } from '../../src/base/output.ts'
import { connectControl } from '../../src/control/client.ts'

jest.setTimeout(120_000)

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const main = { vitalgate: at('src/cli/main.ts'), 'vitalgate-receiver': at('src/receiver/main.ts') } as const
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-hardening-'))
const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// node --help of Node.js 24, and its documentation of NODE_OPTIONS
test.each([
  [['--inspect']],
  [['--inspect=0.0.0.0:9229']],
  [['--inspect-brk']],
  [['--inspect_wait']],
  [['--inspect-port=1']],
  [['--debug-port=1']],
  [['--tls-keylog=/tmp/keys']],
  [['--tls_keylog', '/tmp/keys']],
  [['--trace-tls']],
  [['--tls-min-v1.0']],
  [['--tls-max-v1.1']],
  [['-r', 'dd-trace']],
  [['--require=dd-trace']],
  [['--import', 'data:text/javascript,1']],
  [['--experimental-loader=./x.mjs']],
  [['--env-file=.env']],
  [['--experimental-default-config-file']],
  [['--heapsnapshot-signal=SIGUSR2']],
  [['--heapsnapshot-near-heap-limit=1']],
  [['--heap-prof']],
  [['--report-on-signal']],
  [['--report-uncaught-exception']],
  [['--abort-on-uncaught-exception']],
  [['--openssl-config=/tmp/x.cnf']],
  [['--security-revert=CVE-2023-46809']],
])('Node.js started with %j is refused, be it on the command line or in NODE_OPTIONS', options => {
  for (const start of [
    () => refuseOpened(options, {}),
    () => refuseOpened(['--disable-sigusr1', ...options], {}),
    () => refuseOpened([], { NODE_OPTIONS: `--max-old-space-size=200 ${options.join(' ')}` }),
    () => refuseOpened([], { NODE_OPTIONS: options.map(word => `"${word}"`).join(' ') }),
  ]) {
    const fault = thrown(start)
    expect(fault).toMatchObject({
      code: 'config.invalid',
      hint: expect.stringContaining('scripts/vitalgate'),
    })
    expect(exitOf(fault)).toBe(78)
  }
})

test('so is a disabled check of certificates and the debug output of the runtime', () => {
  for (const env of [
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    { NODE_DEBUG: 'tls' },
    { NODE_DEBUG_NATIVE: 'crypto' },
  ]) {
    expect(thrown(() => refuseOpened([], env))).toMatchObject({ code: 'config.invalid' })
  }
})

test('what opens nothing is let through', () => {
  const harmless = [
    '--disable-sigusr1',
    '--disable-proto=delete',
    '--experimental-vm-modules',
    '--tls-min-v1.3',
  ]
  refuseOpened(harmless, { NODE_OPTIONS: '--max-old-space-size=200', NODE_TLS_REJECT_UNAUTHORIZED: '1' })
  refuseOpened([], {})
})

function thrown(act: () => void): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

const opened = {
  NODE_OPTIONS: `--inspect=127.0.0.1:0 --tls-keylog=${join(folder, 'tls-keys')}`,
  NODE_TLS_REJECT_UNAUTHORIZED: '0',
  NODE_DEBUG: 'net,tls,http',
  NODE_V8_COVERAGE: join(folder, 'coverage'),
  NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
  NODE_COMPILE_CACHE: join(folder, 'cache'),
  NODE_PATH: folder,
  DEBUG: '*',
  OPENSSL_CONF: join(folder, 'openssl.cnf'),
  SSLKEYLOGFILE: join(folder, 'ssl-keys'),
  SSL_CERT_FILE: join(folder, 'ca.pem'),
  LD_LIBRARY_PATH: folder,
  PERL5OPT: '-Mstrict',
  BINDINGS_CPP_PREBUILD: folder,
  MQTTJS_SOCKS_PROXY: 'socks5://127.0.0.1:1',
  DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nonexistent',
}

test.each(['vitalgate', 'vitalgate-receiver'] as const)('%s started past its script is refused', name => {
  for (const [options, env] of [
    [['--inspect=127.0.0.1:0'], {}],
    [[], { NODE_TLS_REJECT_UNAUTHORIZED: '0' }],
    [[], { NODE_OPTIONS: opened.NODE_OPTIONS }],
  ] as const) {
    const words = [...options, main[name], '--state', join(folder, 'none'), 'run']
    const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' })
    expect([status, stderr]).toEqual([78, expect.stringContaining('not safe here')])
  }
})

interface Daemon {
  pid: number
  err(): string
  answered(): Promise<unknown>
}

/** A real daemon without an identity, which answers. */
async function startDaemon(command: string, words: string[], env: NodeJS.ProcessEnv): Promise<Daemon> {
  const state = mkdtempSync(join(folder, 'state-'))
  const child = spawn(command, [...words, '--state', state, 'run'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(child)
  let err = ''
  child.stderr.on('data', chunk => {
    err += String(chunk)
  })
  const answered = () => connectControl([join(state, 'control.sock')]).ask('status', {})
  await until('the daemon ready', 60_000, () => {
    if (child.exitCode !== null) throw new Error(err)
    return err.includes('"ready"')
  })
  return { pid: child.pid!, err: () => err, answered }
}

/** Ports on which a process listens: its sockets, looked up in the kernel's tables (proc(5), state 0A). */
function listensOn(pid: number): string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
      } catch {
        return [] // closed meanwhile
      }
    }),
  )
  const rows = ['tcp', 'tcp6'].flatMap(table => readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n'))
  return rows.flatMap(row => {
    const [, local, , state, , , , , , inode] = row.trim().split(/\s+/)
    return local !== undefined && state === '0A' && sockets.has(inode ?? '') ? [local] : []
  })
}

const plain = { PATH: process.env.PATH }

test.each<[string, string, string[]]>([
  ['through its script', at('scripts/vitalgate'), []],
  ['past its script', process.execPath, [main.vitalgate]],
])('SIGUSR1 opens no inspector in a daemon started %s', async (_, command, words) => {
  const { pid, err, answered } = await startDaemon(command, words, plain)
  // the same signal opens it in a Node.js that nobody hardened: so we know when it would be open, and see it
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")'])
  children.push(bare)
  await once(bare.stdout, 'data')
  for (let round = 0; round < 3; round++) {
    process.kill(pid, 'SIGUSR1')
    process.kill(bare.pid!, 'SIGUSR1')
    await until('the inspector of the bare one', 60_000, () => listensOn(bare.pid!).length > 0)
    await answered()
  }
  expect(listensOn(pid)).toEqual([])
  expect(err()).not.toContain('Debugger')
})

test('a daemon started through its script sees nothing of an environment that would open it', async () => {
  const service = { LANG: 'C.UTF-8', INVOCATION_ID: 'f'.repeat(32), VITALGATE_BOOT_ID: 'b'.repeat(32) }
  const { pid, err } = await startDaemon(at('scripts/vitalgate'), [], { ...plain, ...opened, ...service })
  const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  const names = environ.map(one => one.split('=')[0] ?? '')
  expect(names).toEqual(expect.arrayContaining(['PATH', ...Object.keys(service)]))
  expect(names.filter(name => Object.hasOwn(opened, name))).toEqual([])
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, 3)).toEqual([
    '--disable-sigusr1',
    '--disable-proto=delete',
  ])
  expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m)
  expect(listensOn(pid)).toEqual([])
  // nothing but our own log, one JSON object a line
  for (const line of err().trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  expect(readdirSync(folder).filter(name => !name.startsWith('state-'))).toEqual([])
})

test('a report tells neither environment nor addresses, none is made unasked, and DEBUG is gone', () => {
  const script = `
    import { harden } from ${JSON.stringify(at('src/base/hardening.ts'))}
    harden()
    const { report } = process
    const told = report.getReport()
    console.log(JSON.stringify({
      env: Object.keys(told).includes('environmentVariables'), network: told.header.networkInterfaces,
      unasked: [report.reportOnSignal, report.reportOnFatalError, report.reportOnUncaughtException],
      canary: JSON.stringify(told).includes(process.env.CANARY), debug: process.env.DEBUG ?? null,
    }))`
  const words = ['--input-type=module', '--report-directory', folder, '-e', script]
  const env = { CANARY: 'canary-83af', DEBUG: '*' }
  const { stdout, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' })
  expect([stderr, JSON.parse(stdout)]).toEqual([
    '',
    { env: false, unasked: [false, false, false], canary: false, debug: null },
  ])
})
