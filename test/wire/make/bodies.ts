import { join } from '../forge.ts'
import { epoch, eventBody, events, gateway, hash, pem, reading, sealed, stranger } from '../samples.ts'
import type { Vector } from '../vector.ts'
import { bodied } from './envelopes.ts'

/** Bodies that are not compact JSON (WIRE 3.3). */
export function jsonVectors(): Vector[] {
  const text = JSON.stringify(sealed['epoch-open'])
  const put = (what: string): string => text.replace('"software":"0.1.0"', `"software":${what}`)
  const bodies: [string, string, string | Uint8Array][] = [
    ['space', 'a blank between members', text.replace(',"why"', ', "why"')],
    ['newline', 'a newline at the end', `${text}\n`],
    ['twice', 'a member twice, the same', text.replace('"why":"start"', '"why":"start","why":"start"')],
    ['fraction', '1.0 instead of 1', text.replace('"seq":2', '"seq":2.0')],
    ['exponent', '2e0 instead of 2', text.replace('"seq":2', '"seq":2e0')],
    ['huge', 'an exponent in the shortest form', text.replace('"seq":2', '"seq":1e+21')],
    ['unsafe', '2^53', text.replace('"seq":2', '"seq":9007199254740992')],
    ['minus-zero', '-0', text.replace('"mono":4200000', '"mono":-0')],
    ['mark', 'a byte order mark', `\ufeff${text}`],
    ['lone', 'an escaped lone surrogate', put('"\\ud800"')],
    ['lone-name', 'a lone surrogate in a name', text.replace('"why"', '"\\udfff"')],
    ['surrogates', 'a character beyond U+FFFF escaped', put('"\\ud83d\\ude00"')],
    [
      'raw-surrogate',
      'a surrogate as three bytes of UTF-8',
      join(text.slice(0, -2), Uint8Array.of(0xed, 0xa0, 0x80), '"}'),
    ],
    ['utf8', 'a byte that is not UTF-8', join(text.slice(0, -2), Uint8Array.of(0xff), '"}')],
    ['slash', 'an escaped slash', put('"a\\/b"')],
    ['needless', 'an escape without need', put('"\\u0041"')],
    ['upper', 'an escape in upper case', put('"\\u001F"')],
    ['long-newline', '\\u000a instead of \\n', put('"\\u000a"')],
    ['deep', 'nine deep', put('[[[[[[[[]]]]]]]]')],
    ['very-deep', 'thousands deep', put('['.repeat(3500) + ']'.repeat(3500))],
    ['proto', 'a member called __proto__', text.replace('"why"', '"__proto__":{},"why"')],
    ['digits', 'a member called 7', `{"7":1,${text.slice(1)}`],
    ['array', 'an array', `[${text}]`],
    ['null', 'null', 'null'],
    ['text', 'no JSON', 'epoch-open'],
    ['cut', 'cut short', text.slice(0, -1)],
  ]
  // a stranger's signature: what tells these apart from bad-signature is the body's form alone (WIRE 12)
  return bodies.map(([name, comment, body]) =>
    bodied(`json-${name}`, comment, 'malformed', 'epoch-open', body, stranger),
  )
}

