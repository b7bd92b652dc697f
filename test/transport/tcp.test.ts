import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type LookupFunction, type Server, Socket } from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import { bytesOf, textOf } from '../../src/base/bytes.ts'
import type { Port } from '../../src/transport/port.ts'
import { connector, type TcpTools, tcpPort } from '../../src/transport/tcp.ts'
import { openBlackHole } from '../fakes/black-hole.ts'

const atEnd: (() => unknown)[] = []
afterEach(async () => {
  for (const act of atEnd.splice(0).reverse()) await act()
})

/** A serial device server: what was connected to it, newest last. */
async function deviceServer(
  port = 0,
): Promise<{ server: Server; port: number; taken: Socket[]; down(): Promise<void> }> {
  const taken: Socket[] = []
  const server = createServer(socket => {
    taken.push(socket)
    socket.on('error', () => {}) // a device server does not mind who goes
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const down = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    for (const socket of taken) socket.destroy()
    await once(server, 'close')
  }
  atEnd.push(down)
  return { server, port: (server.address() as AddressInfo).port, taken, down }
}

/** Opens a port and tells in words what it told, bytes that came one after the other as one. */
function listenAt(port: Port) {
  const told: string[] = []
  let wake = (): void => {}
  const tell = (word: string): void => {
    told.push(word)
    wake()
  }
  port.open({
    chunk(bytes) {
      if (told.at(-1)?.startsWith('> ')) tell(told.pop() + textOf(bytes))
      else tell(`> ${textOf(bytes)}`)
    },
    back: () => tell('back'),
    gone: fault => tell(`${fault.code}: ${fault.message}`),
  })
  atEnd.push(() => port.close())
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>(resolve => (wake = resolve))
  }
  return { told, until }
}

/** Timers that are fired by hand. */
function byHand() {
  const timers: { ms: number; act: () => void }[] = []
  const tool: Pick<TcpTools, 'after'> = {
    after(ms, act) {
      const timer = { ms, act }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0)
    },
  }
  return { timers, tool }
}

test('bytes go both ways, and the kernel asks after 10 s of silence whether the other end is there', async () => {
  const far = await deviceServer()
  const port = tcpPort('127.0.0.1', far.port)
  expect([port.name, port.state()]).toEqual([`tcp://127.0.0.1:${far.port}`, 'closed'])
  const { told, until } = listenAt(port)
  await until(() => port.state() === 'open')
  // tr 02 is the timer that asks, in ticks of 10 ms (kernel doc, proc_net_tcp)
  const local = far.taken[0]!.remotePort!.toString(16).toUpperCase().padStart(4, '0')
  const row = new RegExp(`^ *\\d+: \\w{8}:${local} \\w+:\\w+ 01 \\S+ (\\w\\w):(\\w+) `, 'm')
  const [, timer, ticks = ''] = row.exec(readFileSync('/proc/net/tcp', 'utf8')) ?? []
  expect(timer).toBe('02')
  expect(Number.parseInt(ticks, 16)).toBeLessThanOrEqual(1000)

  far.taken[0]!.write('ST,GS,+0072.40kg\r\n')
  await until(() => told.at(-1)!.endsWith('\n'))
  expect(told).toEqual(['back', '> ST,GS,+0072.40kg\r\n'])
  await port.write(bytesOf('Q\r\n'))
  const [asked] = (await once(far.taken[0]!, 'data')) as [Buffer]
  expect(asked.toString()).toBe('Q\r\n')
  await port.close()
  expect(port.state()).toBe('closed')
  expect(told).toHaveLength(2)
})

test('a device server that is started again is connected again; half a frame stands before the gap', async () => {
  const first = await deviceServer()
  const { told, until } = listenAt(tcpPort('127.0.0.1', first.port))
  await until(() => told.length === 1 && first.taken.length === 1)
  first.taken[0]!.end('ST,GS,+00')
  await until(() => told.filter(one => one === 'back').length === 2)
  await first.down()
  await until(() => told.length === 5)
  const second = await deviceServer(first.port)
  await until(() => told.length === 6)
  second.taken[0]!.write('72.40kg\r\n')
  await until(() => told.length === 7)
  const name = `tcp://127.0.0.1:${first.port}`
  expect(told).toEqual([
    'back',
    '> ST,GS,+00',
    `port.gone: device server closed the connection: ${name}`,
    'back',
    expect.stringMatching(/^port\.gone: /),
    'back',
    '> 72.40kg\r\n',
  ])
})

test('a connection that is reset is told', async () => {
  const far = await deviceServer()
  const { told, until } = listenAt(tcpPort('127.0.0.1', far.port))
  await until(() => told.length === 1 && far.taken.length === 1)
  far.taken[0]!.resetAndDestroy()
  await until(() => told.length === 2)
  expect(told[1]).toBe(`port.gone: device went away: tcp://127.0.0.1:${far.port}`)
})

