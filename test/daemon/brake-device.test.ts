import { afterEach, expect, test } from '@jest/globals'
import { bytesOf, textOf } from '../../src/base/bytes.ts'
import { makeBrake } from '../../src/daemon/brake.ts'
import { listen } from '../../src/daemon/device.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { setUp } from '../../src/driver/setup.ts'
import { type Port, type PortEvents, after as realAfter } from '../../src/transport/port.ts'
import { serialPort } from '../../src/transport/serial.ts'
import { openPty, type Pty } from '../fakes/pty.ts'

const drivers = await loadDrivers()
let pty: Pty | undefined
afterEach(() => {
  pty?.kill()
  pty = undefined
})

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
/** What an A&D scale prints: its weight in kilograms with two decimals. */
const line = (n: number): string => `ST,GS,+${(40 + n / 100).toFixed(2).padStart(7, '0')}kg\r\n`
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, at) => line(from + at)).join('')
/** What it means: 40 kg and n times 10 g. */
const weights = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => 4000 + from + at)

/** A scale on a line that can wait, and a disk that takes what it is told to; `most` may be on its way. */
function bench(driver: string, options: object, most: number) {
  const { driver: card } = drivers.of(driver)
  const brake = makeBrake({ statements: most, bytes: 1_000_000 })
  const arriving: (() => void)[] = []
  const heard: number[] = []
  const monos: number[] = []
  const timers = new Set<{ at: number; act: () => void }>()
  const waits: boolean[] = []
  let now = 1000
  let events: PortEvents | undefined
  const port: Port = {
    name: 'bench',
    open: told => {
      events = told
    },
    state: () => 'open',
    pause: paused => void waits.push(paused),
    write: async () => {},
    close: async () => {},
  }
  const device = listen({
    setup: setUp(card, options),
    port,
    clock: { now: () => now, mono: () => now },
    after(ms, act) {
      const timer = { at: now + ms, act }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    said(said, came) {
      if ('measured' in said) heard.push(said.measured['body-weight']?.n ?? 0)
      monos.push(came.mono)
      const { promise, resolve } = Promise.withResolvers<void>()
      arriving.push(resolve)
      brake.follow(100, promise)
    },
    broken: error => {
      throw error
    },
    brake,
  })
  events!.back()
  return {
    device,
    heard,
    monos,
    waits,
    brake,
    events: events!,
    hear: (text: string) => events!.chunk(bytesOf(text), now),
    pass(ms: number) {
      now += ms
      for (const timer of timers) {
        if (timer.at > now) continue
        timers.delete(timer)
        timer.act()
      }
    },
    /** So many arrive on the disk. */
    async arrive(count = arriving.length) {
      for (const resolve of arriving.splice(0, count)) resolve()
      await turn()
    },
    waiting: () => arriving.length,
  }
}

const onPrint = { mode: 'on-print' }

test('a slow disk bounds what is on its way; the line waits, and everything comes in its order', async () => {
  const at = bench('and-line', onPrint, 8)
  at.hear(lines(0, 300))
  // 512 bytes are 27 lines: no more than these beyond the bound
  expect(at.heard.length).toBeLessThanOrEqual(8 + 27)
  expect(at.waits).toEqual([true])
  at.hear(lines(300, 310))
  expect(at.heard.length).toBeLessThanOrEqual(8 + 27)
  const most: number[] = []
  while (at.heard.length < 310) {
    await at.arrive(4)
    most.push(at.waiting())
  }
  expect(Math.max(...most)).toBeLessThanOrEqual(8 + 27)
  await at.arrive()
  expect(at.heard).toEqual(weights(0, 310))
  expect(at.waits.at(-1)).toBe(false)
  expect(at.device.status().faults).toBe(0)
})

test('while its line waits a device is not silent: a frame that is cut in two by it is whole', async () => {
  const at = bench('and-line', onPrint, 1)
  at.hear(`${lines(0, 30)}${line(30).slice(0, 9)}`)
  expect(at.waits).toEqual([true])
  // far longer than a half-said frame is waited for
  at.pass(30_000)
  while (at.waits.at(-1) !== false || at.brake.isOn()) await at.arrive()
  at.hear(line(30).slice(9))
  expect(at.heard).toEqual(weights(0, 31))
  expect(at.device.status().faults).toBe(0)
  // a reading is of the moment at which it came, not of the one at which there was time for it
  expect(at.monos).toEqual([...Array.from({ length: 30 }, () => 1000), 31_000])
  await at.arrive()
  // and real silence is silence still
  at.hear(line(31).slice(0, 9))
  at.pass(2000)
  expect(at.device.status().faults).toBe(1)
})

test.each(['gone', 'stopped'])('what was read before the line is %s counts', async how => {
  const at = bench('and-line', onPrint, 1)
  at.hear(lines(0, 100))
  expect(at.heard.length).toBeLessThan(100)
  if (how === 'gone') at.events.gone({ code: 'port.gone', message: 'gone' } as never)
  else await at.device.stop()
  expect(at.heard).toEqual(weights(0, 100))
})

test('a device that is asked is heard at once: its answers cannot wait', () => {
  const at = bench('sma-scale', {}, 1)
  at.brake.follow(1, new Promise(() => {}))
  expect(at.brake.isOn()).toBe(true)
  at.hear('\r\n')
  expect(at.waits).toEqual([])
})

test('a serial line that waits leaves the bytes in the kernel, and gives them when it goes on', async () => {
  pty = await openPty()
  const port = serialPort(pty.path, { baud: 9600 })
  const opened = Promise.withResolvers<void>()
  let came = ''
  let some = Promise.withResolvers<void>()
  port.open({
    back: () => opened.resolve(),
    gone: () => {},
    chunk(bytes) {
      came += textOf(bytes)
      some.resolve()
    },
  })
  await opened.promise
  pty.write('one ')
  await some.promise
  port.pause?.(true)
  some = Promise.withResolvers()
  pty.write('two')
  // whatever is read has come by then; that nothing comes has no event
  await new Promise<void>(resolve => realAfter(100, resolve))
  expect(came).toBe('one ')
  port.pause?.(false)
  await some.promise
  expect(came).toBe('one two')
  await port.close()
})
