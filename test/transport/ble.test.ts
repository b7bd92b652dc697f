import { expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import type { BleSettings } from '../../src/transport/ble-session.ts'
import { address, portBench } from './ble-fixture.ts'

/** As A&D wants it: indications first, then the clock within 5 s. */
const settings: BleSettings = {
  service: '1810',
  bond: true,
  stores: true,
  begin: [{ read: '2a49' }, { hear: '2a35', must: true }, { clock: '2a08' }],
}

const offer = {
  '2a35': { flags: ['indicate'] },
  '2a49': { flags: ['read'], value: '2100' },
  // 15 January 2026, 09:29:15: a minute and half a second behind the site's clock
  '2a08': { flags: ['read', 'write'], value: 'ea07010f091d0f' },
}

const bond = 'back {"bonded":true,"encrypted":true}'

test('a device that is heard: what it is, the steps in their order, its values, and rest when it leaves', async () => {
  const { port, time, device, told, advertise } = portBench(settings, {
    ...offer,
    '2a29': { flags: ['read'], value: '412644204d65646963616c0000' }, // A&D Medical
    '2a24': { flags: ['read'], value: '55412d363531424c4520' }, // UA-651BLE
    '2a25': { flags: ['read'], value: '0000' },
    '2a26': { flags: ['read'], refuses: true },
    '2a19': { flags: ['read', 'notify'], value: '5f' },
  })
  expect(port).toMatchObject({ name: `ble://${address}` })
  expect(port.state()).toBe('waiting')
  await advertise({ of: 'D0:5F:B8:00:00:02' })
  expect(device.asked).toEqual([])
  await advertise()
  // 0.7 s of rest before anything is asked
  expect(device.asked).toEqual(['list'])
  await time.pass(699)
  expect(device.asked).toEqual(['list'])
  await time.pass(1)
  expect(device.asked.slice(1)).toEqual([
    'read 2a29',
    'read 2a24',
    'read 2a25',
    'read 2a26',
    'read 2a19',
    // the clock as it was when the values were measured, before anything is heard
    'read 2a08',
    'read 2a49',
    'subscribe 2a35',
    // 15 January 2026, 09:30:16: half past, 15.5 s and 0.7 s later
    'write 2a08 ea07010f091e10',
  ])
  expect(port.state()).toBe('open')
  device.say('2a35', '1e84')
  await time.pass(4000)
  device.say('2a35', '1e85')
  device.leave()
  await time.pass(0)
  expect(port.state()).toBe('waiting')
  expect(told).toEqual([
    'learned {"maker":"A&D Medical","model":"UA-651BLE","battery":95}',
    bond,
    // 09:29:15 against 09:30:16.2
    'learned {"clockOffMs":-61200}',
    '2a49 2100 at 700',
    '2a35 1e84 at 700',
    '2a35 1e85 at 4700',
    'rest',
  ])
  await expect(port.write(Uint8Array.of(1))).rejects.toMatchObject({ code: 'port.refused' })
})

test('a session ends when nothing came for 5 s after the last value', async () => {
  const { time, device, told, advertise } = portBench(settings, offer)
  await advertise()
  await time.pass(700 + 4999)
  expect(device.linked()).toBe(true)
  device.say('2a35', '01')
  await time.pass(4999)
  expect(device.linked()).toBe(true)
  await time.pass(1)
  expect(device.linked()).toBe(false)
  expect(told.slice(-2)).toEqual(['2a35 01 at 5699', 'rest'])
})

test('a card may say another quiet time', async () => {
  const { time, device, advertise } = portBench({ ...settings, quietMs: 12_000 }, offer)
  await advertise()
  await time.pass(700 + 11_999)
  expect(device.linked()).toBe(true)
  await time.pass(1)
  expect(device.linked()).toBe(false)
})

test('a device that never stops sending is left after 75 s, so that others get their turn', async () => {
  const { time, device, told, advertise } = portBench(settings, offer)
  await advertise()
  for (let second = 0; second < 74; second++) {
    await time.pass(1000)
    device.say('2a35', '01')
  }
  expect(device.linked()).toBe(true)
  await time.pass(1000)
  expect(device.linked()).toBe(false)
  expect(told.at(-1)).toBe('rest')
})

test('after a session that the device did not end it is left alone for 60 s, or until it was silent', async () => {
  const { time, facts, advertise } = portBench(settings, offer)
  const minutes = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      await advertise()
      await time.pass(1000)
    }
  }
  await advertise()
  await time.pass(5700)
  expect(facts.sessions).toBe(1)
  await minutes(60)
  expect(facts.sessions).toBe(1)
  await minutes(1)
  expect(facts.sessions).toBe(2)
  await time.pass(5000)
  await minutes(2)
  await time.pass(18_999)
  await advertise()
  expect(facts.sessions).toBe(2)
  await time.pass(20_000)
  await advertise()
  expect(facts.sessions).toBe(3)
})

