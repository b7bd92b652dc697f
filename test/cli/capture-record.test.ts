import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { deliver } from '../../src/cli/capture-record.ts'
import type { Handlers } from '../../src/control/api.ts'
import { type Control, serve } from '../../src/control/serve.ts'
import { parseCapture } from '../../src/transport/capture.ts'
import { fakeHandlers, status } from '../control/handlers.ts'
import { openPty, type Pty } from '../fakes/pty.ts'
import { type Running, run, type Transcript } from './transcript.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-record-'))
const fresh = join(folder, 'fresh')
const socket = join(folder, 'c.sock')
const config = join(folder, 'vitalgate.toml')
writeFileSync(config, `control.socket = "${socket}"\n`)
const own: Partial<Handlers> = {}
let control: Control
let pty: Pty

beforeAll(async () => {
  const handlers = fakeHandlers({
    status: async () => (own.status ?? (async () => status))({}),
    record: async (body, send, end) => own.record?.(body, send, end),
  })
  control = await serve(socket, handlers, error => {
    throw error
  })
})
// Each test has its own: what was sent while nobody listened would be heard by the next.
beforeEach(async () => {
  pty = await openPty()
})
afterEach(() => pty.kill())
afterAll(async () => {
  await control.stop()
  rmSync(folder, { recursive: true })
})

const print = 'ST,GS,+0072.40kg\r\n'
const record = (...words: string[]): Running => run(['capture', 'record', ...words])
const alone = (...words: string[]): Running =>
  record('--state', fresh, '--config', join(folder, 'none.toml'), ...words)
writeFileSync(join(folder, 'none.toml'), '')

/** Sends a frame again and again until the recording has ended: when its port is open is not known here. */
async function sending(running: Running, text: string): Promise<Transcript> {
  const timer = setInterval(() => pty.write(text), 100)
  try {
    return await running
  } finally {
    clearInterval(timer)
  }
}

const bytesIn = (text: string): string =>
  parseCapture(text)
    .lines.map(line => Buffer.from(line.bytes).toString('latin1'))
    .join('')

test('a port of its own is recorded byte by byte, with the driver in the header', async () => {
  const out = join(folder, 'a.jsonl')
  const words = [
    '--port',
    pty.path,
    '--driver',
    'and-line',
    '--option',
    'mode=on-print',
    '--note',
    'bench',
    '--out',
    out,
  ]
  const { code, out: stdout, err } = await sending(alone(...words, '--seconds', '2'), print)
  expect([code, stdout]).toEqual([0, ''])
  expect(err).toMatch(/^recording of \d+ chunks written to /)
  const text = readFileSync(out, 'utf8')
  const { when, ...header } = parseCapture(text).header
  expect(header).toEqual({
    capture: 1,
    driver: 'and-line',
    options: { mode: 'on-print' },
    link: 'serial',
    note: 'bench',
  })
  expect(when).toMatch(/^\d{4}-\d\d-\d\d$/)
  expect(bytesIn(text)).toContain(print)
  expect(statSync(out).mode & 0o777).toBe(0o600)
})

test('without --out it goes to stdout; Ctrl-C ends it and keeps what came', async () => {
  const running = alone('--port', pty.path, '--driver', 'sma-scale', '--seconds', '600')
  expect(await pty.read(3)).toBe('\nW\r')
  pty.write('\n 1G        72.4kg \r')
  // It asks again a second after the answer: then that was heard.
  expect(await pty.read(3)).toBe('\nW\r')
  running.interrupt()
  const { code, out, err } = await running
  expect([code, err]).toEqual([0, ''])
  const ways = parseCapture(out).lines.map(
    line => `${line.way} ${Buffer.from(line.bytes).toString('latin1')}`,
  )
  expect(ways).toEqual(['out \nW\r', 'in \n 1G        72.4kg \r', 'out \nW\r'])
})

