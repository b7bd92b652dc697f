import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Refusal } from '../../src/receiver/broker-refusals.ts'
import { readRefusals } from '../../src/receiver/refusal-log.ts'

// Lines as Mosquitto 2.0.11 prints them (src/handle_connect.c, handle_publish.c, handle_subscribe.c, loop.c, net.c).

const server = 'aaaabbbbccccddddeeeeffffga'
const gateway = 'gaaabbbbccccddddeeeeffffga'
const now = Date.parse('2026-11-22T12:00:00Z')
const fresh = () => readRefusals({ server, receiver: 'receiver-1', isEnrolled: id => id === gateway })
const told = (lines: readonly string[], read = fresh()): Refusal[] => lines.flatMap(line => read(line, now))
const entered = (id: string, from = '192.0.2.7:40000') => [
  `New connection from ${from} on port 8883.`,
  `New client connected from ${from} as ${id} (p2, c1, k60, u'${id}').`,
  'No will message specified.',
  `Sending CONNACK to ${id} (0, 0)`,
]
const inShort = ({ reason, detail, name, address }: Refusal): string[] => [
  reason,
  detail,
  name ?? '-',
  address,
]

test('each sentence of Mosquitto becomes its reason, with name and address of who is connected', () => {
  const said: [line: string, reason: string, detail: string][] = [
    [
      `Denied PUBLISH from ${gateway} (d0, q1, r0, m7, 'a/'b'/c', ... (5 bytes))`,
      'forbidden-publish',
      "a/'b'/c",
    ],
    [`Too high QoS in PUBLISH from ${gateway}, disconnecting.`, 'forbidden-publish', 'QoS 2'],
    [
      `Client ${gateway} disconnected due to QoS too high or retain not supported.`,
      'forbidden-publish',
      'retained or QoS 2',
    ],
    [
      `Bad socket read/write on client ${gateway}: Unknown error.`,
      'forbidden-publish',
      'retained, or what the broker has no word for',
    ],
    [
      `Dropped too large PUBLISH from ${gateway} (d0, q1, r0, m7, 'a', ... (99 bytes))`,
      'packet-too-long',
      'a',
    ],
    [`Client ${gateway} disconnected due to oversize packet.`, 'packet-too-long', ''],
    [`Client ${gateway} disconnected due to malformed packet.`, 'packet-malformed', 'malformed packet'],
    [`Client ${gateway} disconnected due to protocol error.`, 'packet-malformed', 'protocol error'],
    [`Invalid QoS in PUBLISH from ${gateway}, disconnecting.`, 'packet-malformed', 'Invalid QoS in PUBLISH'],
    [
      `Invalid subscription string from ${gateway}, disconnecting.`,
      'packet-malformed',
      'Invalid subscription string',
    ],
    [`Client ${gateway} disconnected, not authorised.`, 'not-enrolled', ''],
    [`Outgoing messages are being dropped for client ${gateway}.`, 'reads-too-slowly', ''],
    [`Client ${gateway} connected with too large Will payload`, 'will', 'too large'],
  ]
  for (const [line, reason, detail] of said) {
    expect(told([...entered(gateway), line]).map(inShort)).toEqual([[reason, detail, gateway, '192.0.2.7']])
  }
})