test('after a session that the device ended the next advertisement begins one', async () => {
  const { time, device, facts, advertise } = portBench(settings, offer)
  await advertise()
  await time.pass(700)
  device.leave()
  await time.pass(0)
  await advertise()
  expect(facts.sessions).toBe(2)
})

test('a device that is not bonded is told once, is not connected, and is read once it is', async () => {
  const { port, facts, told, advertise } = portBench(settings, offer)
  await advertise({ paired: false })
  await advertise({ paired: false })
  expect([port.state(), facts.sessions]).toEqual(['missing', 0])
  expect(told).toEqual([`gone ble.unpaired: ${address} is not paired with this gateway`])
  await advertise()
  expect(facts.sessions).toBe(1)
})

test('a bond that is gone when the link comes up is told, and nothing is asked of the device', async () => {
  const { told, device, advertise } = portBench(settings, offer, false)
  await advertise()
  expect(told).toEqual([`gone ble.unpaired: ${address} is not paired with this gateway`])
  expect(device.asked).toEqual([])
})

test('a device that needs no bond is read without', async () => {
  const { time, told, advertise } = portBench({ ...settings, bond: false }, offer, false)
  await advertise({ paired: false })
  await time.pass(700)
  expect(told[0]).toBe('back {"bonded":false,"encrypted":false}')
})

test('sessions that fail are told once for each reason, and tried with waits from 1 s to 60 s', async () => {
  const { port, time, failures, facts, told, advertise } = portBench(settings, offer)
  const lost = new Fault('ble.lost', 'the link did not come up')
  failures.push(...Array(7).fill(lost), new Fault('ble.lost', 'other'), lost)
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const before = facts.sessions
    await advertise()
    expect(facts.sessions).toBe(before + 1)
    // it goes on advertising, so it was not silent
    for (let second = 1; second < seconds; second++) {
      await time.pass(1000)
      await advertise()
    }
    expect(facts.sessions).toBe(before + 1)
    await time.pass(1000)
  }
  expect(told).toEqual(['gone ble.lost: the link did not come up', 'gone ble.lost: other'])
  expect(port.state()).toBe('missing')
  await advertise()
  expect(told.at(-1)).toBe('gone ble.lost: the link did not come up')
  // silent for 20 s, then there: somebody measured again
  await time.pass(20_000)
  await advertise()
  await time.pass(700)
  expect(port.state()).toBe('open')
})

test('a session that fails after it began is told each time, for it was back', async () => {
  const { time, device, told, advertise } = portBench(settings, offer)
  for (let time_ = 0; time_ < 2; time_++) {
    await advertise()
    device.offer['2a35'] = { flags: ['indicate'], refuses: true }
    await time.pass(20_700)
  }
  expect(told.filter(one => !one.startsWith('learned'))).toEqual([
    bond,
    '2a49 2100 at 700',
    'gone ble.refused: 2a35',
    bond,
    expect.stringContaining('2a49 2100'),
    'gone ble.refused: 2a35',
  ])
})

test('what came before the device left counts, whatever was still to be asked of it', async () => {
  const begin = [...settings.begin, { write: '2a08', bytes: '00' }]
  const { time, device, told, advertise } = portBench({ ...settings, begin }, offer)
  device.wrote = () => {
    device.say('2a35', '01')
    device.leave()
  }
  await advertise()
  await time.pass(700)
  expect(device.asked.at(-1)).toBe('write 2a08 00')
  expect(told.slice(-2)).toEqual(['2a35 01 at 700', 'rest'])
})

test('a device that leaves before it said anything, in the midst of the steps, has failed', async () => {
  const begin = [...settings.begin, { write: '2a08', bytes: '00' }]
  const { time, device, told, advertise } = portBench(
    { ...settings, begin },
    { ...offer, '2a49': { flags: [] } },
  )
  device.wrote = () => device.leave()
  await advertise()
  await time.pass(700)
  expect(told.at(-1)).toBe('gone ble.lost: write 2a08 00: the device ended the link')
})

test('while the adapter is away, a waiting device is missing', () => {
  const { port, facts } = portBench(settings, offer)
  facts.state = 'absent'
  expect(port.state()).toBe('missing')
  facts.state = 'session'
  expect(port.state()).toBe('waiting')
})

test('a closed port watches no more, ends its session and tells nothing', async () => {
  const { port, time, device, told, watched, advertise } = portBench(settings, offer)
  await advertise()
  await time.pass(700)
  const before = told.length
  const closing = port.close()
  device.say('2a35', '01')
  await closing
  await time.pass(100_000)
  expect([port.state(), watched(), device.linked()]).toEqual(['closed', 0, false])
  expect(told.slice(before)).toEqual([])
  expect(time.waiting()).toBe(0)
})
