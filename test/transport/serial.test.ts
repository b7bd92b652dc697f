import { mkdtemp, rm, symlink, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { bytesOf, textOf } from '../../src/base/bytes.ts'
import type { Fault } from '../../src/base/fault.ts'
import type { PortEvents } from '../../src/transport/port.ts'
import type { LineEvents } from '../../src/transport/reopening.ts'
import { type SerialTools, serialPort } from '../../src/transport/serial.ts'
import { openPty } from '../fakes/pty.ts'

/** Lets everything that is already resolved run. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** A bench without hardware: what opening gives, timers that are fired by hand, and what was told. */
function bench(outcomes: (Error | 'opens')[]) {
  const timers: { ms: number; act: () => void }[] = []
  const told: string[] = []
  const lines: { events: LineEvents; closed: boolean; written: string }[] = []
  let node: string | undefined = '1:1:1'
  const tools: Partial<SerialTools> = {
    clock: { now: () => 0, mono: () => 77 },
    after(ms, act) {
      const timer = { ms, act }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0)
    },
    identity: async () => node,
    async openLine(_path, _settings, events) {
      const outcome = outcomes.shift() ?? 'opens'
      if (outcome !== 'opens') throw outcome
      const line = { events, closed: false, written: '' }
      lines.push(line)
      return {
        write: async bytes => {
          line.written += textOf(bytes)
        },
        close: async () => {
          line.closed = true
        },
      }
    },
  }
  const events: PortEvents = {
    chunk: (bytes, mono) => told.push(`chunk ${textOf(bytes)} ${mono}`),
    back: () => told.push('back'),
    gone: fault => told.push(`${fault.code}: ${fault.message} (${fault.hint ?? ''})`),
  }
  const fire = async (): Promise<number> => {
    const { ms, act } = timers.shift()!
    act()
    await turn()
    return ms
  }
  return { tools, events, told, lines, timers, fire, setNode: (name?: string) => (node = name) }
}

const missing = new Error('Error: No such file or directory, cannot open /dev/ttyX')

test('a port that is not there is a state, told once, tried again with growing waits', async () => {
  const { tools, events, told, fire } = bench(Array(7).fill(missing))
  const port = serialPort('/dev/ttyX', { baud: 9600 }, tools)
  expect(port.state()).toBe('closed')
  port.open(events)
  await turn()
  expect(port.state()).toBe('missing')
  const waits: number[] = []
  for (let i = 0; i < 7; i++) waits.push(await fire())
  expect(waits).toEqual([250, 500, 1000, 2000, 2000, 2000, 2000])
  expect(port.state()).toBe('open')
  expect(told).toEqual([
    'port.missing: no such port: /dev/ttyX (plug the device in; the ports that are there: ls /dev/serial/by-path)',
    'back',
  ])
})

test('bytes are told with their time; writing reaches the line', async () => {
  const { tools, events, told, lines } = bench([])
  const port = serialPort('/dev/ttyX', { baud: 9600 }, tools)
  await expect(port.write(bytesOf('?'))).rejects.toMatchObject({ code: 'port.gone' })
  port.open(events)
  await turn()
  lines[0]!.events.data(bytesOf('ST'))
  await port.write(bytesOf('?'))
  expect(told).toEqual(['back', 'chunk ST 77'])
  expect(lines[0]!.written).toBe('?')
})

test('bytes may take as long as the line needs for them, and 5 s more', async () => {
  const { tools, events, timers } = bench([])
  const port = serialPort('/dev/ttyX', { baud: 2400 }, tools)
  port.open(events)
  await turn()
  const written = port.write(new Uint8Array(240))
  // 240 bytes of 11 bits at 2400 baud are 1.1 s; the other timer looks at the path
  expect(timers.map(one => one.ms)).toEqual([2000, 6100])
  await written
  await turn()
  expect(timers.map(one => one.ms)).toEqual([2000])
})

