import { expect, test } from '@jest/globals'
import { ageOf } from '../../src/daemon/age.ts'
import { wallMs, wallOf } from '../../src/daemon/wall.ts'

// Half past nine on a summer's day in Berlin, where clocks are two hours ahead of UTC.
const now = Date.UTC(2026, 6, 11, 7, 30, 0)
const wall = wallOf('Europe/Berlin')(now)
const measured = { systolic: { n: 120, s: 0, u: 'mm[Hg]' as const } }
const keeps = (clockOffMs?: number) => ({ stores: true, clockOffMs })

test('the wall clock of the site, in summer, in winter, and on the night of the change', () => {
  expect(wall).toEqual({ year: 2026, month: 7, day: 11, hour: 9, minute: 30, second: 0, weekday: 6 })
  expect(wallOf('Europe/Berlin')(Date.UTC(2026, 0, 4, 23, 5, 7))).toMatchObject({
    day: 5,
    hour: 0,
    minute: 5,
    second: 7,
    weekday: 1,
  })
  // 25 October 2026, 01:30 UTC is the second 02:30
  expect(wallOf('Europe/Berlin')(Date.UTC(2026, 9, 25, 1, 30))).toMatchObject({ hour: 2, weekday: 7 })
  expect(wallMs(wall)).toBe(Date.UTC(2026, 6, 11, 9, 30, 0))
})

test('what speaks when it measures is of this moment, whatever its clock says', () => {
  const said = { measured, deviceTime: '2010-01-01T00:05' }
  expect(ageOf(said, { stores: false, clockOffMs: undefined }, () => wall)).toEqual({
    clock: 'unchecked',
    ms: 0,
  })
  expect(ageOf({ measured }, { stores: false, clockOffMs: 0 }, () => wall)).toEqual({ ms: 0 })
})

test('what was kept is as old as a clock says that was right', () => {
  const said = { measured, deviceTime: '2026-07-11T09:20:30' }
  expect(ageOf(said, keeps(0), () => wall)).toEqual({ clock: 'checked', ms: 570_000 })
  // the device was 30 s ahead: it measured at 09:20:00
  expect(ageOf(said, keeps(30_000), () => wall)).toEqual({ clock: 'checked', ms: 600_000 })
  expect(ageOf({ ...said, deviceTime: '2026-07-11T09:31:00' }, keeps(0), () => wall)).toMatchObject({ ms: 0 })
})

test('a measurement of tomorrow has no age: our own clock was set back in the middle of a session', () => {
  const said = { measured, deviceTime: '2090-01-01T00:00:00' }
  expect(ageOf(said, keeps(0), () => wall)).toEqual({ clock: 'checked', ms: undefined })
  // a second more than two minutes ahead, and just these
  expect(ageOf({ measured, deviceTime: '2026-07-11T09:32:01' }, keeps(0), () => wall).ms).toBeUndefined()
  expect(ageOf({ measured, deviceTime: '2026-07-11T09:32:00' }, keeps(0), () => wall).ms).toBe(0)
})

test.each([
  ['a clock that was two minutes and a second off', keeps(120_001), '2026-07-11T09:29:00'],
  ['a clock that nobody compared', keeps(), '2026-07-11T09:29:00'],
  ['no time at all', keeps(0), undefined],
])('nobody knows how old it is: %s', (_why, keeper, deviceTime) => {
  const said = { measured, ...(deviceTime !== undefined && { deviceTime }) }
  expect(ageOf(said, keeper, () => wall).ms).toBeUndefined()
})

test('a device without memory that says it kept this one is believed', () => {
  const keeper = { stores: false, clockOffMs: undefined }
  expect(ageOf({ measured, stored: true }, keeper, () => wall).ms).toBeUndefined()
})
