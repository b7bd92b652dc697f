import { describe, expect, test } from '@jest/globals'
import { unhex } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'
import { heardBy } from './heard.ts'

// Nonin Onyx II 9560 Technical Specifications p.4-7 and 16. Sums and fields by hand.
const heard = await heardBy('nonin-serial')
const bytes = (text: string): Uint8Array => unhex(text.replace(/\s/g, ''))
const values = (spo2: number, pulse: number) => ({
  measured: { spo2: { n: spo2, s: 0, u: '%' }, 'pulse-rate': { n: pulse, s: 0, u: '/min' } },
})

describe('data format 13', () => {
  const stored = '00 02 00 0D 00 0E 20 26 10 08 09 41 05 00 02 10 00 48 00 61 68 03'
  const live = '00 02 00 0D 00 0E 20 26 10 08 14 02 30 00 02 00 00 8D 00 5D 90 03'

  test('the stored record first, then the new one; 8D is a pulse rate of 141', () => {
    expect(heard(bytes(stored + live))).toEqual([
      { ...values(97, 72), deviceTime: '2026-10-08T09:41:05', stored: true },
      { ...values(93, 141), deviceTime: '2026-10-08T14:02:30' },
    ])
  })

  /** The live record with its status (2 bytes), pulse rate (2 bytes) and SpO2 replaced, and the sum that fits. */
  const record = (rest: string, sum: string): string =>
    `00 02 00 0D 00 0E 20 26 10 08 14 02 30 00 ${rest} ${sum} 03`

  // The clock 20 26 10 08 14 02 30 00 sums to A4.
  test.each([
    ['no measurement (NOMS)', record('03 00 00 48 00 61', '50'), 'no-value'],
    ['pulse rate 511', record('02 00 01 FF 00 61', '07'), 'no-value'],
    ['SpO2 127', record('02 00 00 48 00 7F', '6D'), 'no-value'],
    ['not qualified by SmartPoint', record('00 00 00 48 00 61', '4D'), 'unstable'],
    ['stored and not qualified', record('00 10 00 48 00 61', '5D'), 'unstable'],
    ['SpO2 101', record('02 00 00 48 00 65', '53'), 'frame.malformed'],
    ['SpO2 0', record('02 00 00 48 00 00', 'EE'), 'frame.malformed'],
    ['pulse rate 0', record('02 00 00 00 00 61', '07'), 'frame.malformed'],
    ['pulse rate 512', record('02 00 02 00 00 61', '09'), 'frame.malformed'],
    ['selected', '06', 'ack'],
    ['selection refused', '15', 'error'],
  ])('%s', (_what, frame, expected) => {
    expect(heard(bytes(frame))).toEqual([expected])
  })

  test('a low battery and a pulse rate of 300 (01 2C) are measured', () => {
    expect(heard(bytes(record('02 01 01 2C 00 61', '35')))).toEqual([
      { ...values(97, 300), deviceTime: '2026-10-08T14:02:30' },
    ])
  })

  test.each([
    ['never set', '20 00 00 00 00 00 00 00', 'CB'],
    ['31 November', '20 26 11 31 14 02 30 00', '79'],
    ['no BCD', '20 26 1A 08 14 02 30 00', '59'],
  ])('a clock that is %s gives no time', (_what, clock, sum) => {
    expect(heard(bytes(`00 02 00 0D 00 0E ${clock} 02 00 00 48 00 61 ${sum} 03`))).toEqual([values(97, 72)])
  })

  test('a wrong sum, a wrong end', () => {
    expect(heard(bytes(live.replace('90 03', '91 03')))).toContain('frame.check')
    expect(heard(bytes(live.replace('90 03', '90 04')))).toContain('frame.check')
    expect(heard(bytes(live.replace('8D', '8C')))).toContain('frame.check')
  })

  test('a record of another type or with less data is noise', () => {
    expect(heard(bytes(live.replace('00 0D', '00 0C')))).toEqual(['noise'])
    expect(heard(bytes(live.replace('00 0E', '00 0D')))).toEqual(['noise'])
  })

  test('the format is selected once when the line is there, and the answer is heard', async () => {
    const { driver } = (await loadDrivers()).of('nonin-serial')
    const session = openSession(setUp(driver, {}), 0)
    session.rest(0)
    expect(session.sends()).toEqual([bytes('02 70 02 02 0D 03')])
    expect(session.hear(bytes('06'), 30).map(({ heard }) => heard)).toEqual([{ silent: 'ack' }])
    expect(session.hear(bytes(live), 60)).toMatchObject([{ said: { measured: {} } }])
    session.rest(600_000)
    expect(session.sends()).toEqual([])
  })

  test('a record instead of the answer counts', async () => {
    const { driver } = (await loadDrivers()).of('nonin-serial')
    const session = openSession(setUp(driver, {}), 0)
    session.rest(0)
    expect(session.hear(bytes(stored + live), 30)).toMatchObject([
      { frame: bytes(stored), said: { stored: true } },
      { frame: bytes(live), said: { deviceTime: '2026-10-08T14:02:30' } },
    ])
  })

  test.each(['df8', 'df2'])('nothing is sent for %s', async format => {
    const { driver } = (await loadDrivers()).of('nonin-serial')
    const session = openSession(setUp(driver, { format }), 0)
    session.rest(7_200_000)
    expect(session.sends()).toEqual([])
  })
})