test('an unplugged device is told, its line closed, and the port comes back by itself', async () => {
  const { tools, events, told, lines, fire } = bench(['opens', missing, 'opens'])
  const port = serialPort('/dev/ttyX', { baud: 9600 }, tools)
  port.open(events)
  await turn()
  lines[0]!.events.lost(new Error('EIO'))
  lines[0]!.events.lost(new Error('closed'))
  await turn()
  expect(port.state()).toBe('missing')
  expect(lines[0]!.closed).toBe(true)
  expect(await fire()).toBe(250)
  expect(await fire()).toBe(500)
  lines[0]!.events.data(bytesOf('old'))
  lines[1]!.events.data(bytesOf('new'))
  expect(told).toEqual(['back', 'port.gone: device went away: /dev/ttyX ()', 'back', 'chunk new 77'])
})

test('a line that hangs up without a word is found by looking at the path', async () => {
  const { tools, events, told, fire, setNode } = bench([])
  serialPort('/dev/ttyX', { baud: 9600 }, tools).open(events)
  await turn()
  expect(await fire()).toBe(2000)
  expect(told).toEqual(['back'])
  setNode('1:2:1')
  expect(await fire()).toBe(2000)
  expect(told).toEqual(['back', 'port.gone: device went away: /dev/ttyX ()'])
})

test.each([
  ['Error: Permission denied, cannot open /dev/ttyX', 'port may not be opened: /dev/ttyX', 'group dialout'],
  ['Error Resource temporarily unavailable Cannot lock port', 'port is in use: /dev/ttyX', 'another program'],
])('%s is refused, with a hint', async (reason, message, hint) => {
  const { tools, events, told } = bench([new Error(reason)])
  const port = serialPort('/dev/ttyX', { baud: 9600 }, tools)
  port.open(events)
  await turn()
  expect(port.state()).toBe('refused')
  expect(told).toEqual([expect.stringContaining(`port.refused: ${message}`)])
  expect(told[0]).toContain(hint)
})

test('missing, then refused: the reason changed, so it is told again', async () => {
  const { tools, events, told, fire } = bench([missing, new Error('Error: Permission denied'), missing])
  serialPort('/dev/ttyX', { baud: 9600 }, tools).open(events)
  await turn()
  await fire()
  await fire()
  expect(told.map(one => one.slice(0, 12))).toEqual(['port.missing', 'port.refused', 'port.missing'])
})

test('after close no event comes, and a line that was still opening is closed', async () => {
  const { tools, events, told, lines, timers } = bench([])
  const port = serialPort('/dev/ttyX', { baud: 9600 }, tools)
  port.open(events)
  await port.close()
  await turn()
  expect(port.state()).toBe('closed')
  expect(lines.map(line => line.closed)).toEqual([true])
  lines[0]!.events.data(bytesOf('late'))
  expect(told).toEqual([])
  expect(timers).toEqual([])
})

test('a real pty: both ways, exclusive, gone with its other end, back with the next', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pty-'))
  const path = join(folder, 'device')
  const first = await openPty()
  await symlink(first.path, path)
  let wake = (): void => {}
  let heard = ''
  const told: string[] = []
  const port = serialPort(path, { baud: 2400 })
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>(resolve => (wake = resolve))
  }
  port.open({
    chunk(bytes) {
      heard += textOf(bytes)
      wake()
    },
    back() {
      told.push('back')
      wake()
    },
    gone(fault: Fault) {
      told.push(fault.code)
      wake()
    },
  })
  try {
    await until(() => port.state() === 'open')
    first.write('ST,GS,+0072.40kg\r\n')
    await until(() => heard.endsWith('\n'))
    expect(heard).toBe('ST,GS,+0072.40kg\r\n')
    await port.write(bytesOf('Q\r\n'))
    expect(await first.read(3)).toBe('Q\r\n')

    const second = serialPort(path, { baud: 2400 })
    const refused = await new Promise<Fault>(resolve =>
      second.open({ chunk: () => {}, back: () => {}, gone: resolve }),
    )
    expect(refused).toMatchObject({ code: 'port.refused', hint: 'another program has it open' })
    await second.close()

    first.kill()
    await until(() => told.includes('port.gone'))
    await unlink(path)
    const next = await openPty()
    await symlink(next.path, path)
    await until(() => told.filter(one => one === 'back').length === 2)
    next.write('US')
    await until(() => heard.endsWith('US'))
    expect(told[0]).toBe('back')
    expect(told.at(-1)).toBe('back')
    next.kill()
  } finally {
    await port.close()
    await rm(folder, { recursive: true })
  }
})
