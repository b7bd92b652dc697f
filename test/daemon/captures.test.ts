import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { textOf } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Fault } from '../../src/base/fault.ts'
import { makeLog } from '../../src/base/log.ts'
import { type Captures, keptLimit, makeCaptures } from '../../src/daemon/captures.ts'
import type { Tap } from '../../src/daemon/device.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { parseCapture } from '../../src/transport/capture.ts'

const drivers = await loadDrivers()
let taps: Tap[] = []
let timers: { ms: number; act: () => void }[] = []
let signals: string[] = []
let captures: Captures
beforeEach(() => {
  taps = []
  timers = []
  signals = []
  const entry = { id: 'scale', driver: 'and-line', port: '/dev/ttyUSB0', station: 'room-1', state: 'open' }
  captures = makeCaptures({
    clock: { now: () => 1_780_000_000_000, mono: systemClock.mono },
    after(ms, act) {
      const timer = { ms, act }
      timers.push(timer)
      return () => {
        timers = timers.filter(one => one !== timer)
      }
    },
    log: makeLog('silent'),
    drivers,
    stations: {
      states: () => [{ ...entry, readings: 0, lastReading: null, faults: 0 } as never],
      optionsOf: () => ({ mode: 'on-print' }),
      signal: told => signals.push(told),
      tap(_id, tap) {
        taps.push(tap)
        return () => {
          taps = taps.filter(one => one !== tap)
        }
      },
    },
  })
})
afterEach(() => captures.drop())

const say = (text: string): void => {
  for (const tap of taps) tap.chunk?.('in', Uint8Array.from(Buffer.from(text)), systemClock.mono())
}

const thrown = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    return (error as Fault).code
  }
  return 'nothing'
}

test('what a device says is recorded in memory, announced, and is a capture as any other', () => {
  captures.start('scale', 60)
  expect([signals, taps.map(one => one.records)]).toEqual([['attributed'], [true]])
  say('ST,GS,+0072.40kg\r\n')
  const { device, bytes, full } = captures.stop()
  expect([device, full, taps]).toEqual(['scale', false, []])
  const { header, lines } = parseCapture(textOf(bytes))
  expect(header).toMatchObject({ capture: 1, driver: 'and-line', link: 'serial', when: '2026-05-28' })
  expect(lines.map(one => Buffer.from(one.bytes).toString())).toEqual(['ST,GS,+0072.40kg\r\n'])
})

test('it ends after its seconds, waits an hour to be fetched, and is forgotten then', () => {
  captures.start('scale', 60)
  say('one')
  expect(timers.map(one => one.ms)).toEqual([60_000])
  timers[0]!.act()
  expect([taps, timers.map(one => one.ms)]).toEqual([[], [3_600_000]])
  expect(captures.stop().bytes.length).toBeGreaterThan(0)
  timers.at(-1)!.act()
  expect(thrown(() => captures.stop())).toBe('capture.invalid')
})

test('one at a time, of a device that there is, and none where nothing was begun', () => {
  expect(thrown(() => captures.stop())).toBe('capture.invalid')
  expect(thrown(() => captures.start('cuff', 60))).toBe('device.unknown')
  captures.start('scale', 60)
  expect(thrown(() => captures.start('scale', 60))).toBe('command.busy')
  captures.drop()
  expect([taps, timers, thrown(() => captures.stop())]).toEqual([[], [], 'capture.invalid'])
})

test('more than a mebibyte is not kept, and that is said; what was kept can be read', () => {
  captures.start('scale', 600)
  for (let n = 0; n < 100; n++) say('x'.repeat(16_000))
  const { bytes, full } = captures.stop()
  expect(full).toBe(true)
  expect(bytes.length).toBeLessThanOrEqual(keptLimit)
  expect(bytes.length).toBeGreaterThan(keptLimit - 40_000)
  expect(parseCapture(textOf(bytes)).lines.length).toBeGreaterThan(20)
})