test('strangers are known by their address, where the log tells it', () => {
  const verify = 'error:0A000086:SSL routines::certificate verify failed'
  const unnamed = 'Client <unknown> disconnected: Protocol error.'
  const cases: [lines: string[], reason: string, detail: string, address: string][] = [
    [
      [`Client connection from 2001:db8::7 failed: ${verify}.`],
      'foreign-certificate',
      'foreign, revoked or out of date',
      '2001:db8::7',
    ],
    [
      ['New connection from 2001:db8::7:40000 on port 8883.', `OpenSSL Error[0]: ${verify}`, unnamed],
      'foreign-certificate',
      'foreign, revoked or out of date',
      '2001:db8::7',
    ],
    [
      // OpenSSL 1.1 names the function
      [
        'New connection from 192.0.2.7:1 on port 8883.',
        'OpenSSL Error[0]: error:1417C0C7:SSL routines:tls_process_client_certificate:peer did not return a certificate',
        unnamed,
      ],
      'no-certificate',
      '',
      '192.0.2.7',
    ],
    [
      [
        'New connection from 192.0.2.7:1 on port 8883.',
        'New connection from 192.0.2.8:1 on port 8883.',
        'OpenSSL Error[0]: error:0A00009C:SSL routines::http request',
        unnamed,
      ],
      'no-tls',
      'http request',
      '', // either of the two
    ],
    [
      ['Client connection from 192.0.2.9 denied: max_connections exceeded.'],
      'too-many-connections',
      '',
      '192.0.2.9',
    ],
    [
      [
        'Unable to accept new connection, system socket count has been exceeded. Try increasing "ulimit -n" or equivalent.',
      ],
      'too-many-waiting',
      '',
      '',
    ],
    [
      ['Invalid protocol "MQTT in CONNECT from 1.1.1.1." in CONNECT from 192.0.2.9.'],
      'packet-malformed',
      'Invalid protocol',
      '192.0.2.9',
    ],
    [
      [
        'New connection from 192.0.2.7:1 on port 8883.',
        'Client <unknown> disconnected due to protocol error.',
      ],
      'packet-malformed',
      'protocol error',
      '192.0.2.7',
    ],
  ]
  for (const [lines, reason, detail, address] of cases) {
    expect(told(lines).map(inShort)).toEqual([[reason, detail, '-', address]])
  }
})

test('of several filters in one SUBSCRIBE those are told that were not granted', () => {
  const own = `vitalgate/1/${server}/${gateway}/down`
  const lines = [
    ...entered(gateway),
    `Received SUBSCRIBE from ${gateway}`,
    '\t# (QoS 1)',
    `\t${own} (QoS 1)`,
    `${gateway} 1 ${own}`,
    '\t$share/x/a (QoS 1)',
    `Sending SUBACK to ${gateway}`,
    `Received UNSUBSCRIBE from ${gateway}`,
    `\t${own}`,
    `${gateway} ${own}`,
    `Sending UNSUBACK to ${gateway}`,
    `Received SUBSCRIBE from ${gateway}`,
    `\t${own} (QoS 0)`,
    `${gateway} 0 ${own}`,
    `Sending SUBACK to ${gateway}`,
  ]
  expect(told(lines).map(inShort)).toEqual([
    ['forbidden-subscribe', '#', gateway, '192.0.2.7'],
    ['forbidden-subscribe', '$share/x/a', gateway, '192.0.2.7'],
  ])
})

test('what Mosquitto cut off at the end of a long line is told all the same, printable and short', () => {
  const long = `é${'x'.repeat(900)}`
  const lines = [
    ...entered(gateway),
    `Denied PUBLISH from ${gateway} (d0, q1, r0, m7, '${long}`,
    `Received SUBSCRIBE from ${gateway}`,
    `\t${long}`,
    `Sending SUBACK to ${gateway}`,
  ]
  const cut = `?${'x'.repeat(127)}`
  expect(told(lines).map(inShort)).toEqual([
    ['forbidden-publish', cut, gateway, '192.0.2.7'],
    ['forbidden-subscribe', cut, gateway, '192.0.2.7'],
  ])
})

test('a certificate of ours that nobody is enrolled for is told, and a will on a topic of another', () => {
  const lines = [
    ...entered('nobody'),
    `New client connected from 192.0.2.7:2 as ${gateway} (p2, c1, k60, u'${gateway}').`,
    'Will message specified (1 bytes) (r0, q1).',
    `\tvitalgate/1/${server}/${'b'.repeat(26)}/up`,
    `New client connected from 192.0.2.7:3 as ${gateway} (p2, c1, k60, u'${gateway}').`,
    'Will message specified (1 bytes) (r0, q1).',
    `\tvitalgate/1/${server}/${gateway}/up`,
  ]
  expect(told(lines).map(inShort)).toEqual([
    ['not-enrolled', 'connected, may do nothing', 'nobody', '192.0.2.7'],
    ['will', `vitalgate/1/${server}/${'b'.repeat(26)}/up`, gateway, '192.0.2.7'],
  ])
})

