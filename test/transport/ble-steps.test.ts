import { expect, test } from '@jest/globals'
import { hex, unhex } from '../../src/base/bytes.ts'
import { clockBytes, clockOff } from '../../src/transport/ble-clock.ts'
import type { BleStep } from '../../src/transport/ble-session.ts'
import { address, began, localTime, type Offer, portBench } from './ble-fixture.ts'

/** Runs the beginning of one session with these steps. */
async function begun(
  begin: BleStep[],
  offer: Offer,
  wrote?: (say: (uuid: string, value: string) => void) => void,
) {
  const bench = portBench({ service: '1810', bond: true, stores: true, begin }, offer)
  const { device } = bench
  device.wrote = () => wrote?.(device.say)
  await bench.advertise()
  await bench.time.pass(700)
  const { told } = bench
  return { ...bench, told: () => told.filter(one => !one.startsWith('back')) }
}

test('what a device does not have is passed over, after a second look', async () => {
  const begin: BleStep[] = [
    { read: '2a49' },
    { clock: '2a2b' },
    { hear: '2a36' },
    { write: '2a52', bytes: '0101' },
  ]
  const { device, told, time } = await begun(begin, {})
  expect(device.asked).toEqual(['list', 'list'])
  await time.pass(5000)
  expect(told()).toEqual(['rest'])
})

test('what a card must hear and the device does not have is a fault', async () => {
  const { told } = await begun([{ hear: '2a35', must: true }], {})
  expect(told()).toEqual([`gone ble.refused: ${address} has no characteristic 2a35`])
})

test('what need not be there may be refused', async () => {
  const offer: Offer = {
    '2a49': { flags: ['read'], refuses: true },
    '2a36': { flags: ['notify'], refuses: true },
    '2a08': { flags: ['write'], refuses: true },
    '2a35': { flags: ['indicate'] },
  }
  const begin: BleStep[] = [
    { read: '2a49' },
    { hear: '2a36' },
    { clock: '2a08' },
    { hear: '2a35', must: true },
  ]
  const { device, told } = await begun(begin, offer)
  device.say('2a35', '01')
  expect(told()).toEqual(['2a35 01 at 700'])
})

test('the wall clock of the site, as PROTOCOLS.md 1.1 lays it out', () => {
  // Thursday 15 January 2026, 09:30:15.5 at the site
  expect(hex(clockBytes('2a08', began, localTime))).toBe('ea07010f091e0f')
  expect(hex(clockBytes('2a2b', began, localTime))).toBe('ea07010f091e0f048000')
  // A&D: DD 07 08 1A 09 0A 14 is 26 August 2013, 09:10:20
  const then = Date.UTC(2013, 7, 26, 8, 10, 20)
  expect(hex(clockBytes('2a08', then, localTime))).toBe('dd07081a090a14')
  expect(clockOff(unhex('dd07081a090a14'), then, localTime)).toBe(0)
  // a Sunday
  expect(hex(clockBytes('2a2b', Date.UTC(2026, 0, 18, 12), localTime))).toBe('ea0701120d0000070000')
})

test.each([
  ['no time: too short', 'ea07010f091e'],
  ['no time: year unknown', '0000010f091e0f'],
  ['no time: month unknown', 'ea07000f091e0f'],
  ['no time: day unknown', 'ea070100091e0f'],
  ['no time: hour 24', 'ea07010f181e0f'],
])('%s', (_name, value) => {
  expect(clockOff(unhex(value), began, localTime)).toBeUndefined()
})

test('a clock that was never set is far behind', () => {
  // 1 January 2010, 00:00:00 against 15 January 2026, 09:30:15.5: 5858 days, 9:30:15.5
  const behind = 5858 * 86_400_000 + 9 * 3_600_000 + 30 * 60_000 + 15_500
  expect(clockOff(unhex('da070101000000'), began, localTime)).toBe(-behind)
})

test('Current Time is read, compared and set', async () => {
  const { device, told } = await begun([{ clock: '2a2b' }], {
    '2a2b': { flags: ['read', 'write', 'notify'], value: 'ea07010f091e10040000' },
  })
  expect(device.asked).toEqual(['list', 'read 2a2b', 'write 2a2b ea07010f091e10043300'])
  expect(told()).toEqual(['learned {"clockOffMs":-200}'])
})

test('a clock that can only be written is written', async () => {
  const { device, told } = await begun([{ clock: '2a08' }], { '2a08': { flags: ['write'] } })
  expect(device.asked).toEqual(['list', 'write 2a08 ea07010f091e10'])
  expect(told()).toEqual([])
})

test('a clock that only notifies is set at its first notification, once (Omron)', async () => {
  const { device, told, time } = await begun([{ clock: '2a2b' }, { hear: '2a35', must: true }], {
    '2a2b': { flags: ['notify', 'write'] },
    '2a35': { flags: ['indicate'] },
  })
  expect(device.asked).toEqual(['list', 'subscribe 2a2b', 'subscribe 2a35'])
  await time.pass(1000)
  device.say('2a2b', 'ea07010f091e0f040000')
  device.say('2a2b', 'ea07010f091e0f040000')
  await time.pass(0)
  expect(device.asked.slice(3)).toEqual(['write 2a2b ea07010f091e11043300'])
  expect(told()).toEqual(['learned {"clockOffMs":-2200}'])
  // it is life as well: the quiet time begins anew
  await time.pass(4999)
  expect(device.linked()).toBe(true)
})

test('a write whose answer is awaited: the next step comes after it', async () => {
  const begin: BleStep[] = [
    { write: '2a9f', bytes: '02010000', answer: '200201' },
    { hear: '2a9d', must: true },
  ]
  const offer: Offer = { '2a9f': { flags: ['write', 'indicate'] }, '2a9d': { flags: ['indicate'] } }
  const { device, time } = await begun(begin, offer)
  expect(device.asked).toEqual(['list', 'subscribe 2a9f', 'write 2a9f 02010000'])
  device.say('2a9f', '20040100')
  await time.pass(5000)
  expect(device.asked.length).toBe(3)
  device.say('2a9f', '200201ff')
  await time.pass(0)
  expect(device.asked[3]).toBe('subscribe 2a9d')
})

test('an answer that comes with the write itself is not missed', async () => {
  const begin: BleStep[] = [
    { write: '2a9f', bytes: '02', answer: '20' },
    { hear: '2a9d', must: true },
  ]
  const offer: Offer = { '2a9f': { flags: ['write', 'indicate'] }, '2a9d': { flags: ['indicate'] } }
  const { device } = await begun(begin, offer, say => say('2a9f', '20'))
  expect(device.asked.at(-1)).toBe('subscribe 2a9d')
})

test('an answer is awaited for 10 s after the last that came', async () => {
  const begin: BleStep[] = [
    { hear: '2a35', must: true },
    { write: '2a52', bytes: '0101', answer: '06000101' },
  ]
  const offer: Offer = { '2a35': { flags: ['indicate'] }, '2a52': { flags: ['write', 'indicate'] } }
  const { device, time, told } = await begun(begin, offer)
  await time.pass(9000)
  device.say('2a35', '01')
  await time.pass(9999)
  expect(device.linked()).toBe(true)
  await time.pass(1)
  expect(told()).toEqual([
    '2a35 01 at 9700',
    `gone ble.lost: ${address} did not answer what was written to 2a52`,
  ])
})

test('what is written without an awaited answer and refused is a fault', async () => {
  const { told } = await begun([{ write: '2a52', bytes: '0101' }], {
    '2a52': { flags: ['write'], refuses: true },
  })
  expect(told()).toEqual(['gone ble.refused: 2a52'])
})
