import { expect, test } from '@jest/globals'
import { bytesOf, textOf } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { type LineEvents, reopening, type Way } from '../../src/transport/reopening.ts'

/** Lets everything that is already resolved run. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** Lines that open as `opens` does, a clock and timers that are moved by hand, and what was told. */
async function bench(opens: Way['open'] = async () => ({ write: async () => {}, close: async () => {} })) {
  const timers: { ms: number; act: () => void }[] = []
  const told: string[] = []
  const lines: LineEvents[] = []
  const signals: AbortSignal[] = []
  let mono = 0
  const way: Way = {
    open(events, signal) {
      lines.push(events)
      signals.push(signal)
      return opens(events, signal)
    },
    refusal: cause => new Fault('port.missing', String(cause)),
    writeMs: length => 100 + length,
  }
  const port = reopening('x', way, {
    clock: { now: () => 0, mono: () => mono },
    after(ms, act) {
      const timer = { ms, act }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0)
    },
  })
  port.open({
    chunk: bytes => told.push(`> ${textOf(bytes)}`),
    back: () => told.push('back'),
    gone: fault => told.push(`${fault.code}: ${fault.message}`),
  })
  await turn()
  const fire = async (): Promise<number> => {
    const { ms, act } = timers.shift()!
    act()
    await turn()
    return ms
  }
  const pass = (ms: number): void => {
    mono += ms
  }
  return { port, told, lines, signals, timers, fire, pass }
}

test('a line that opens and closes all the time is opened less and less often; one that held, at once', async () => {
  const { lines, fire, pass } = await bench()
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    pass(4999)
    lines.at(-1)!.lost('flicker')
    await turn()
    waits.push(await fire())
  }
  expect(waits).toEqual([250, 500, 1000, 2000, 2000, 2000])
  pass(5000)
  lines.at(-1)!.lost('unplugged')
  await turn()
  expect(await fire()).toBe(250)
})

test('a line that goes down while it opens: what it said is told, then that it is gone', async () => {
  const { told, port } = await bench(async events => {
    events.data(bytesOf('half'))
    events.lost('early')
    return { write: async () => {}, close: async () => {} }
  })
  expect(told).toEqual(['back', '> half', 'port.gone: device went away: x'])
  expect(port.state()).toBe('missing')
})

test('a loss that says itself is told in its words', async () => {
  const { told, lines } = await bench()
  lines[0]!.lost(new Fault('port.gone', 'server closed it'))
  await turn()
  expect(told).toEqual(['back', 'port.gone: server closed it'])
})

test('bytes that do not leave in the time that so many may take cost the line', async () => {
  let closed = 0
  const { port, told, timers, fire } = await bench(async () => ({
    write: () => new Promise<void>(() => {}),
    close: async () => void closed++,
  }))
  const written = port.write(bytesOf('0123456789'))
  const again = port.write(bytesOf('?'))
  expect(timers.map(one => one.ms)).toEqual([110, 101])
  const refused = expect(written).rejects.toMatchObject({ code: 'port.gone' })
  expect(await fire()).toBe(110)
  await refused
  expect([told, closed]).toEqual([['back', 'port.gone: device takes no bytes: x'], 1])
  // the other one ends too, and costs nothing more
  const refusedToo = expect(again).rejects.toMatchObject({ code: 'port.gone' })
  expect(await fire()).toBe(101)
  await refusedToo
  expect([told.length, closed, timers.map(one => one.ms)]).toEqual([2, 1, [250]])
})

test('bytes that left leave no timer behind', async () => {
  const { port, timers } = await bench()
  await port.write(bytesOf('?'))
  await turn()
  expect(timers).toEqual([])
})

test('close tells whoever is opening that nobody waits', async () => {
  const { port, signals, told, timers } = await bench(
    (_events, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject('off'))),
  )
  expect(signals[0]!.aborted).toBe(false)
  await port.close()
  await turn()
  expect(signals[0]!.aborted).toBe(true)
  expect([told, timers, port.state()]).toEqual([[], [], 'closed'])
})
