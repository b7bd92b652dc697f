import { digest, digits, paeOf, zeroHead } from '../forge.ts'
import { epoch, eventBody, events, fullReading, gateway, pem, reading, sealed } from '../samples.ts'
import type { Vector } from '../vector.ts'
import { envelopeOf, vector, wayOf } from './envelopes.ts'

function opened(name: string, comment: string, type: string, members: object, more = {}): Vector {
  const body = JSON.stringify(members)
  const bytes = envelopeOf(name, type, body)
  const said: Record<string, string> = { type, body, 'envelope-hash': digits(digest(bytes)) }
  const { prev } = members as { prev?: string }
  if (prev !== undefined) {
    said.prev = prev
    said.head = digits(digest('VG1 chain', Buffer.from(prev, 'hex'), digest(bytes)))
  }
  return vector(name, comment, 'opened', wayOf(type), bytes, { ...said, ...more })
}

/** One of every sealed type, each event among them. */
export function goodVectors(): Vector[] {
  const hello = JSON.stringify(sealed.hello)
  const welcome = JSON.stringify(sealed.welcome)
  const seen = digits(digest('VG1 ready', digest(paeOf('hello', hello)), digest(paeOf('welcome', welcome))))
  const first = {
    ...sealed['epoch-open'],
    seq: 1,
    prev: zeroHead(gateway, 'gateway', epoch, 'server'),
    before: null,
  }
  return [
    opened('epoch-open-first', 'the first statement of an epoch: prev is head(0)', 'epoch-open', first),
    opened('epoch-open', 'an epoch after another', 'epoch-open', sealed['epoch-open']!),
    opened('reading', 'one weight', 'reading', reading),
    opened('reading-full', 'every member that may be there', 'reading', fullReading),
    ...Object.keys(events).map(event =>
      opened(`event-${event}`, `event ${event}`, 'event', eventBody(event)),
    ),
    opened('epoch-open-rotated', 'the first epoch under new keys', 'epoch-open', {
      ...sealed['epoch-open'],
      why: 'rotated',
    }),
    opened('reading-port', 'a reading that tells its port', 'reading', {
      ...reading,
      link: { ...reading.link, port: '0123456789abcdef' },
    }),
    opened('event-device-proposed-port', 'a proposal that tells port and bond', 'event', {
      ...eventBody('device-proposed'),
      detail: { ...events['device-proposed'], link: 'ble', port: '0123456789abcdef', bonded: true },
    }),
    opened('result', 'the answer to a command', 'result', sealed.result!),
    opened('hello', 'hello', 'hello', sealed.hello!),
    opened('welcome', 'welcome', 'welcome', sealed.welcome!),
    opened(
      'ready',
      'ready, with the hash of both',
      'ready',
      { ...sealed.ready, seen },
      { hello, welcome, seen },
    ),
    opened('receipt', 'a receipt', 'receipt', sealed.receipt!),
    opened('update', 'a newer binding', 'update', sealed.update!),
    opened('update-certificate', 'a certificate and no statement', 'update', {
      ...sealed.update,
      statements: [],
      certificate: pem('gateway.pem'),
    }),
    opened('command', 'a command with an order', 'command', sealed.command!),
    opened('text-longest', '128 characters beyond U+FFFF: limits count code points (1.5)', 'epoch-open', {
      ...sealed['epoch-open'],
      software: '😀'.repeat(128),
    }),
    opened('text-escapes', 'every way a character is written (3.3)', 'epoch-open', {
      ...sealed['epoch-open'],
      software: '"\\/\b\t\n\f\r\u0000\u001f\u007f é\u2028😀',
    }),
  ]
}
