import { expect, test } from '@jest/globals'
import { answeredBy } from './heard.ts'

const answered = await answeredBy('dinamap-host')
/** What the answers mean, each given to a question of its own. */
const heard = (answers: string): unknown[] => answered(answers.split(/(?<=\r)/))

/** The two check characters, after the published rule; the tests below hold it against published commands. */
function guarded(line: string): string {
  let sum = 0
  for (const letter of line) {
    sum += letter.charCodeAt(0) - 0x1f
    if (sum > 0xfff) sum -= 0xfff
  }
  return `${line}${String.fromCharCode(0x20 + Math.floor(sum / 64), 0x20 + (sum % 64))}\r`
}

const answer = (age: number, pressures = '120080093', status = 1): string =>
  guarded(` NA${status}00${String(age).padStart(4, '0')}${pressures}`)

const old = answer(345, '150090110')
const said = (systolic: number, diastolic: number, mean: number) => ({
  measured: {
    systolic: { n: systolic, s: 0, u: 'mm[Hg]' },
    diastolic: { n: diastolic, s: 0, u: 'mm[Hg]' },
    'mean-arterial-pressure': { n: mean, s: 0, u: 'mm[Hg]' },
  },
})
const result = said(120, 80, 93)

test('the check of the four published commands, and of the two reconstructed answers', () => {
  expect([' NC0', ' ND', ' NA', ' RC'].map(guarded)).toEqual([' NC0!E\r', ' ND!5\r', ' NA!2\r', ' RC!8\r'])
  const [first, later] = [' NA1000012120080093%]\r', ' NA1000345120080093&&\r']
  expect(heard(`${old}${first}${later}`)).toEqual(['stale', result, 'stale'])
})

test('the result that is there when listening begins is never said', () => {
  expect(heard(`${answer(1)}${answer(3)}${answer(3)}${answer(5)}`)).toEqual(Array(4).fill('stale'))
})

test('a result is new when the age falls, and once', () => {
  const other = answer(2, '134076095')
  expect(heard(`${old}${answer(1)}${answer(3)}${other}`)).toEqual([
    'stale',
    result,
    'stale',
    said(134, 76, 95),
  ])
  expect(heard(`${old}${answer(345)}`)).toEqual(['stale', 'stale'])
  expect(heard(`${old}${answer(346)}`)).toEqual(['stale', 'stale'])
})

test('the same pressures again are a new result when the age falls', () => {
  expect(heard(`${answer(345)}${answer(1)}${answer(2)}${answer(1)}`)).toEqual([
    'stale',
    result,
    'stale',
    result,
  ])
})

test('a counter that may have run over', () => {
  expect(heard(`${answer(9000)}${answer(1)}`)).toEqual(['stale', 'stale'])
  expect(heard(`${answer(8999)}${answer(1)}`)).toEqual(['stale', result])
  expect(heard(`${answer(9998, '150090110')}${answer(1)}`)).toEqual(['stale', result])
})

test('a result that was made while nobody listened', () => {
  expect(heard(`${old}${answer(61)}${answer(63)}${answer(1)}`)).toEqual(['stale', 'stale', 'stale', result])
  expect(heard(`${old}${answer(60)}`)).toEqual(['stale', result])
})

test.each([
  [0, 'no-value'],
  [2, 'no-value'],
  [3, 'error'],
  [9, 'error'],
])('status %i: plausible digits are no value, and its age is not remembered', (status, expected) => {
  const none = answer(0, '120080093', status)
  expect(heard(`${old}${none}${answer(2)}`)).toEqual(['stale', expected, result])
  expect(heard(`${none}${answer(2)}`)).toEqual([expected, 'stale'])
  expect(heard(guarded(` NA${status}`))).toEqual([expected])
})

test.each([
  '080120093',
  '120093080',
  '120080120',
  '120080080',
  '000000000',
  '090000030',
  '301080150',
  '029010020',
  '120009080',
  '016010012',
  '         ',
  '---------',
  '120080',
])('refused: %j', pressures => {
  expect(heard(`${old}${answer(1, pressures)}`)).toEqual(['stale', 'frame.malformed'])
  expect(heard(answer(1, pressures))).toEqual(['frame.malformed'])
})

test('the highest and the lowest pressures are said', () => {
  expect(heard(`${old}${answer(1, '300010150')}`)).toEqual(['stale', said(300, 10, 150)])
  expect(heard(`${old}${answer(1, '030010020')}`)).toEqual(['stale', said(30, 10, 20)])
})

test('an answer to another command, and one without the blank, are refused', () => {
  expect(heard(guarded(' RC1000001120080093'))).toEqual(['frame.malformed'])
  expect(heard(guarded('NA1000001120080093'))).toEqual(['frame.malformed'])
})

test('a check that does not fit', () => {
  const damaged = answer(1).replace('120', '157')
  expect(heard(`${old}${damaged}${answer(3)}`)).toEqual(['stale', 'frame.check', result])
})

test('the sum wraps above FFFh, and not at it; what follows the mean is not looked at', () => {
  const line = ` NA1000001120080093${'~'.repeat(39)}`
  expect(heard(`${old}${line}*__\r`)).toEqual(['stale', result]) // FFFh
  expect(heard(`${old}${line}+ !\r`)).toEqual(['stale', result]) // 1000h, less FFFh
})
