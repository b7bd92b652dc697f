import { expect, test } from '@jest/globals'
import { ladder } from '../../src/transport/bluez-ladder.ts'

const minute = 60_000

test('silence: a new connection, then power, then people are told; ever more seldom', () => {
  const steps = ladder(10 * minute)
  const seen: unknown[] = []
  for (let step = 0; step < 9; step++) {
    seen.push([steps.patienceMs() / minute, steps.cycleDue(), steps.spent()])
    steps.trouble('silent')
  }
  expect(seen).toEqual([
    [10, false, false],
    [1, false, false],
    [1, true, false],
    [10, false, true],
    [20, true, true],
    [40, false, true],
    [60, false, true],
    [60, false, true],
    [60, true, true],
  ])
  steps.fine('silent')
  expect([steps.patienceMs() / minute, steps.spent()]).toEqual([10, false])
})

test('each trouble has steps of its own; power is switched once for a step', () => {
  const steps = ladder(10 * minute)
  steps.trouble('scan')
  steps.trouble('connect')
  expect(steps.cycleDue()).toBe(false)
  steps.trouble('connect')
  expect([steps.cycleDue(), steps.cycleDue()]).toEqual([true, false])
  steps.trouble('connect')
  expect(steps.spent()).toBe(true)
  steps.fine('silent')
  steps.fine('scan')
  expect(steps.spent()).toBe(true)
  steps.fine('connect')
  expect(steps.spent()).toBe(false)
})
