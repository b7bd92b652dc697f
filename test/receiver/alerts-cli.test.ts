import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, mkdirSync, mkdtempSync, type ReadStream, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals'
import { tellingOf } from '../../src/receiver/alerts-options.ts'
import { initialise } from '../../src/receiver/init.ts'
import { script } from './alerts-fixture.ts'
import { planAt } from './box.ts'
import { thrownBy } from './fixture.ts'

jest.setTimeout(120_000)

const program = join(import.meta.dirname, '../../scripts/vitalgate-receiver')
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-alerts-'))
const state = join(folder, 'state')
let pipe: ReadStream
let told: AsyncIterableIterator<string>
let running: ChildProcess | undefined
beforeAll(async () => {
  mkdirSync(state, { mode: 0o700 })
  // a receiver without a gateway: the bindings of fixtures have no enrolment, which is told as damage
  await initialise(
    state,
    { ...planAt(Date.now()), port: 0 },
    async () => 'for tests only, known to everybody',
  )
  execFileSync('mkfifo', [join(folder, 'pipe')])
  // read and write: writers come and go
  pipe = createReadStream(join(folder, 'pipe'), { flags: 'r+' })
  told = createInterface({ input: pipe })[Symbol.asyncIterator]()
})
afterEach(async () => {
  if (running?.exitCode === null && running.kill('SIGKILL')) await once(running, 'exit')
})
afterAll(() => {
  pipe.destroy()
  // wakes the read that still waits
  writeFileSync(join(folder, 'pipe'), '\n')
  rmSync(folder, { recursive: true })
})

const next = async () => JSON.parse((await told.next()).value)
const telling = () => script(folder, 'tell', `cat > ${join(folder, 'pipe')}`)

function type(...line: string[]) {
  const { stdout, stderr, status } = spawnSync(program, ['--state', state, ...line], {
    encoding: 'utf8',
    input: '',
  })
  return { out: stdout, error: stderr, code: status }
}

/** A running receiver; `said` waits for a line on its stderr, `knock` is refused by its broker. */
async function run(...options: string[]) {
  const child = spawn(program, ['--state', state, 'run', ...options], { stdio: ['ignore', 'ignore', 'pipe'] })
  running = child
  const lines: string[] = []
  const heard = createInterface({ input: child.stderr })
  heard.on('line', line => lines.push(line))
  const said = async (words: string): Promise<string> => {
    for (;;) {
      const found = lines.find(line => line.includes(words))
      if (found !== undefined) return found
      await once(heard, 'line')
    }
  }
  const port = Number(/on port (\d+)/.exec(await said('ready'))![1])
  return {
    child,
    lines,
    said,
    knock: async () => {
      const socket = connect(port, '127.0.0.1', () => socket.write('no TLS at all\r\n\r\n'))
      // it is shut out, one way or the other
      socket.on('error', () => undefined).resume()
      await once(socket, 'close')
    },
    end: async (signal: NodeJS.Signals) => {
      child.kill(signal)
      const [code] = await once(child, 'exit')
      return code
    },
  }
}

test('a flag that is raised comes out of the command of the operator; a test says that it arrives', async () => {
  const receiver = await run('--on-flag', `${telling()} pager "oak house"`)
  await receiver.knock()
  const alert = await next()
  expect(alert).toMatchObject({ alert: 1, kind: 'flag', flag: 'BROKER_REFUSED', count: 1 })
  expect(alert.detail).toMatch(/^no-tls; see: vitalgate-receiver flags show \d+$/)
  const tested = type('alerts', 'test')
  expect(tested).toEqual({ out: 'alert 2 arrived by command\n', error: '', code: 0 })
  expect(await next()).toMatchObject({ alert: 2, kind: 'test' })
  const listed = type('alerts', 'list', '--json').out.trim().split('\n')
  expect(listed.map(line => JSON.parse(line))).toMatchObject([
    { alert: 1, flag: 'BROKER_REFUSED', channel: 'command', state: 'delivered', attempts: 1 },
    { alert: 2, kind: 'test', channel: 'command', state: 'delivered', attempts: 1 },
  ])
  expect(type('alerts', 'list', '--undelivered').out).toBe('no alerts\n')
  expect(await receiver.end('SIGTERM')).toBe(0)
})

test('without a receiver that tells anybody, a test says so', async () => {
  expect(type('alerts', 'test')).toMatchObject({
    code: 10,
    error: expect.stringContaining('hint: start it with: vitalgate-receiver run --on-flag'),
  })
})

test('what could not be told when the receiver was killed is told by the next one', async () => {
  const first = await run('--on-flag', script(folder, 'down', 'exit 75'))
  const test = type('alerts', 'test')
  expect(test.code).toBe(1)
  expect(test.error).toContain('did not arrive by command: command ended with exit code 75\n')
  await first.knock()
  await first.said('"type":"flag"')
  await first.end('SIGKILL')
  const waiting = JSON.parse(type('alerts', 'list', '--undelivered', '--json').out.trim().split('\n').at(-1)!)
  expect(waiting).toMatchObject({ kind: 'flag', state: 'waiting', why: 'command ended with exit code 75' })
  const second = await run('--on-flag', telling())
  expect(await next()).toMatchObject({ alert: waiting.alert, kind: 'flag' })
  await second.said('alert delivered')
  expect(await second.end('SIGTERM')).toBe(0)
})

test('a command that hangs holds up neither receiving nor the end', async () => {
  const receiver = await run(
    '--on-flag',
    script(folder, 'hang', `echo '{"hangs":1}' > ${join(folder, 'pipe')}`, 'sleep 600'),
  )
  await receiver.knock()
  expect(await next()).toEqual({ hangs: 1 })
  // the broker still answers, and the flag is kept
  await receiver.knock()
  expect(type('flags', 'list').code).toBe(0)
  expect(await receiver.end('SIGTERM')).toBe(0)
})

test('a program that is not there is said at the start, and keeps nobody from receiving', async () => {
  const receiver = await run('--on-flag', join(folder, 'nowhere'))
  expect(receiver.lines).toContain(
    `vitalgate-receiver: warning: nobody can be told: there is no ${join(folder, 'nowhere')}`,
  )
  expect(await receiver.end('SIGTERM')).toBe(0)
})

test('what is typed wrong is refused before anything starts', () => {
  const code = (options: object) => thrownBy(() => tellingOf(options))
  expect(tellingOf({})).toBeUndefined()
  const some = tellingOf({ onFlag: '/bin/true', onFlagUrl: 'https://example.org/', silentDevice: '48h' })
  expect(some).toMatchObject({ silentGatewayMs: 900_000, silentDeviceMs: 172_800_000 })
  expect(some?.channels.map(one => one.name)).toEqual(['command', 'url'])
  expect(tellingOf({ onFlag: '/bin/true', silentGateway: 'off' })).toMatchObject({
    silentGatewayMs: undefined,
    silentDeviceMs: undefined,
  })
  for (const wrong of [
    { onFlag: 'true' },
    { onFlagUrl: 'http://example.org/' },
    { onFlag: '/bin/true', silentGateway: '59s' },
    { onFlag: '/bin/true', silentGateway: '8d' },
    { onFlag: '/bin/true', silentGateway: 'never' },
    { onFlag: '/bin/true', silentDevice: '35h' },
    { onFlag: '/bin/true', silentDevice: '36h', silentGateway: 'off' },
    { silentGateway: '20m' },
    { silentDevice: '36h' },
  ]) {
    expect([wrong, code(wrong)]).toEqual([wrong, 'usage'])
  }
  expect(type('run', '--on-flag', 'tell')).toMatchObject({ code: 2 })
})