test.each(['127.0.0.1', 'localhost'])(
  'where nobody listens at %s the port is missing, told once',
  async host => {
    const far = await deviceServer()
    await far.down()
    const { timers, tool } = byHand()
    const port = tcpPort(host, far.port, tool)
    const { told, until } = listenAt(port)
    await until(() => told.length === 1)
    expect(told).toEqual([`port.missing: nothing listens at tcp://${host}:${far.port}`])
    expect([port.state(), timers.map(one => one.ms)]).toEqual(['missing', [250]])
    await expect(port.write(bytesOf('?'))).rejects.toMatchObject({ code: 'port.gone' })
    timers.shift()!.act()
    while (timers[0]?.ms !== 500) await new Promise(resolve => setImmediate(resolve))
    expect(told).toHaveLength(1)
  },
)

test('what never answers is given up after 5 s and tried again', async () => {
  const hole = await openBlackHole()
  atEnd.push(hole.fill)
  const { timers, tool } = byHand()
  const port = tcpPort('127.0.0.1', hole.port, tool)
  const { told, until } = listenAt(port)
  expect([port.state(), timers.map(one => one.ms)]).toEqual(['opening', [5000]])
  timers.shift()!.act()
  await until(() => told.length === 1)
  expect(told).toEqual([`port.missing: no answer from tcp://127.0.0.1:${hole.port}`])
  expect(timers.map(one => one.ms)).toEqual([250])
})

test('close while connecting ends it at once: no event, no timer, no connection', async () => {
  const hole = await openBlackHole()
  atEnd.push(hole.fill)
  const { timers, tool } = byHand()
  let socket = new Socket()
  const port = tcpPort('127.0.0.1', hole.port, {
    ...tool,
    connect: (host, number) => (socket = connect(number, host)),
  })
  const { told } = listenAt(port)
  expect(socket.connecting).toBe(true)
  await port.close()
  expect([port.state(), socket.destroyed, timers, told]).toEqual(['closed', true, [], []])
  if (!socket.closed) await once(socket, 'close')
  expect([timers, told]).toEqual([[], []])
})

test('a device server that takes no bytes is given up', async () => {
  const far = await deviceServer()
  far.server.on('connection', socket => socket.pause())
  const { timers, tool } = byHand()
  const port = tcpPort('127.0.0.1', far.port, tool)
  const { told, until } = listenAt(port)
  await until(() => told.length === 1)
  // more than both ends of a connection hold (tcp(7), tcp_wmem and tcp_rmem)
  const written = port.write(new Uint8Array(64 * 1024 * 1024))
  expect(timers.map(one => one.ms)).toEqual([5000])
  timers.shift()!.act()
  await expect(written).rejects.toMatchObject({ code: 'port.gone' })
  expect(told).toEqual(['back', `port.gone: device takes no bytes: tcp://127.0.0.1:${far.port}`])
  timers.shift()!.act()
  await until(() => told.length === 3)
  expect(told[2]).toBe('back')
})

test('a connection that ends while bytes leave: they are refused, nobody waits', async () => {
  const far = await deviceServer()
  far.server.on('connection', socket => socket.pause())
  const port = tcpPort('127.0.0.1', far.port)
  const { told, until } = listenAt(port)
  await until(() => told.length === 1 && far.taken.length === 1)
  const written = port.write(new Uint8Array(64 * 1024 * 1024))
  far.taken[0]!.resetAndDestroy()
  await expect(written).rejects.toMatchObject({ code: 'port.gone' })
})

test('an IPv6 address is connected to without brackets and named with them', async () => {
  const far = await deviceServer()
  const asked: unknown[] = []
  const port = tcpPort('2001:db8::1', 4001, {
    connect(host, number) {
      asked.push(host, number)
      return connect(far.port, '127.0.0.1')
    },
  })
  const { told, until } = listenAt(port)
  await until(() => told.length === 1)
  expect([port.name, asked]).toEqual(['tcp://[2001:db8::1]:4001', ['2001:db8::1', 4001]])
})

test.each([
  ['ETIMEDOUT', 'port.missing: no answer from tcp://moxa:4001'],
  ['EHOSTUNREACH', 'port.missing: there is no way to tcp://moxa:4001 (EHOSTUNREACH)'],
  ['ENOTFOUND', 'port.missing: name is not known: moxa (ENOTFOUND)'],
  ['EAI_AGAIN', 'port.missing: name is not known: moxa (EAI_AGAIN)'],
  ['EPERM', 'port.refused: connection is not permitted: tcp://moxa:4001'],
  ['EMFILE', 'port.refused: port cannot be opened: tcp://moxa:4001'],
])('%s is told as %s', async (code, words) => {
  const port = tcpPort('moxa', 4001, {
    connect: () => new Socket().destroy(Object.assign(new Error('no'), { code })),
  })
  const { told, until } = listenAt(port)
  await until(() => told.length === 1)
  expect(told).toEqual([words])
  expect(port.state()).toBe(words.slice(5, words.indexOf(':')))
})

test('while a name is being looked up nobody looks it up again', async () => {
  const asked: Parameters<LookupFunction>[2][] = []
  const dial = connector((_host, _options, callback) => void asked.push(callback))
  const sockets = [dial('moxa', 4001), dial('moxa', 4001)]
  expect(asked).toHaveLength(1)
  const failed = Promise.all(sockets.map(socket => once(socket, 'error')))
  asked[0]!(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), [])
  expect((await failed).flat()).toMatchObject([{ code: 'ENOTFOUND' }, { code: 'ENOTFOUND' }])
  dial('moxa', 4001)
  expect(asked).toHaveLength(2)
})
