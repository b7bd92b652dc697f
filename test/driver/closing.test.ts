import { expect, test } from '@jest/globals'
import { bytesOf, hex, unhex } from '../../src/base/bytes.ts'
import { type Check, closing, linkCrc, none, parity, sum8, sumText, xor8 } from '../../src/driver/checks.ts'

// A&D TM-2655: SYN SYN SOH 00 STX … ETX and the exclusive or of SOH to ETX, as published for its commands.
const bcc = closing({ name: 'bcc', width: 1, from: 2, of: xor8, bare: ['\x16\x16\x0100\x06'] })
const start = '16160130300253540307'
const stop = '16160130300253500303' // its check byte is 03, as the ETX before it
const read = '16160130300252420310'

// Nonin Onyx II 9560, DF13: head of 6 bytes, 14 of data, their sum mod 256, ETX.
const df13 = closing({ name: 'sum', width: 1, from: 6, of: sum8, after: '\x03' })
const record = '0002000d000e202610080941050002100048006168' // ends with the sum, 68
const spot = `${record}03`

// Nonin DF2: 5 bytes, the last is the sum of the four before it.
const df2 = closing({ name: 'sum', width: 1, of: sum8 })

/** Each frame that these bytes are with one bit flipped. */
const flipped = (frame: string): string[] =>
  Array.from({ length: frame.length * 4 }, (_, bit) => {
    const bytes = unhex(frame)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    return hex(bytes)
  })

const refused = expect.objectContaining({ code: 'frame.check' })

test('xor8 and sum8 of no bytes, of one, and beyond 255', () => {
  expect([...xor8(unhex(''))]).toEqual([0])
  expect([...sum8(unhex(''))]).toEqual([0])
  expect([...xor8(unhex('a5'))]).toEqual([0xa5])
  expect([...sum8(unhex('a5'))]).toEqual([0xa5])
  expect([...xor8(unhex('ff0ff0'))]).toEqual([0x00])
  expect([...sum8(unhex('ff0203'))]).toEqual([0x04])
})

test.each([
  [bcc, start, '161601303002535403'],
  [bcc, stop, '161601303002535003'],
  [bcc, read, '161601303002524203'],
  [df13, spot, '0002000d000e2026100809410500021000480061'],
  [df2, '01800148ca', '01800148'],
])('%# the payload is all that comes before the check bytes', (check, frame, payload) => {
  expect(hex(check.open(unhex(frame), 0))).toBe(payload)
})

test.each([
  [bcc, stop, 2], // SYN SYN stand before what counts
  [df13, spot, 6],
  [df2, '01800148ca', 0],
])('%# every flipped bit from the first byte that counts to the end is caught', (check, frame, from) => {
  const judged = flipped(frame).slice(from * 8)
  expect(judged).toHaveLength((frame.length / 2 - from) * 8)
  for (const one of judged) expect(() => check.open(unhex(one), 0)).toThrow(refused)
})

test('an ending is no part of what is checked', () => {
  expect(hex(df2.open(unhex('01800148ca0d0a'), 2))).toBe('01800148')
  expect(() => df2.open(unhex('01800148ca0d0a'), 1)).toThrow(refused)
  // the sum of `AB` is 83
  const line = closing({ name: 'sum', width: 1, of: sum8, after: ';' })
  expect(hex(line.open(unhex('4142833b0d'), 1))).toBe('4142')
  expect(() => line.open(unhex('4142830d'), 1)).toThrow('does not end as it should')
})

test('a frame too short for its check bytes is refused', () => {
  for (const frame of ['', '1616', '0002000d000e', `${'00'.repeat(6)}03`]) {
    expect(() => df13.open(unhex(frame), 0)).toThrow(refused)
  }
  expect(() => bcc.open(unhex('1616'), 0)).toThrow('too short')
  expect(() => df2.open(unhex(''), 0)).toThrow('too short')
})

test('an acknowledgement is bare, and only as it stands in the list', () => {
  const ack = '161601303006'
  expect(hex(bcc.open(unhex(ack), 0))).toBe(ack)
  expect(hex(bcc.seal(unhex(ack), 0))).toBe(ack)
  expect(hex(bcc.open(unhex(`${ack}0d`), 1))).toBe(ack)
  for (const one of flipped(ack)) expect(() => bcc.open(unhex(one), 0)).toThrow(refused)
})

test('two check bytes are both compared', () => {
  const twice = closing({ name: 'bcc', width: 2, of: counted => Uint8Array.of(...xor8(counted), 0x2a) })
  expect(hex(twice.open(unhex('4142032a'), 0))).toBe('4142') // 41 xor 42 is 03
  expect(() => twice.open(unhex('4142032b'), 0)).toThrow(refused)
  expect(() => twice.open(unhex('4142022a'), 0)).toThrow(refused)
})

const even = parity('even')
const tanita = sumText({ mark: ',CS,', less: 3, tail: '}' })
const printed = hex(
  bytesOf('{0,16,~0,1,MO,"PW-650",Da,"30/04/2020",TI,"20:02",Wk,58.1,Pt,2.0,Ta,0.0,CS,D6\r\n'),
)

test.each<[string, Check, string, number, string]>([
  ['none', none, '41430d0a', 2, '41430d0a'],
  ['link-crc', linkCrc, '0e484302', 0, '0e484302'],
  ['even parity', even, '41430d8a', 2, '41c38d0a'],
  ['odd parity', parity('odd'), '41c38d0a', 2, 'c1430d8a'],
  ['sum as text', tanita, printed.replace(hex(bytesOf(',D6')), hex(bytesOf(',00'))), 2, printed],
  ['bcc', bcc, stop.replace(/03$/, '00'), 0, stop],
  ['sum before ETX', df13, `${record.slice(0, -2)}ff03`, 0, spot],
  ['sum before an ending', df2, '01800148000d0a', 2, '01800148ca0d0a'],
])(
  '%s: seal makes the guard right, and what is right stays as it is',
  (_name, check, frame, ending, right) => {
    const given = unhex(frame)
    expect(hex(check.seal(given, ending))).toBe(right)
    expect(hex(given)).toBe(frame) // what was given is not written to
    expect(hex(check.seal(unhex(right), ending))).toBe(right)
    expect(() => check.open(unhex(right), ending)).not.toThrow()
  },
)

test('seal leaves alone what has no room for a guard', () => {
  expect(hex(bcc.seal(unhex('1616'), 0))).toBe('1616')
  expect(hex(tanita.seal(unhex('7b302c0d0a'), 2))).toBe('7b302c0d0a')
})
