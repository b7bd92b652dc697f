import { expect, test } from '@jest/globals'
import { settling, type Weighed } from '../../src/driver/settle.ts'
import { quantity } from '../../src/reading/quantity.ts'

const kg = (text: string) => quantity(text, 'kg')

/** `72.4` a stable weight, `~30.0` a moving one, `0` empty, `-` negative, `!` a fault, `OL` above the range. */
function weighed(word: string): Weighed {
  if (word === '!') return { fault: 'frame.check' }
  if (word === 'OL') return { silent: 'overload' }
  if (word === '0') return { silent: 'zero' }
  if (word === '-') return { silent: 'negative' }
  if (word === '~') return { silent: 'unstable' }
  if (word === 'T') return { silent: 'tare' }
  if (word.startsWith('~')) return { silent: 'unstable', passing: kg(word.slice(1)) }
  return { measured: { 'body-weight': kg(word) } }
}

/** The weights that count, in order. */
function counted(words: string): string[] {
  const counts = settling({ kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 })
  return words.split(' ').filter(word => counts(weighed(word)))
}

test.each([
  ['from empty', '0 ~30.0 72.4 72.4 72.4 72.4', ['72.4']],
  ['from moving', '~30.0 72.4 72.4 72.4', ['72.4']],
  ['two stable frames must be equal', '0 72.3 72.4 72.5 72.5', ['72.5']],
  ['one stable frame is not enough', '0 ~30.0 72.4', []],
  ['someone stood there when listening began', '72.4 72.4 72.4 72.4', []],
  ['a second person', '0 72.4 72.4 ~10.0 0 ~30.0 58.6 58.6', ['72.4', '58.6']],
  ['the same weight again after empty', '0 72.4 72.4 0 72.4 72.4', ['72.4', '72.4']],
  ['nearly empty is empty', '0 72.4 72.4 0.45 72.4 72.4', ['72.4', '72.4']],
  ['less than nothing is empty', '0 72.4 72.4 - 72.4 72.4', ['72.4', '72.4']],
  ['one rolls off, the next rolls on, never empty', '0 72.4 72.4 ~80.0 ~95.0 91.2 91.2', ['72.4', '91.2']],
  ['a flickering sign', '0 72.4 72.4 ~72.4 72.4 72.4 ~72.3 ~72.6 72.4 72.4', ['72.4']],
  ['a small shift', '0 72.4 72.4 ~72.9 72.8 72.8', ['72.4']],
  ['one damaged frame that still reads as a weight', '0 72.4 72.4 32.4 72.4 72.4', ['72.4']],
  ['a fault does not arm', '72.4 72.4 ! 72.4 72.4', []],
  ['a fault does not re-arm', '0 72.4 72.4 ! ! ! 72.4 72.4', ['72.4']],
  ['two frames do not meet across a fault', '0 72.4 ! 72.4 72.4', ['72.4']],
  ['a fault does not disarm', '0 ! 72.4 72.4', ['72.4']],
  ['over the range, then back', '0 OL OL 72.4 72.4', ['72.4']],
  ['a tare line changes nothing', '0 72.4 72.4 T T 72.4 72.4', ['72.4']],
  ['moving without a value counts as moving', '0 72.4 72.4 ~ ~ 72.4 72.4', ['72.4', '72.4']],
])('%s', (_what, words, expected) => {
  expect(counted(words)).toEqual(expected)
})

test('what is no weight, and a scan, never counts as a weighing', () => {
  const counts = settling({ kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 })
  expect(counts({ silent: 'zero' })).toBe(false)
  expect(counts({ scanned: 'R-00417' })).toBe(false)
})
