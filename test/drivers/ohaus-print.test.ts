import { expect, test } from '@jest/globals'
import { heardBy } from './heard.ts'

const heard = await heardBy('ohaus-print')
const kg = (n: number, s: number) => ({ measured: { 'body-weight': { n, s, u: 'kg' } } })

// Lines of a real Defender 3000 and of a platform in the same format; Ohaus 3000 Series manual EN-35 (legends,
// units of five characters); Ohaus RS232 Interface manual EN-3 (without legend). 160.9 lb = 72.983012333 kg.
test.each([
  ['   0.360 kg    G', kg(360, 3)],
  ['   0.415 kg   ?G', 'unstable'],
  ['   0.000 kg    G', 'zero'],
  ['   0.000 kg   ?G', 'unstable'],
  ['-  1.640 kg    N', 'negative'],
  ['-  1.640 kg   ?N', 'unstable'],
  ['    20.0 kg    G', kg(200, 1)],
  ['    91.4 kg   ?G', 'unstable'],
  ['    58.6 kg    N', kg(586, 1)],
  ['    58.6 kg    NET', kg(586, 1)],
  ['    13.8 kg    T', 'tare'],
  ['    13.8 kg   ?T', 'tare'],
  ['   160.9 lb    G', kg(7298, 2)],
  ['       12.73 g    ?', 'unstable'],
  ['        3 PCS   ', 'count'],
  ['        3 PCS  ?', 'count'],
  ['    72.4 kg     ', kg(724, 1)],
  ['    72.4 kg', 'frame.malformed'],
  ['    72.4 kg   G', 'frame.malformed'], // a blank or the sign of stability is lost
  ['    72.4 kg  ?G', 'frame.malformed'],
  ['    72.4 kg   !G', 'frame.malformed'],
  ['    72.4 kg    X', 'frame.malformed'],
  ['    72.4 kg    G?', 'frame.malformed'],
  ['    72.4        G', 'frame.malformed'],
  ['    72.4 t     G', 'frame.malformed'],
  ['    72.4 KG    G', 'frame.malformed'],
  ['    72.4 k g   G', 'frame.malformed'],
  ['    72,4 kg    G', 'frame.malformed'],
  ['    7 .4 kg    G', 'frame.malformed'],
  ['    --.- kg    G', 'frame.malformed'],
  ['         kg    G', 'frame.malformed'],
  ['   G', 'frame.malformed'],
  ['        0.85 oz     WET WT', 'frame.malformed'],
])('%s', (line, expected) => {
  expect(heard(`${line}\r\n`)).toEqual([expected])
})