/** Bodies that do not fit their type (WIRE 3.4). */
export function memberVectors(): Vector[] {
  const of = (name: string, comment: string, type: string, change: object, base = sealed[type]): Vector =>
    bodied(`member-${name}`, comment, 'malformed', type, JSON.stringify({ ...base, ...change }))
  const detail = (event: string, name: string, comment: string, change: object): Vector =>
    of(name, comment, 'event', {}, {
      ...eventBody(event),
      detail: { ...events[event], ...change },
    } as object)
  const { request: proposed } = events['keys-proposed'] as { request: object }
  const weight = { n: 7240, s: 2, u: 'kg' }
  return [
    of('unknown', 'a member that the type does not name', 'reading', { extra: 1 }),
    of('missing', 'a member that is not there', 'reading', { raw: undefined }),
    of('unit', 'a weight in pounds', 'reading', { values: { 'body-weight': { ...weight, u: 'lb' } } }),
    of('foreign-unit', 'a weight in the unit of another kind', 'reading', {
      values: { 'body-weight': { ...weight, u: 'cm' } },
    }),
    of('kind', 'a kind that there is not', 'reading', { values: { mood: weight } }),
    of('no-values', 'a reading without a value', 'reading', { values: {} }),
    of('digits', 'ten digits', 'reading', { values: { 'body-weight': { ...weight, n: 1_000_000_000 } } }),
    of('scale', 'seven decimals', 'reading', { values: { 'body-weight': { ...weight, s: 7 } } }),
    of('raw', 'a frame of 4,097 bytes', 'reading', { raw: '00'.repeat(4097) }),
    of('raw-upper', 'upper-case hex', 'reading', { raw: '0A' }),
    of('name', 'a name of 65 characters', 'reading', { device: 'a'.repeat(65) }),
    of('band', 'a band that ends in a blank', 'reading', { attribution: { band: 'BAND ', scannedMono: 1 } }),
    of('clock', 'a judgement of a clock that told no time', 'reading', { deviceClock: 'checked' }),
    of('note-twice', 'a note twice', 'reading', { notes: ['implausible', 'implausible'] }),
    of('note-unknown', 'a note that there is not', 'reading', { notes: ['fine'] }),
    of('seq-zero', 'seq 0', 'reading', { seq: 0 }),
    of('text', 'a text of 129 characters', 'epoch-open', { software: 'a'.repeat(129) }),
    of('text-beyond', 'a text of 129 characters beyond U+FFFF', 'epoch-open', { software: '😀'.repeat(129) }),
    of('event', 'an event that there is not', 'event', { event: 'party', detail: {} }),
    of('detail', "another event's detail", 'event', { event: 'lost' }),
    of('lost-backwards', 'a loss that ends before it begins', 'event', {}, {
      ...eventBody('lost'),
      detail: { ...events.lost, to: 2 },
    } as object),
    of('holes-falling', 'holes that fall', 'receipt', {
      holes: [
        [5, 6],
        [1, 2],
      ],
    }),
    of('hole-backwards', 'a hole that ends before it begins', 'receipt', { holes: [[2, 1]] }),
    of('holes-many', '33 holes', 'receipt', {
      holes: Array.from({ length: 33 }, (_, at) => [2 * at + 1, 2 * at + 1]),
    }),
    of('epochs-many', '65 epochs', 'hello', {
      epochs: Array.from({ length: 65 }, () => ({ epoch, seq: 1, head: hash('head') })),
    }),
    of('why', 'a reason that there is not', 'epoch-open', { why: 'moved' }),
    of('port-short', 'a port of 15 digits', 'reading', {
      link: { ...reading.link, port: '0123456789abcde' },
    }),
    of('port-upper', 'a port in upper case', 'reading', {
      link: { ...reading.link, port: '0123456789ABCDEF' },
    }),
    of('link', 'a member that a link has not', 'reading', { link: { ...reading.link, path: 'ttyS0' } }),
    detail('device-proposed', 'proposed-port', 'a proposal with a port of 17 digits', {
      port: '0123456789abcdef0',
    }),
    detail('device-proposed', 'proposed-bonded', 'a bond that is a word', { bonded: 'yes' }),
    detail('capture-part', 'capture-beyond', 'the third part of two', { part: 3 }),
    detail('capture-part', 'capture-many', 'a capture of 257 parts', { parts: 257 }),
    detail('capture-part', 'capture-empty', 'a part without a byte', { raw: '' }),
    detail('keys-proposed', 'keys-empty', 'new keys without a request', { request: undefined }),
    detail('keys-proposed', 'keys-text', 'a request as text', { request: 'request' }),
    detail('keys-proposed', 'keys-unsigned', 'a request without a signature', {
      request: { ...proposed, sig: undefined },
    }),
    detail('keys-proposed', 'keys-member', 'a member that new keys have not', { why: 'worn' }),
    detail('abandoned', 'abandoned-id', 'a key that is named as a server', { what: 'server' }),
    detail('abandoned', 'abandoned-what', 'something else that is given up', { what: 'epoch' }),
    detail('abandoned', 'abandoned-rows', 'fewer rows than none', { rows: -1 }),
    of('update-many', 'nine statements', 'update', { statements: Array.from({ length: 9 }, () => proposed) }),
    of('update-certificate', 'a certificate of 8,193 characters', 'update', {
      certificate: 'a'.repeat(8193),
    }),
    of('update-certificate-list', 'certificates in a list', 'update', { certificate: [pem('gateway.pem')] }),
    of('update-empty', 'neither statements nor a certificate: the list must be there', 'update', {
      statements: undefined,
    }),
    of('parties', 'no akid', 'reading', { akid: undefined }),
    of('id', 'an id with stray bits', 'reading', { iss: `${gateway.id.slice(0, 25)}b` }),
  ]
}
