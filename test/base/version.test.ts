import { expect, test } from '@jest/globals'
import { isBelow, isVersion } from '../../src/base/version.ts'

test.each([
  ['0.1.0', '0.1.0', false],
  ['0.1.0', '0.1.1', true],
  ['0.1.1', '0.1.0', false],
  ['0.9.9', '0.10.0', true],
  ['0.10.0', '0.9.9', false],
  ['1.0.0', '0.99.99', false],
  ['0.99.99', '1.0.0', true],
  ['2.0.10', '2.0.9', false],
  ['10.0.0', '9.9.9', false],
  // what is no version is below any; where the lowest is none, nothing is wanted
  ['0.1', '0.1.0', true],
  ['1.0.0-rc.1', '0.1.0', true],
  ['', '0.0.0', true],
  ['0.1.0', '', false],
  ['0.1.0', 'newest', false],
])('%s is below %s: %s', (version, lowest, below) => {
  expect(isBelow(version, lowest)).toBe(below)
})

test.each([
  '1.2',
  '1.2.3.4',
  '01.2.3',
  '1.2.3 ',
  ' 1.2.3',
  '1.2.x',
  '1.2.-3',
  '1.2.1000000',
  '1.2.3\n',
  '٣.٢.١',
])('%j is no version', text => {
  expect(isVersion(text)).toBe(false)
})

test('three numbers are a version', () => {
  expect(['0.0.0', '1.2.3', '999999.0.10'].every(isVersion)).toBe(true)
})
