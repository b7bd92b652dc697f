import { expect, test } from '@jest/globals'
import { heardBy } from './heard.ts'

const heard = await heardBy('tanita-csv')
const unguarded = (line: string): unknown[] => heard(`{0,16,~0,1,MO,"X",${line}\r\n`, { checksum: false })

test('the line printed in the PW-650MA manual (p.25), its sum D6', () => {
  const line = '{0,16,~0,1,MO,"PW-650",Da,"30/04/2020",TI,"20:02",Wk,58.1,Pt,2.0,Ta,0.0,CS,D6\r\n'
  const said = { measured: { 'body-weight': { n: 581, s: 1, u: 'kg' } }, deviceTime: '2020-04-30T20:02' }
  expect(heard(line)).toEqual([said])
  expect(heard(line.replace('58.1', '58.7'))).toEqual(['frame.check'])
  expect(heard(line.replace(',CS,D6', ''))).toEqual(['frame.check'])
  // Blanks after commas are printed in the manual and are not on the wire: the sum tells.
  expect(heard(line.replace('Wk,', 'Wk, '))).toEqual(['frame.check'])
})

test('the line printed in the SC-240 manual (p.24), its sum FD', () => {
  const line =
    '{0,16,~0,1,~1,1,~2,1,MO,"SC-240",SN,"00000002",Bt,0,GE,1,AG,30,Hm,170,Pt,0.0,Wk,82.7,FW,18.6,fW,15.4,MW,67.3,mW,64.0,sW,19,bW,3.3,wW,48.0,ww,58.0,MI,28.6,Sw,63.6,OV,30.0,IF,6,rb,8255,rB,1973,rJ,12,rA,28,ZF,369.4,CS,FD\r\n'
  expect(heard(line)).toEqual([
    {
      measured: {
        'body-weight': { n: 827, s: 1, u: 'kg' },
        'body-height': { n: 170, s: 0, u: 'cm' },
        bmi: { n: 286, s: 1, u: 'kg/m2' },
        'body-fat': { n: 186, s: 1, u: '%' },
      },
    },
  ])
})

// Lines of owners with the person's values changed; the sums were computed by hand.
test('a closing brace after the sum (SC-330), and an id of zeros', () => {
  const line =
    '{0,16,~0,1,~1,1,~2,1,MO,"SC-330",SN,"00000001",ID,"0000000000",Da,"25/09/2014",TI,"08:20",Bt,0,GE,1,AG,30,Hm,170.0,Pt,0.0,Wk,82.7,FW,18.6,fW,15.4,MI,28.6,Sw,63.6,IF,6,CS,70}\r\n'
  const measured = {
    'body-weight': { n: 827, s: 1, u: 'kg' },
    'body-height': { n: 1700, s: 1, u: 'cm' },
    bmi: { n: 286, s: 1, u: 'kg/m2' },
    'body-fat': { n: 186, s: 1, u: '%' },
  }
  expect(heard(line)).toEqual([{ measured, deviceTime: '2014-09-25T08:20' }])
  expect(heard(line.replace('CS,70}', 'CS,70}}'))).toEqual(['frame.check'])
})

test('the date and time keys of a BC-601', () => {
  const line =
    '{0,16,~0,2,~1,2,~2,3,~3,4,MO,"BC-601",DT,"07/02/2024",Ti,"12:32:26",Bt,0,GE,2,AG,30,Hm,170.0,AL,1,Wk,72.4,MI,25.1,FW,28.0,Fr,16.5,Fl,30.8,FR,32.5,FL,30.9,mW,38.9,IF,1,CS,19\r\n'
  const measured = {
    'body-weight': { n: 724, s: 1, u: 'kg' },
    'body-height': { n: 1700, s: 1, u: 'cm' },
    bmi: { n: 251, s: 1, u: 'kg/m2' },
    'body-fat': { n: 280, s: 1, u: '%' },
  }
  expect(heard(line)).toEqual([{ measured, deviceTime: '2024-02-07T12:32:26' }])
})

test.each([
  ['Wg,3972', { n: 397, s: 2, u: 'kg' }], // 3.972 kg
  ['Wp,128.1', { n: 5811, s: 2, u: 'kg' }], // 58.105182597 kg
  ['Wk,72.40', { n: 7240, s: 2, u: 'kg' }],
])('%s', (line, weight) => {
  expect(unguarded(line)).toEqual([{ measured: { 'body-weight': weight } }])
})

test.each([
  ['Wk,0.0', 'zero'],
  ['Wk,-1.2', 'negative'],
  ['Wk,', 'no-value'],
  ['Pt,2.0', 'no-value'],
  ['wk,58.1', 'no-value'],
  ['Wk,58.1,Wp,128.1', 'frame.malformed'],
  ['Wk,58.1,Wk,58.1', 'frame.malformed'],
  ['Wk', 'frame.malformed'],
  ['Wk,58.1.2', 'frame.malformed'],
  ['Wk,"58.1"', 'frame.malformed'],
  ['Wk,58.1,CS,00', 'frame.malformed'],
  ['Wk,58.1,MI,-3', 'frame.malformed'],
  ['Wk,58.1,Weight,1', 'frame.malformed'],
  ['Ws,12.08.4', 'frame.malformed'], // stones and pounds (HD-351BT): not read
])('%s', (line, expected) => {
  expect(unguarded(line)).toEqual([expected])
})

test.each([
  ['Da,"2020/04/30",TI,"20:02"', '2020-04-30T20:02'],
  ['DT,"07/02/2024",Ti,"12:32:26"', '2024-02-07T12:32:26'],
  ['Da,"00/00/2000",TI,"00:00"', undefined],
  ['Da,"31/02/2024",TI,"12:00"', undefined],
  ['Da,"30/04/2020"', undefined],
])('device time of %s', (line, deviceTime) => {
  expect(unguarded(`${line},Wk,58.1`)).toEqual([
    {
      measured: { 'body-weight': { n: 581, s: 1, u: 'kg' } },
      ...(deviceTime !== undefined && { deviceTime }),
    },
  ])
})

test('an id of zeros is none', () => {
  expect(unguarded('ID,"0000000000",Wk,58.1')).toEqual([
    { measured: { 'body-weight': { n: 581, s: 1, u: 'kg' } } },
  ])
  expect(unguarded('ID,"0000000417",Wk,58.1')).toMatchObject([{ deviceId: '0000000417' }])
})