describe('data format 8', () => {
  const df8 = (text: string) => heard(bytes(text), { format: 'df8' })

  test.each([
    ['80 48 61 20', values(97, 72)],
    ['81 0D 5D 20', values(93, 141)], // 1 × 128 + 13
    ['82 2C 5D 00', values(93, 300)], // 2 × 128 + 44
    ['98 48 61 21', values(97, 72)], // low perfusion, marginal perfusion, low battery
    ['83 7F 7F 08', 'no-value'],
    ['83 7F 61 20', 'no-value'],
    ['80 48 7F 20', 'no-value'],
    ['80 48 61 28', 'no-value'], // sensor alarm: held for 10 s
    ['A0 48 61 20', 'no-value'], // out of track
    ['C0 48 61 20', 'no-value'], // sensor not connected
    ['84 48 61 20', 'unstable'], // artifact
    ['87 7F 7F 20', 'no-value'],
    ['80 48 65 20', 'frame.malformed'],
    ['80 00 61 20', 'frame.malformed'],
    ['80 48 00 20', 'frame.malformed'],
  ])('%s', (frame, expected) => {
    expect(df8(frame)).toEqual([expected])
  })

  test('a start in the middle of a frame: only a byte with bit 7 begins one', () => {
    expect(df8('48 61 20 80 48 61 20')).toEqual(['noise', values(97, 72)])
    expect(df8('80 48 80 48 61 20')).toEqual(['noise', values(97, 72)])
  })
})

describe('data format 2', () => {
  const df2 = (text: string) => heard(bytes(text), { format: 'df2' })
  const two = (value: number): string => (value & 0xff).toString(16).padStart(2, '0')

  /** 25 frames with these values; status bits beside bit 7 and SYNC; a pleth of 43. */
  const packet = (head: number[], status = 0, statusAt = 12): string =>
    Array.from({ length: 25 }, (_, at) => {
      const bits = 0x80 + (at === 0 ? 1 : 0) + (at === statusAt ? status : 0)
      const value = head[at] ?? 0
      return `01${two(bits)}43${two(value)}${two(1 + bits + 0x43 + value)}`
    }).join('')

  test('a packet of a real oximeter, quoted in the open project NoninPulseOx: 96 %, 74/min', () => {
    const logged = `01814300C5 0180434A0E 0180436024 0180439458 01804300C4 01804100C2 01803E17D6 01803C04C1
      018039601A 0180366017 0180356016 01803400B5 01803400B5 01803400B5 0180354A00 0180366017 0180376018
      01803A00BB 01804000C1 01804A00CB 0180574A22 01806900EA 01807C4A47 0180900011 0180A10022`
    expect(df2(logged)).toEqual([values(96, 74)])
    // It was logged from the middle of a packet on, and the next one begins after it.
    expect(df2(`01804900CA 0180464A11 01804400C5 01804300C4 ${logged} 0181AF0031`)).toEqual([
      'noise',
      values(96, 74),
      'frame.malformed',
    ])
    expect(df2(logged.replace('0180436024', '0180436124'))).toContain('frame.check')
    expect(df2(logged.replace('0180A10022', '0180A10023'))).toContain('frame.check')
  })

  test.each([
    ['pulse rate 1 × 128 + 13', packet([1, 13, 93]), values(93, 141)],
    ['unused bits of the pulse rate', packet([0xfd, 0x8d, 93]), values(93, 141)],
    ['pulse rate 511', packet([3, 127, 93]), 'no-value'],
    ['SpO2 127', packet([0, 72, 127]), 'no-value'],
    ['SpO2 101', packet([0, 72, 101]), 'frame.malformed'],
    ['sensor alarm in one frame', packet([0, 72, 97], 0x08), 'no-value'],
    ['out of track in one frame', packet([0, 72, 97], 0x10), 'no-value'],
    ['sensor disconnected in one frame', packet([0, 72, 97], 0x40), 'no-value'],
    ['artifact in one frame', packet([0, 72, 97], 0x20), 'unstable'],
    ['perfusion colours', packet([0, 72, 97], 0x06), values(97, 72)],
    ['a second SYNC', packet([0, 72, 97], 0x01), 'frame.malformed'],
  ])('%s', (_what, frames, expected) => {
    expect(df2(frames)).toEqual([expected])
  })

  test('the values "for display" outlast the finger and are not read', () => {
    const held = [3, 127, 127, 0, 0, 0, 0, 0, 97, 97, 97, 0, 0, 3, 127, 127, 97, 0, 0, 0, 72, 0, 72]
    expect(df2(packet(held))).toEqual(['no-value'])
  })
})