test('a revoked gateway that the broker still lets in is told', () => {
  const isRevoked = (id: string): boolean => id === gateway
  const read = readRefusals({ server, receiver: 'receiver-1', isEnrolled: () => true, isRevoked })
  expect(told([...entered(gateway), ...entered('neighbour')], read).map(inShort)).toEqual([
    ['revoked', 'connected, export again', gateway, '192.0.2.7'],
  ])
})

test('honest lines, broken lines and the broker’s own troubles tell nothing', () => {
  const lines = [
    'mosquitto version 2.0.11 starting',
    'Error: Unable to load server key file "/etc/key.pem". Check keyfile.',
    'OpenSSL Error[0]: error:8000000D:system library::Permission denied',
    'OpenSSL Error[1]: error:0A080002:SSL routines::system lib',
    'Reloading config.',
    'New connection from 192.0.2.7:1 on port 8883.',
    'OpenSSL Error[0]: error:0A000126:SSL routines::unexpected eof while reading',
    'Client <unknown> disconnected: Protocol error.',
    'Client connection from 192.0.2.7 failed: error:0A000126:SSL routines::unexpected eof while reading.',
    ...entered(gateway),
    `Client ${gateway} already connected, closing old connection.`,
    ...entered(gateway),
    ...entered('receiver-1'),
    `Received PUBLISH from ${gateway} (d0, q1, r0, m1, 'vitalgate/1/${server}/${gateway}/up', ... (900 bytes))`,
    `Sending PUBACK to ${gateway} (m1, rc0)`,
    `Received PINGREQ from ${gateway}`,
    'OpenSSL Error[0]: error:0A000126:SSL routines::unexpected eof while reading',
    `Client ${gateway} closed its connection.`,
    `Client ${gateway} has exceeded timeout, disconnecting.`,
    `Client ${gateway} disconnected.`,
    '',
  ]
  expect(told(lines)).toEqual([])
})

test('the time is that of the line, with its offset or in seconds, and never in the future', () => {
  const line = 'Client connection from 192.0.2.9 denied: max_connections exceeded.'
  const at = (stamp: string) => told([`${stamp}${line}`]).map(one => one.at)
  expect(at('2026-11-22T10:30:00+0100: ')).toEqual([Date.parse('2026-11-22T09:30:00Z')])
  expect(at('2026-11-22T02:30:00-0730: ')).toEqual([Date.parse('2026-11-22T10:00:00Z')])
  expect(at('1795341600: ')).toEqual([1_795_341_600_000])
  expect(at('2026-11-22T12:30:00+0000: ')).toEqual([now])
  expect(at('2026-99-99T12:30:00+0000: ')).toEqual([now])
  expect(at('')).toEqual([now])
})

test('whoever left is known no longer, and a stranger cannot lend himself a name', () => {
  const lines = [
    ...entered(gateway),
    `Client ${gateway} disconnected.`,
    `Denied PUBLISH from ${gateway} (d0, q1, r0, m7, 'a', ... (5 bytes))`,
    `Invalid protocol version 9 in CONNECT from 192.0.2.66.`,
  ]
  expect(told(lines).map(({ name }) => name)).toEqual([null, null])
})

test('any line at all is taken without a word or told as a short printable refusal', () => {
  const words = fc.constantFrom(
    ...[
      'Client ',
      gateway,
      ' disconnected',
      '\t',
      "'",
      ' (QoS 1)',
      ': ',
      'New connection from ',
      ':1 on port 1.',
    ],
    ...['Received SUBSCRIBE from ', 'OpenSSL Error[0]: ', '<unknown>', 'Denied PUBLISH from ', ' as ', ' ('],
  )
  const line = fc
    .array(fc.oneof(words, fc.string({ unit: 'binary' })), { maxLength: 8 })
    .map(all => all.join(''))
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), lines => {
      for (const { detail, name, address, at } of told(lines)) {
        expect(`${detail}${name ?? ''}${address}`).toMatch(/^[\x20-\x7e]*$/)
        expect(detail.length).toBeLessThanOrEqual(128)
        expect(at).toBeLessThanOrEqual(now)
      }
    }),
    { numRuns: 500 },
  )
})
