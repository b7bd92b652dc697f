import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isFault } from '../../src/base/fault.ts'
import { type Address, addressOf, addressText, parseAddress } from '../../src/base/portname.ts'

const faultOf = (text: string) => {
  try {
    parseAddress(text)
  } catch (error) {
    if (isFault(error)) return error
    throw error
  }
  throw new Error(`was taken: ${text}`)
}

test.each<[string, Address]>([
  ['/dev/ttyUSB0', { kind: 'serial', path: '/dev/ttyUSB0' }],
  ['/dev/../dev//ttyS0', { kind: 'serial', path: '/dev/ttyS0' }],
  [
    '/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.3:1.0-port0',
    { kind: 'serial', path: '/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.3:1.0-port0' },
  ],
  ['tcp://192.168.1.20:4001', { kind: 'tcp', host: '192.168.1.20', port: 4001 }],
  ['tcp://moxa-1.ward_a.lan:65535', { kind: 'tcp', host: 'moxa-1.ward_a.lan', port: 65535 }],
  ['tcp://[::1]:1', { kind: 'tcp', host: '::1', port: 1 }],
  ['ble://AA:BB:CC:DD:EE:0F', { kind: 'ble', address: 'AA:BB:CC:DD:EE:0F' }],
])('%s is understood and written back', (text, address) => {
  expect(parseAddress(text)).toEqual(address)
  expect(parseAddress(addressText(address))).toEqual(address)
})

test.each([
  ['ble://aa:bb:cc:dd:ee:0f', 'ble://AA:BB:CC:DD:EE:0F'],
  ['tcp://Moxa.LAN:4001', 'tcp://moxa.lan:4001'],
  // RFC 5952 4.1 to 4.3: no leading zeros, the longest run of zeros shortened, lower case
  ['tcp://[2001:0DB8:0:0:0:0:0:1]:4001', 'tcp://[2001:db8::1]:4001'],
])('%s is another spelling of %s', (text, one) => {
  expect(addressText(parseAddress(text))).toBe(one)
})

test.each([
  '',
  '/',
  '/dev/..',
  'ttyUSB0',
  '/dev/tty USB0',
  '/dev/ttyUSB0\n',
  `/${'x'.repeat(255)}`,
  'tcp://host',
  'tcp://host:',
  'tcp://:4001',
  'tcp://host:0',
  'tcp://host:65536',
  'tcp://host:04001',
  'tcp://host:4001/',
  'tcp://user@host:4001',
  'tcp://host name:4001',
  'tcp://-host:4001',
  'tcp://a..b:4001',
  'tcp://::1:4001',
  'tcp://[::1]',
  'tcp://[::g]:4001',
  'tcp://[1.2.3.4]:4001',
  'tcp://1.2.3:4001',
  'tcp://010.0.0.1:4001',
  'tcp://0x7f000001:4001',
  'tcp://1.2.3.256:4001',
  'TCP://host:4001',
  'udp://host:4001',
  'http://host:4001',
  'ble://AA:BB:CC:DD:EE',
  'ble://AA-BB-CC-DD-EE-FF',
  'ble://AA:BB:CC:DD:EE:FG',
  'ble://AA:BB:CC:DD:EE:FF:00',
  'AA:BB:CC:DD:EE:FF',
])('%j is no name of a port', text => {
  const fault = faultOf(text)
  expect(fault.code).toBe('input.invalid')
  for (const form of ['/dev/ttyUSB0', 'tcp://HOST:PORT', 'ble://AA:BB:CC:DD:EE:FF']) {
    expect(fault.message).toContain(form)
  }
})

test('what was typed is shown, but only as much as fits a line, and nothing that a terminal obeys', () => {
  expect(faultOf('ttyUSB0').message).toContain('(got "ttyUSB0")')
  expect(faultOf(`\x1b[2J\n${'x'.repeat(5000)}`).message).toContain(`(got "?[2J?${'x'.repeat(95)}…")`)
  expect(faultOf('tcp://host').hint).toContain('brackets')
  expect(faultOf('ttyUSB0').hint).toBeUndefined()
})

test('any text is an address with one spelling, or none', () => {
  const near = fc.string({ unit: fc.constantFrom(...'tcpble:/[]0123afF.-'), maxLength: 40 })
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    near,
    near.map(one => `tcp://${one}`),
    fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 65535 })).map(([host, port]) => `tcp://[${host}]:${port}`),
  )
  fc.assert(
    fc.property(text, one => {
      const found = addressOf(one)
      if (found === undefined) return
      const spelled = addressText(found)
      expect(addressOf(spelled)).toEqual(found)
      expect(spelled).toMatch(/^[\x21-\x7e]{1,255}$/)
    }),
  )
})
