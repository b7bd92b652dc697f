import { expect, test } from '@jest/globals'
import { heardBy } from './heard.ts'

const heard = await heardBy('masimo-rad')

const measured = (spo2: number, pulse: number, index?: number) => ({
  spo2: { n: spo2, s: 0, u: '%' },
  'pulse-rate': { n: pulse, s: 0, u: '/min' },
  ...(index !== undefined && { 'perfusion-index': { n: index, s: 2, u: '%' } }),
})

// Lines of real oximeters as their owners published them (projects masimo-datacapture and pulseox), a Radical-5
// line of another project's tests, and the sample trend of the Rad-8 operator's manual p.4-24.
test.each([
  [
    '03/19/16 13:37:12 SN=0000093112 SPO2=---% BPM=--- DESAT=-- PIDELTA=+-- ALARM=0000 EXC=000001',
    'no-value',
  ],
  [
    '03/17/16 19:19:36 SN=---------- SPO2=098% BPM=123 PI=00.55 SPCO=--% SPMET=--.-% SPHB=--.- SPOC=-- RESVD=--- DESAT=-- PIDELTA=+-- PVI=--- ALARM=000000 EXC=0000C00 EXC1=00000000',
    { measured: measured(98, 123, 55), deviceTime: '2016-03-17T19:19:36' },
  ],
  [
    '02/22/16 22:47:45 SN=0000056661 SPO2=098% BPM=097 PI=03.60% SPCO=--.-% SPMET=--.-% DESAT=-- PIDELTA=+-- ALARM=0000 EXC=000800',
    { measured: measured(98, 97, 360), deviceTime: '2016-02-22T22:47:45', deviceId: '0000056661' },
  ],
  [
    '09/15/10 15:10:29 SPO2=097% BPM=064 PI=11.82% ALARM=20 EXC=800',
    { measured: measured(97, 64, 1182), deviceTime: '2010-09-15T15:10:29' },
  ],
  ['09/21/08 09:56:08 SpO2=000 PR=000 PI=00.00 EXC=820:OffPat,SET', 'no-value'],
  ['09/21/08 09:56:10 SpO2=000 PR=000 PI=00.00 EXC=828:Search,OffPat,SET', 'no-value'],
  [
    '09/21/08 09:56:12 SpO2=097 PR=069 PI=04.69 EXC=800:SET',
    { measured: measured(97, 69, 469), deviceTime: '2008-09-21T09:56:12', stored: true },
  ],
  [
    '09/21/08 09:56:14 SpO2=096 PR=074 PI=02.28 EXC=C00:LowSigIQ,SET',
    { measured: measured(96, 74, 228), deviceTime: '2008-09-21T09:56:14', stored: true },
  ],
  ['09/21/08 09:56:18 SpO2=000 PR=000 PI=00.00 EXC=800:SET', 'no-value'],
])('%s', (line, expected) => {
  expect(heard(`${line}\r\n`)).toEqual([expected])
})

const live = (rest: string): unknown => heard(`01/15/26 10:00:00 ${rest}\r\n`)[0]
const time = { deviceTime: '2026-01-15T10:00:00' }

// Exceptions of the Rad-8 operator's manual p.4-24.
test.each([
  ['001', 'no-value'],
  ['002', 'error'],
  ['008', 'no-value'],
  ['010', 'unstable'],
  ['020', 'no-value'],
  ['040', 'unstable'],
  ['080', 'error'],
  ['8ff', 'error'],
  ['830', 'no-value'],
  ['000', { measured: measured(97, 64, 469), ...time }],
  ['004', { measured: measured(97, 64, 469), ...time }],
  ['100', { measured: measured(97, 64, 469), ...time }],
  ['400', { measured: measured(97, 64, 469), ...time }],
])('exception %s', (exception, expected) => {
  expect(live(`SPO2=097% BPM=064 PI=04.69% EXC=${exception}`)).toEqual(expected)
})

test.each([
  ['SPO2=---% BPM=064 EXC=800', 'no-value'],
  ['SPO2=097% BPM=--- EXC=800', 'no-value'],
  ['SPO2=000% BPM=064 EXC=800', 'no-value'],
  ['SPO2=097% BPM=000 EXC=800', 'no-value'],
  ['SPO2=101% BPM=064 EXC=800', 'frame.malformed'],
  ['SPO2=097% BPM=241 EXC=800', 'frame.malformed'],
  ['SPO2=097% BPM=064 PI=20.01% EXC=800', 'frame.malformed'],
  ['SPO2=97.5% BPM=064 EXC=800', 'frame.malformed'],
  ['SPO2=% BPM=064 EXC=800', 'frame.malformed'],
  ['SPO2=097% EXC=800', 'frame.malformed'],
  ['BPM=064 EXC=800', 'frame.malformed'],
  ['SPO2=097% BPM=064', 'frame.malformed'],
  ['SPO2=097% BPM=064 EXC=', 'frame.malformed'],
  ['SPO2=097% BPM=064 EXC=8G0', 'frame.malformed'],
  ['SPO2=097% BPM=064 PR=064 EXC=800', 'frame.malformed'],
  ['SPO2=097% SpO2=098% BPM=064 EXC=800', 'frame.malformed'],
  ['SPO2=097% BPM=064 EXC=800 097', 'frame.malformed'],
  ['SPO2=097% BPM=064 A=B=C EXC=800', 'frame.malformed'],
  ['SPO2=097% BPM=064 X=\x7f EXC=800', 'frame.malformed'],
])('%s', (line, expected) => {
  expect(live(line)).toEqual(expected)
})

test('a perfusion index of dashes or zeros is none', () => {
  const said = { measured: measured(97, 64), ...time }
  expect(live('SPO2=097% BPM=064 PI=--.--% EXC=800')).toEqual(said)
  expect(live('SPO2=097% BPM=064 PI=00.00% EXC=800')).toEqual(said)
})

test('blanks, commas and padding between fields', () => {
  expect(live('SPO2=097%,  BPM=064, EXC=800, ')).toEqual({ measured: measured(97, 64), ...time })
})

test('a clock that tells no time, a serial number of zeros, no date at all', () => {
  const rest = 'SN=0000000000 SPO2=097% BPM=064 EXC=800\r\n'
  expect(heard(`00/00/00 00:00:00 ${rest}`)).toEqual([{ measured: measured(97, 64) }])
  expect(heard(`02/30/26 10:00:00 ${rest}`)).toEqual([{ measured: measured(97, 64) }])
  expect(heard(rest)).toEqual(['frame.malformed'])
})

test.each(['\r\n', '\n', '\r', '\n\r'])('a line may end with %j', ending => {
  const line = `01/15/26 10:00:00 SPO2=097% BPM=064 EXC=800${ending}`
  expect(heard(line + line)).toEqual([
    { measured: measured(97, 64), ...time },
    { measured: measured(97, 64), ...time },
  ])
})
