import { expect, test } from '@jest/globals'
import type { Weighed } from '../../src/driver/settle.ts'
import { steadying } from '../../src/driver/steady.ts'
import { quantity } from '../../src/reading/quantity.ts'

const steady = { kind: 'spo2', goodMs: 10_000, breakMs: 3000 } as const

const value = (percent: number): Weighed => ({
  measured: { spo2: quantity(String(percent), '%'), 'pulse-rate': quantity('72', '/min') },
})
const words: Record<string, Weighed> = {
  '-': { silent: 'no-value' },
  u: { silent: 'unstable' },
  e: { silent: 'error' },
  f: { fault: 'frame.check' },
  n: { silent: 'noise' },
  a: { silent: 'ack' },
  s: { measured: { spo2: quantity('97', '%') }, stored: true },
  p: { measured: { 'pulse-rate': quantity('72', '/min') } },
}

/** Plays one word a second: a number, a letter of `words`, or `.` for a silent line. Tells the seconds that counted. */
function counted(script: string, settings: typeof steady = steady): number[] {
  const counts = steadying(settings)
  return script
    .trim()
    .split(/\s+/)
    .flatMap((word, second) => {
      if (word === '.') return []
      return counts(words[word] ?? value(Number(word)), second * 1000) ? [second] : []
    })
}

const times = (word: string | number, count: number): string => `${word} `.repeat(count)

test('a finger counts once, when its values came for ten seconds', () => {
  expect(counted(times(97, 10))).toEqual([])
  expect(counted(times(97, 11))).toEqual([10])
  expect(counted(times(97, 60))).toEqual([10])
})

test('what counts is a frame that has the median of the values', () => {
  // of 94 95 96 97 98 98 98 98 98 98 99 the median is 98: the next 98 counts, at second 11
  expect(counted('94 95 96 97 98 98 98 98 98 98 99 98 98')).toEqual([11])
  // of an even number the lower middle: at second 11 of six 95 and six 97 that is 95, and 97 does not count
  expect(counted('95 95 95 95 95 95 97 97 97 97 97 97 95')).toEqual([12])
})

test('a rise that ends is waited for', () => {
  // eleven values from 80 to 90, then 91: half of the values are 91 or more after eleven of them, the lower
  // middle is 91 after twelve (second 22)
  expect(counted(`80 81 82 83 84 85 86 87 88 89 90 ${times(91, 20)}`)).toEqual([22])
})

test('no value begins the ten seconds anew', () => {
  expect(counted(`${times(97, 9)} - ${times(97, 10)}`)).toEqual([])
  expect(counted(`${times(97, 9)} - ${times(97, 11)}`)).toEqual([20])
  expect(counted(`${times(97, 9)} e ${times(97, 11)}`)).toEqual([20])
})

test('an unstable frame is no value, and the values around it still belong together', () => {
  expect(counted(`${times(97, 5)} u ${times(97, 5)}`)).toEqual([10])
  expect(counted(`${times(97, 10)} u`)).toEqual([])
  expect(counted(`97 97 u u ${times(97, 10)}`)).toEqual([])
  expect(counted(`97 97 u u ${times(97, 11)}`)).toEqual([14])
})

test.each([
  '-',
  'e',
  '.',
  's',
  'a',
  'u u u u u',
  '- u -',
  'f f f f f',
  'n n n n n',
  '- f f',
  '. f .',
  'f - f - f u',
])('the same finger is not measured again after %s', pause => {
  expect(counted(`${times(97, 11)} ${pause} ${times(97, 30)}`)).toEqual([10])
})

test.each(['- -', '- e', '. .', 's s', 'p p', '- - - f', 'a a'])(
  'the next finger is measured after %s',
  pause => {
    const script = `${times(97, 11)} ${pause} ${times(93, 11)}`
    expect(counted(script)).toEqual([10, script.trim().split(/\s+/).length - 1])
  },
)

test('a silent line breaks off what was not yet counted', () => {
  expect(counted(`${times(97, 8)} . . ${times(97, 10)}`)).toEqual([])
})

test('what the device kept in its memory is no finger', () => {
  expect(counted(times('s', 60))).toEqual([])
  expect(counted(`${times('s', 8)} ${times(97, 10)}`)).toEqual([])
})

test('a frame without the kind is no value', () => {
  expect(counted(times('p', 30))).toEqual([])
})

test('the latest values are looked at, and no more than 128', () => {
  // The median stays 97 as long as half of what is looked at is 97; with 128 values looked at, 64 of 99 push it.
  const counts = steadying({ ...steady, goodMs: 200_000 })
  const told = [...Array(140).fill(97), ...Array(61).fill(99)].map((percent, second) =>
    counts(value(percent), second * 1000),
  )
  expect(told.some(Boolean)).toBe(false)
  expect([99, 99, 99, 99, 99].map((percent, more) => counts(value(percent), (201 + more) * 1000))).toEqual([
    false,
    false,
    false,
    true,
    false,
  ])
})
