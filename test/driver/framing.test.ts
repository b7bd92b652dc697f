import { expect, test } from '@jest/globals'
import { bytesOf } from '../../src/base/bytes.ts'
import type { Piece } from '../../src/driver/cutters.ts'
import { cutterOf, type Framing } from '../../src/driver/framing.ts'

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const toldOf = ({ frame, ending, wrong }: Piece): unknown[] =>
  wrong === undefined ? [latin1(frame), ending] : [latin1(frame), wrong]

/** What a framing makes of a text; `rest` says whether silence follows. */
function cut(framing: Framing, text: string, rest = false, mask = 0xff): unknown[] {
  const cutter = cutterOf(framing, mask)
  const pieces = [...Buffer.from(text, 'latin1')].flatMap(byte => cutter.push(byte))
  const left = rest ? cutter.rest() : undefined
  return [...pieces, ...(left === undefined ? [] : [left])].map(toldOf)
}

test('until: frames with their endings, the longer ending first', () => {
  expect(cut({ until: '\r\n' }, 'a\r\nbc\r\n')).toEqual([
    ['a\r\n', 2],
    ['bc\r\n', 2],
  ])
  const framing = { until: ['\r\n', '\r', '\n'] }
  expect(cut(framing, 'a\r\nb\rc\nd\r', true)).toEqual([
    ['a\r\n', 2],
    ['b\r', 1],
    ['c\n', 1],
    ['d\r', 1],
  ])
})

test('until: an ending that may grow waits 50 ms, half a frame waits a second', () => {
  const cutter = cutterOf({ until: ['\r\n', '\r'] }, 0xff)
  expect(cutter.quietMs()).toBeUndefined()
  cutter.push(0x61)
  expect(cutter.quietMs()).toBe(1000)
  expect(cutter.push(0x0d)).toEqual([])
  expect(cutter.quietMs()).toBe(50)
  expect(toldOf(cutter.rest()!)).toEqual(['a\r', 1])
})

test('until: empty lines are no frames, a cut one is a fault', () => {
  expect(cut({ until: ['\r\n', '\r'] }, '\r\n\r\r\na\r\n\r\nb', true)).toEqual([
    ['a\r\n', 2],
    ['b', 'frame.malformed'],
  ])
})

test('until: over-long data is one fault, and the next frame is whole', () => {
  expect(cut({ until: '\n', limit: 4 }, 'abcdefghijkl\nxy\n')).toEqual([
    ['abcd', 'frame.too-long'],
    ['xy\n', 1],
  ])
  // An ending that lies across the limit still ends it.
  expect(cut({ until: '\r\n', limit: 4 }, 'abcd\r\nxy\r\n')).toEqual([
    ['abc', 'frame.too-long'],
    ['xy\r\n', 2],
  ])
  // Exactly as long as the limit, ending included.
  expect(cut({ until: '\n', limit: 4 }, 'abc\n')).toEqual([['abc\n', 1]])
})

test('until: with a mask, bit 7 does not hide an ending, and the frame keeps it', () => {
  expect(cut({ until: '\r\n' }, 'a\x8d\n', false, 0x7f)).toEqual([['a\x8d\n', 2]])
  expect(cut({ until: '\r\n' }, 'a\x8d\n', true, 0xff)).toEqual([['a\x8d\n', 'frame.malformed']])
})

test('from, to: noise between frames, a line without its beginning, a frame begun anew', () => {
  const framing = { from: '{0,', to: '\r\n' }
  expect(cut(framing, 'end\r\n\x00\xff{0,a\r\n{0,b{0,c\r\n{0,d', true)).toEqual([
    ['end\r\n', 'frame.malformed'],
    ['\x00\xff', 'noise'],
    ['{0,a\r\n', 2],
    ['{0,b', 'frame.malformed'],
    ['{0,c\r\n', 2],
    ['{0,d', 'frame.malformed'],
  ])
})

test('from, to: over-long data is a fault and resynchronises', () => {
  expect(cut({ from: '<', to: '>', limit: 5 }, '<abcdefg<xy>')).toEqual([
    ['<abcd', 'frame.too-long'],
    ['efg', 'noise'],
    ['<xy>', 1],
  ])
})

test('length: by count, and from a mark', () => {
  expect(cut({ length: 3 }, 'abcdef')).toEqual([
    ['abc', 0],
    ['def', 0],
  ])
  expect(cut({ length: 3, from: '*' }, 'x*ab*cd', true)).toEqual([
    ['x', 'noise'],
    ['*ab', 0],
    ['*cd', 0],
  ])
})

test('lengthOf: the frame tells its length; one that lies is bounded', () => {
  const lengthOf = (begun: Uint8Array) => (begun.length < 2 ? undefined : begun[1]! + 3)
  const framing = { lengthOf, from: '\x02', limit: 8 }
  expect(cut(framing, '\x02\x02abc\x02\x00c')).toEqual([
    ['\x02\x02abc', 0],
    ['\x02\x00c', 0],
  ])
  expect(cut(framing, '\x02\xffabcdefgh')).toEqual([['\x02\xffabcdef', 'frame.too-long']])
  expect(cut(framing, 'xy\x02\x00c\x02\x00', true)).toEqual([
    ['xy', 'noise'],
    ['\x02\x00c', 0],
    ['\x02\x00', 'frame.malformed'],
  ])
})

test('lengthOf 0: no frame begins here, one may begin with the next byte', () => {
  // A first byte with bit 7, three without, as of Nonin data format 8.
  const lengthOf = (begun: Uint8Array) => (begun.every((byte, at) => byte >= 0x80 === (at === 0)) ? 4 : 0)
  expect(cut({ lengthOf, limit: 8 }, 'ab\x80H\x80Ha ', true)).toEqual([
    ['ab\x80H', 'noise'],
    ['\x80Ha ', 0],
  ])
  expect(cut({ lengthOf, limit: 2 }, 'abcde', true)).toEqual([
    ['ab', 'noise'],
    ['cd', 'noise'],
    ['e', 'noise'],
  ])
})

test('silence: a frame ends when the line is silent', () => {
  const cutter = cutterOf({ silenceMs: 30 }, 0xff)
  for (const byte of bytesOf('abc')) cutter.push(byte)
  expect(cutter.quietMs()).toBe(30)
  expect(toldOf(cutter.rest()!)).toEqual(['abc', 0])
  expect(cutter.quietMs()).toBeUndefined()
  expect(cut({ silenceMs: 30, limit: 2 }, 'abc', true)).toEqual([
    ['ab', 'frame.too-long'],
    ['c', 0],
  ])
})
