import { expect, test } from '@jest/globals'
import { textOf } from '../../src/base/bytes.ts'
import { parseCapture } from '../../src/transport/capture.ts'
import { replayPort } from '../../src/transport/replay.ts'

const capture = parseCapture(
  '{"capture":1,"link":"serial"}\n{"t":100,"in":"61"}\n{"t":150,"out":"3f"}\n{"t":400,"in":"62"}\n{"t":1000,"in":"63"}\n',
)

/** Plays with a clock that goes to the moment of the next timer; gives what was told, and when. */
function played(speed: number, loop: boolean, rounds: number): string[] {
  const told: string[] = []
  const timers: { at: number; act: () => void }[] = []
  let now = 5000
  const port = replayPort('c', capture, {
    speed,
    loop,
    clock: { now: () => 0, mono: () => now },
    after(ms, act) {
      timers.push({ at: now + ms, act })
      return () => {}
    },
  })
  port.open({
    chunk: (bytes, mono) => told.push(`${textOf(bytes)} ${mono - 5000}`),
    back: () => told.push('back'),
    gone: fault => told.push(fault.code),
  })
  for (let round = 0; round < rounds; round++) {
    const timer = timers.shift()
    if (timer === undefined) break
    now = timer.at
    timer.act()
  }
  return told
}

test('what the device sent comes at recorded pace, then the port is gone', () => {
  expect(played(1, false, 99)).toEqual(['back', 'a 100', 'b 400', 'c 1000', 'port.gone'])
})

test('twice as fast, and as fast as possible', () => {
  expect(played(2, false, 99)).toEqual(['back', 'a 50', 'b 200', 'c 500', 'port.gone'])
  expect(played(Number.POSITIVE_INFINITY, false, 99)).toEqual(['back', 'a 0', 'b 0', 'c 0', 'port.gone'])
})

test('a loop begins again two seconds after its end', () => {
  expect(played(1, true, 6)).toEqual(['back', 'a 100', 'b 400', 'c 1000', 'a 3100', 'b 3400'])
})

test('nothing comes after close, even from a timer that could not be called off', async () => {
  const told: string[] = []
  const timers: (() => void)[] = []
  const port = replayPort('c', capture, {
    after(_ms, act) {
      timers.push(act)
      return () => {}
    },
  })
  port.open({ chunk: () => told.push('chunk'), back: () => {}, gone: () => told.push('gone') })
  await port.close()
  for (const act of timers) act()
  expect(told).toEqual([])
  expect(port.state()).toBe('closed')
})

test('a value over BLE is played with its characteristic', () => {
  const told: unknown[] = []
  const ble = parseCapture('{"capture":1,"link":"ble"}\n{"t":0,"char":"2a35","in":"16"}\n')
  const port = replayPort('b', ble, {
    after(_ms, act) {
      act()
      return () => {}
    },
  })
  port.open({ chunk: (bytes, _mono, char) => told.push([bytes, char]), back: () => {}, gone: () => {} })
  expect(told).toEqual([[Uint8Array.of(0x16), '2a35']])
})
