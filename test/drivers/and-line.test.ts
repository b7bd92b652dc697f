import { expect, test } from '@jest/globals'
import { heardBy } from './heard.ts'

const heard = await heardBy('and-line')
const kg = (n: number, s: number) => ({ measured: { 'body-weight': { n, s, u: 'kg' } } })

// Lines as printed in A&D manuals (indicator standard format; EK-L p.28; EJ-120 p.24; GC p.51), and lines of
// real T-Scale indicators (QHW, NHB). Conversions by hand: 1 lb = 0.45359237 kg.
test.each([
  ['ST,GS,+0012345kg', kg(12345, 0)],
  ['ST,GS,+0123.45kg', kg(12345, 2)],
  ['ST,NT,+0012.34kg', kg(1234, 2)],
  ['ST,+0001.234 kg', kg(1234, 3)],
  ['ST,+001234.5  g', kg(123, 2)], // 1.2345 kg
  ['ST,GS,     7.9 g', kg(1, 2)], // 0.0079 kg
  ['ST,GS,   245.6 g', kg(25, 2)], // 0.2456 kg
  ['ST,GS,    72.4 kg', kg(724, 1)],
  ['ST,GS    72.4kg ', kg(724, 1)],
  ['US,GS    88.7g  ', 'unstable'],
  ['ST,GS    85.5g  ', kg(9, 2)], // 0.0855 kg
  ['ST,GS, 00254.80 kg', kg(25480, 2)],
  ['ST,GS,+  4.876kg', kg(4876, 3)],
  ['ST,G ,+0072.4kg', kg(724, 1)],
  ['ST,--,+0072.4 kg', kg(724, 1)],
  ['ST,GS,+0159.6lb', kg(7239, 2)], // 72.393342252 kg
  ['ST,GS,+00200.lb', 'frame.malformed'],
  ['ST,GS,+0000.00kg', 'zero'],
  ['ST,GS,-0000.50kg', 'negative'],
  ['US,NT,-113.0254kg', 'unstable'],
  ['US,GS,+000000', 'unstable'],
  ['ST,TR,+0002345kg', 'tare'],
  ['ST,PT,+0002345kg', 'tare'],
  ['QT,+00012345 PC', 'count'],
  ['OL,GS,+    .  kg', 'overload'],
  ['OL,GS,-    .  kg', 'underload'],
  ['OL,-99999999 PC', 'underload'],
  ['OL,+99999999 kg', 'overload'],
  ['LO,GS,+    .  kg', 'overload'],
  ['OL', 'overload'],
  ['OL,GS,+0072.40kg', 'frame.malformed'],
  ['ST,GS,+000000', 'frame.malformed'],
  ['ST,GS,+0072.40', 'frame.malformed'],
  ['ST,GS,+0072,40kg', 'frame.malformed'],
  ['ST,GS,+0072.40PC', 'frame.malformed'],
  ['ST,GS,+0072.40KG', 'frame.malformed'],
  ['ST,GS,+0072.40 t', 'frame.malformed'],
  ['ST,GS,+00 2.40kg', 'frame.malformed'],
  ['ST,GS,+0000072.40123kg', 'frame.malformed'],
  ['ST,GS,+0072.40kgkg', 'frame.malformed'],
  ['T,GS,+0072.40kg', 'frame.malformed'],
])('%s', (line, expected) => {
  expect(heard(`${line}\r\n`)).toEqual([expected])
})

test('an AD-4404 may end its lines with CR alone (manual p.80)', () => {
  expect(heard('ST,NT,+0012.34kg\rST,NT,+0012.34kg\r\n')).toEqual([kg(1234, 2), kg(1234, 2)])
})

test('a comma is the decimal mark only where it was set, and then a point is not', () => {
  expect(heard('ST,GS,+0072,40kg\r\nST,GS,+0072.40kg\r\n', { decimalComma: true })).toEqual([
    kg(7240, 2),
    'frame.malformed',
  ])
})

test('bytes with parity are not understood unless the option says so', () => {
  const line = Uint8Array.from(Buffer.from('ST,GS,+0072.40kg\r\n'), byte => {
    const ones = byte.toString(2).replaceAll('0', '').length
    return ones % 2 === 1 ? byte | 0x80 : byte
  })
  expect(heard(line, { parity: true })).toEqual([kg(7240, 2)])
  expect(heard(line, { parity: 'odd' })).toEqual(['frame.check'])
  expect(heard(line)).toEqual(['frame.malformed'])
})