test('a device server is recorded over TCP', async () => {
  const server = createServer(line => {
    line.on('error', () => {})
    line.write(print)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const { code, out } = await alone('--port', `tcp://127.0.0.1:${port}`, '--seconds', '1')
  server.close()
  expect(code).toBe(0)
  expect(parseCapture(out).header.link).toBe('tcp')
  expect(bytesIn(out)).toBe(print)
})

test('not a byte is told with a hint, and no file is made', async () => {
  const out = join(folder, 'b.jsonl')
  const { code, err } = await alone('--port', pty.path, '--baud', '9600', '--seconds', '1', '--out', out)
  expect(code).toBe(1)
  expect(err).toMatch(/error: not a byte came from .*\nvitalgate: hint: is the device on/)
  expect(existsSync(out)).toBe(false)
})

test('frames of which none is understood are kept, and told', async () => {
  const { code, err } = await sending(
    alone('--port', pty.path, '--driver', 'and-line', '--seconds', '1'),
    'hello\r\n',
  )
  expect(code).toBe(0)
  expect(err).toMatch(/none of \d+ frames was understood: wrong speed, driver or option\?/)
})

test.each([
  [[], 2, 'name a port, or a device of the daemon'],
  [['--port', '/dev/x', '--device', 'a'], 2, 'name a port, or a device of the daemon'],
  [['--port', 'ble://AA:BB:CC:DD:EE:FF'], 2, 'a BLE device is recorded by the daemon'],
  [['--port', '/dev/x'], 2, 'a serial port needs a speed'],
  [['--port', '/dev/x', '--driver', 'ble-blood-pressure'], 2, 'a BLE device is recorded by the daemon'],
  [['--port', '/dev/x', '--baud', '9600'], 1, 'no such port: /dev/x'],
  [['--port', 'x', '--baud', '9600'], 1, 'port must be a path'],
  [['--port', '/dev/x', '--seconds', '601'], 2, 'must be a whole number from 1 to 600'],
  [['--device', 'a', '--driver', 'and-line'], 2, 'the daemon knows how the device is set'],
  [['--device', 'a'], 10, 'the daemon is not running'],
] as const)('%j ends with %d', async (words, status, told) => {
  const { code, out, err } = await alone(...words)
  expect([code, out]).toEqual([status, ''])
  expect(err).toContain(told)
})

/** A daemon that tells a capture and ends. */
const telling =
  (...lines: string[]): Handlers['record'] =>
  async (_body, send) => {
    for (const line of lines) send({ text: `${line}\n` })
  }
const first =
  '{"capture":1,"driver":"and-line","options":{"mode":"on-print"},"link":"serial","when":"2026-07-11"}'
const weighing = `{"t":5,"in":"${Buffer.from(print).toString('hex')}"}`

test('the daemon records a device of its own; on a fresh box in clear', async () => {
  own.status = async () => ({ ...status, phase: 'fresh' })
  let asked: unknown
  own.record = async (body, send, end) => {
    asked = body
    await telling(first, weighing)(body, send, end)
  }
  const { code, out, err } = await record(
    '--device',
    'scale-1',
    '--seconds',
    '9',
    '--config',
    config,
    '--state',
    fresh,
  )
  expect([code, out, err]).toEqual([0, `${first}\n${weighing}\n`, ''])
  expect(asked).toEqual({ device: 'scale-1', seconds: 9 })
})

test('Ctrl-C keeps what the daemon told until then', async () => {
  let told: () => void = () => {}
  const begun = new Promise<void>(resolve => {
    told = resolve
  })
  own.record = async (body, send, end) => {
    await telling(first, weighing)(body, send, end)
    told()
    await new Promise(resolve => end.addEventListener('abort', resolve, { once: true }))
  }
  const running = record('--device', 'scale-1', '--config', config, '--state', fresh)
  await begun
  // What was told is on its way through a socket; the program reads it before the signal's turn comes.
  setTimeout(() => running.interrupt(), 1500)
  const { code, out } = await running
  expect([code, out]).toEqual([0, `${first}\n${weighing}\n`])
})

test('what the daemon refuses is refused', async () => {
  own.record = async () => {
    throw new Fault('device.unknown', 'no device scale-9')
  }
  const { code, err } = await record('--device', 'scale-9', '--config', config, '--state', fresh)
  expect([code, err]).toEqual([1, 'vitalgate: error: no device scale-9\n'])
})

test.each(['requested', 'accepted', 'provisioned'] as const)(
  'on a box that is %s nothing is written in clear',
  async phase => {
    own.status = async () => ({ ...status, phase })
    own.record = telling(first, weighing)
    const out = join(folder, `${phase}.jsonl`)
    const words = ['--device', 'scale-1', '--config', config, '--state', fresh]
    const toFile = await record(...words, '--out', out)
    expect(toFile.code).toBe(0)
    expect(toFile.err).toContain(
      'this box has its keys: what comes may be health data; only its scrubbed form is written\n',
    )
    const toPipe = await record(...words)
    for (const text of [readFileSync(out, 'utf8'), toPipe.out]) {
      expect(parseCapture(text).header.when).toBe('2026-07')
      expect(bytesIn(text)).toMatch(/^ST,[A-Z]{2},\+0\d{3}\.\d\dkg\r\n$/)
      expect(bytesIn(text)).not.toContain('72.40')
    }
  },
)

test('a box whose daemon does not run is known by its state folder', async () => {
  const state = mkdtempSync(join(folder, 'state-'))
  writeFileSync(join(state, 'identity.json'), '{}')
  const words = [
    '--state',
    state,
    '--config',
    join(folder, 'none.toml'),
    '--port',
    pty.path,
    '--seconds',
    '1',
  ]
  const { code, err } = await record(...words, '--baud', '9600')
  expect(code).toBe(2)
  expect(err).toContain('a recording is written in scrubbed form only, and that needs a driver')
  const scrubbed = await sending(record(...words, '--driver', 'and-line', '--option', 'mode=on-print'), print)
  expect(scrubbed.err).toContain('only its scrubbed form is written')
  expect(scrubbed.out).not.toContain(Buffer.from('72.40').toString('hex'))
})

/** What is shown on stdout. */
async function shown(run: () => Promise<unknown>): Promise<string> {
  let text = ''
  const write = jest.spyOn(process.stdout, 'write').mockImplementation(part => {
    text += String(part)
    return true
  })
  try {
    await run()
  } finally {
    write.mockRestore()
  }
  return text
}

test('on the terminal of such a box it is shown to the person there', async () => {
  const capture = parseCapture(`${first}\n${weighing}\n`)
  const text = await shown(() => deliver(capture, { clear: false, terminal: true, json: false }))
  expect(text).toContain('body-weight 72.40 kg (counts)')
})
