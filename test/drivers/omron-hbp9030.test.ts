import { expect, test } from '@jest/globals'
import { heardBy } from './heard.ts'

const heard = await heardBy('omron-hbp9030')
const head = '2026,07,11,09,05,12345678901234567890'

test('format 5: the grammar of the manual (2873643-0F p.20)', () => {
  const measured = {
    systolic: { n: 120, s: 0, u: 'mm[Hg]' },
    diastolic: { n: 80, s: 0, u: 'mm[Hg]' },
    'pulse-rate': { n: 72, s: 0, u: '/min' },
  }
  const said = { measured, deviceTime: '2026-07-11T09:05', deviceId: '12345678901234567890' }
  expect(heard(`${head},0,120,080,072,0\r\n`)).toEqual([said])
  expect(heard(`${head},0,120,080,072,1\r\n`)).toEqual([said])
  const nines = `2026,07,11,09,05,${'9'.repeat(20)},0,120,080,072,0\r\n`
  expect(heard(nines)).toEqual([{ measured, deviceTime: '2026-07-11T09:05' }])
})

test.each([
  [`${head},7,   ,   ,   ,0`, 'error'],
  [`${head},7,120,080,072,0`, 'error'],
  [`${head},0,   ,   ,   ,0`, 'no-value'],
  [`${head},7,120,   ,072,0`, 'frame.malformed'],
  [`${head},0,261,080,072,0`, 'frame.malformed'],
  [`${head},0,059,040,072,0`, 'frame.malformed'],
  [`${head},0,120,029,072,0`, 'frame.malformed'],
  [`${head},0,230,216,072,0`, 'frame.malformed'],
  [`${head},0,120,080,039,0`, 'frame.malformed'],
  [`${head},0,120,080,181,0`, 'frame.malformed'],
  [`${head},0, 20,080,072,0`, 'frame.malformed'],
  [`${head},0,080,080,072,0`, 'frame.malformed'],
  [`${head.replace('2026,07,11', '2025,02,29')},0,120,080,072,0`, 'frame.malformed'],
  [`${head.replace('09,05', '24,05')},0,120,080,072,0`, 'frame.malformed'],
  [`${head.slice(0, -1)},0,120,080,072,0`, 'frame.malformed'],
  ['ID99999999B26/07/11/09:05 120 080 072 ', 'frame.malformed'],
  ['MMBP203N', 'frame.malformed'],
  ['bp,12345678901234567890,2026/07/11,09:05,120,090,080,072,0', 'frame.malformed'],
])('%s', (line, expected) => {
  expect(heard(`${line}\r\n`)).toEqual([expected])
})

test.each([
  [60, 30, 40],
  [260, 215, 180],
])('the ends of the ranges %d/%d %d are measured', (systolic, diastolic, pulse) => {
  const three = (value: number): string => String(value).padStart(3, '0')
  expect(heard(`${head},0,${three(systolic)},${three(diastolic)},${three(pulse)},0\r\n`)).toMatchObject([
    { measured: { systolic: { n: systolic }, diastolic: { n: diastolic }, 'pulse-rate': { n: pulse } } },
  ])
})

// A line that a hospital integrator logged from an HBP-9020: 98 is about (140 + 2 × 77) / 3, the mean.
const logged = 'bp,99999999999999999999,2023/04/27,15:06,140,098,077,068,3'

test('HBP-9020 mode 5: the mean stands between the two pressures', () => {
  expect(heard(`${logged}\r\n`, { format: 'hbp9020-mode-5' })).toEqual([
    {
      measured: {
        systolic: { n: 140, s: 0, u: 'mm[Hg]' },
        diastolic: { n: 77, s: 0, u: 'mm[Hg]' },
        'mean-arterial-pressure': { n: 98, s: 0, u: 'mm[Hg]' },
        'pulse-rate': { n: 68, s: 0, u: '/min' },
      },
      deviceTime: '2023-04-27T15:06',
    },
  ])
})

test.each([
  [`${head},0,120,080,072,0`, 'frame.malformed'],
  [logged.replace('140,098,077', '140,077,098'), 'frame.malformed'],
  [logged.replace('140,098,077', '098,140,077'), 'frame.malformed'],
  [logged.replace('140,098,077,068', '   ,   ,   ,   '), 'error'],
])('HBP-9020 mode 5: %s', (line, expected) => {
  expect(heard(`${line}\r\n`, { format: 'hbp9020-mode-5' })).toEqual([expected])
})
