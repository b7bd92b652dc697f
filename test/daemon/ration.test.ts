import { expect, test } from '@jest/globals'
import { ration } from '../../src/daemon/ration.ts'

test('so many of a kind pass in a minute, and the next one after it stands for all that were held back', () => {
  let now = 5000
  const often = ration({ mono: () => now }, 3)
  const some = (kind: string, times: number): number[] =>
    Array.from({ length: times }, () => often.take(kind))
  expect(some('scanned a', 6)).toEqual([1, 1, 1, 0, 0, 0])
  expect(some('scanned b', 1)).toEqual([1])
  now += 59_999
  expect(some('scanned a', 2)).toEqual([0, 0])
  now += 1
  // five were held back, and this one
  expect(some('scanned a', 4)).toEqual([6, 1, 1, 0])
  now += 600_000
  expect(some('scanned a', 2)).toEqual([2, 1])
})
