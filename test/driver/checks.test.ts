import { expect, test } from '@jest/globals'
import { bytesOf, hex, unhex } from '../../src/base/bytes.ts'
import { none, parity, sumText } from '../../src/driver/checks.ts'

// `A` has 2 set bits, `C` has 3, CR has 3, LF has 2.
const even = '41c38d0a'
const odd = 'c1430d8a'

test('none gives the frame without its ending', () => {
  expect(hex(none.open(unhex('41430d0a'), 2))).toBe('4143')
})

test('parity is verified over the ending too, then bit 7 is stripped', () => {
  expect(hex(parity('even').open(unhex(even), 2))).toBe('4143')
  expect(hex(parity('odd').open(unhex(odd), 2))).toBe('4143')
  expect(() => parity('even').open(unhex('41c30d0a'), 2)).toThrow('parity of byte 3 is not even')
  expect(() => parity('odd').open(unhex(even), 2)).toThrow('parity of byte 1 is not odd')
})

test('every flipped bit of a frame is caught by parity', () => {
  for (let bit = 0; bit < 32; bit++) {
    const frame = unhex(even)
    frame[bit >> 3]! ^= 1 << (bit & 7)
    expect(() => parity('even').open(frame, 2)).toThrow('parity')
  }
})

// Tanita PW-650MA manual p.25: the line as printed, its sum D6.
const printed = '{0,16,~0,1,MO,"PW-650",Da,"30/04/2020",TI,"20:02",Wk,58.1,Pt,2.0,Ta,0.0,CS,D6'
const tanita = sumText({ mark: ',CS,', less: 3, tail: '}' })

test('sum of the line in the maker’s manual fits; the payload ends before it', () => {
  const payload = tanita.open(bytesOf(`${printed}\r\n`), 2)
  expect(Buffer.from(payload).toString()).toBe(printed.slice(0, printed.indexOf(',CS,')))
  expect(() => tanita.open(bytesOf(`${printed}}\r\n`), 2)).not.toThrow()
})

test.each([
  ['a digit', printed.replace('58.1', '58.2')],
  ['the sum', printed.replace('CS,D6', 'CS,D7')],
  ['the case of the sum', printed.replace('CS,D6', 'CS,d6')],
  ['something after the sum', `${printed}0`],
  ['no sum', printed.slice(0, -6)],
])('%s is refused', (_what, line) => {
  expect(() => tanita.open(bytesOf(`${line}\r\n`), 2)).toThrow(
    expect.objectContaining({ code: 'frame.check' }),
  )
})
