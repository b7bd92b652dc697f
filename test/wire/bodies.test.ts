import { expect, test } from '@jest/globals'
import { kindNames, kinds } from '../../src/reading/kinds.ts'
import { bodyOf, type SealedType } from '../../src/wire/message.ts'
import { eventBody, events, fullReading, hash, reading, sealed, time } from './samples.ts'

const take = (type: string, body: object): unknown =>
  bodyOf(type as SealedType, structuredClone(body) as Record<string, unknown>)
const malformed = expect.objectContaining({ name: 'Fault', code: 'wire.malformed' })
/** Places in so many epochs. */
const epochs = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    epoch: at.toString(16).padStart(16, '0'),
    seq: 0,
    head: hash('h'),
  }))
const valid: [string, object][] = [
  ...Object.entries(sealed),
  ['reading', fullReading],
  ...Object.keys(events).map((event): [string, object] => ['event', eventBody(event)]),
  ['epoch-open', { ...sealed['epoch-open'], before: null }],
]
const optional = new Set([
  'deviceTime',
  'deviceClock',
  'deviceId',
  'attribution',
  'bonded',
  'encrypted',
  'link.char',
])

/** Arguments and results are free maps: any name may stand there. */
const isFree = (type: string, path: (string | number)[]): boolean =>
  (type === 'result' && path[0] === 'detail') || (type === 'command' && path[0] === 'args')

/** Every object of a body that is no free map, with the way to it. */
function objectsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return []
  const below = Object.entries(value).flatMap(([name, one]) =>
    objectsOf(one, [...path, Array.isArray(value) ? Number(name) : name]),
  )
  return Array.isArray(value) ? below : [path, ...below]
}

/** A copy of the body in which the object at the path is changed. */
function changed(
  body: object,
  path: (string | number)[],
  change: (at: Record<string, unknown>) => void,
): object {
  const copy = structuredClone(body)
  let at = copy as Record<string, unknown>
  for (const step of path) at = at[step] as Record<string, unknown>
  change(at)
  return copy
}

test.each(valid)('a valid %s is taken as it is', (type, body) => {
  expect(take(type, body)).toEqual(body)
})

test.each(valid)('%s: an unknown member is refused at every depth', (type, body) => {
  for (const path of objectsOf(body)) {
    if (isFree(type, path)) continue
    expect(() =>
      take(
        type,
        changed(body, path, at => Object.assign(at, { extra: 1 })),
      ),
    ).toThrow(malformed)
  }
})

test.each(valid)('%s: a missing member is refused at every depth', (type, body) => {
  for (const path of objectsOf(body)) {
    const last = path.at(-1)
    if (last === 'values' || isFree(type, path)) continue
    let at: unknown = body
    for (const step of path) at = (at as Record<string, unknown>)[step]
    for (const name of Object.keys(at as object)) {
      if (optional.has(name) || optional.has(`${String(last)}.${name}`)) continue
      const without = changed(body, path, one => delete one[name])
      expect(() => take(type, without)).toThrow(malformed)
    }
  }
})

/** Numbers that may be null where nobody knows them (WIRE 6.1, 6.4). */
const isNullable = (type: string, path: (string | number)[], name: string): boolean =>
  name === 'uncertainty' ||
  (!isFree(type, path) && path.at(-1) === 'detail' && ['rows', 'first', 'last'].includes(name))

test.each(valid)('%s: no number may be a fraction, a text, negative or beyond 2^53', (type, body) => {
  for (const path of objectsOf(body)) {
    let at: unknown = body
    for (const step of path) at = (at as Record<string, unknown>)[step]
    for (const [name, value] of Object.entries(at as object)) {
      if (typeof value !== 'number') continue
      for (const wrong of [value + 0.5, `${value}`, 2 ** 53, null, ...(name === 'n' ? [] : [-1])]) {
        if (wrong === null && isNullable(type, path, name)) continue
        if (typeof wrong === 'string' && isFree(type, path)) continue // may be a text as well
        expect(() =>
          take(
            type,
            changed(body, path, one => Object.assign(one, { [name]: wrong })),
          ),
        ).toThrow(malformed)
      }
    }
  }
})

test('a body of one type is none of another', () => {
  for (const type of Object.keys(sealed)) {
    for (const [other, body] of Object.entries(sealed)) {
      if (other !== type) expect(() => take(type, body)).toThrow(malformed)
    }
  }
})

test('every kind is taken in its own unit and in no other', () => {
  const units = new Set(kindNames.map(kind => kinds[kind].unit))
  expect(units.size).toBe(8)
  for (const kind of kindNames) {
    for (const u of [...units, 'lb', 'mmHg', '']) {
      const body = { ...reading, values: { [kind]: { n: 1, s: 0, u } } }
      if (u === kinds[kind].unit) expect(take('reading', body)).toEqual(body)
      else expect(() => take('reading', body)).toThrow(malformed)
    }
  }
})

test.each([
  ['values', { 'body-weight': { n: 999_999_999, s: 6, u: 'kg' } }, true],
  ['values', { 'body-weight': { n: -999_999_999, s: 0, u: 'kg' } }, true],
  ['values', { 'body-weight': { n: 1_000_000_000, s: 0, u: 'kg' } }, false],
  ['values', { 'body-weight': { n: -1_000_000_000, s: 0, u: 'kg' } }, false],
  ['values', { 'body-weight': { n: 1, s: 7, u: 'kg' } }, false],
  ['values', { 'body-weight': { n: 1, s: -1, u: 'kg' } }, false],
  ['values', {}, false],
  ['values', { mood: { n: 1, s: 0, u: 'kg' } }, false],
  ['raw', '', false],
  ['raw', '0', false],
  ['raw', '0g', false],
  ['raw', '0A', false],
  ['raw', '00'.repeat(4096), true],
  ['raw', '00'.repeat(4097), false],
  ['device', 'a'.repeat(64), true],
  ['device', 'a'.repeat(65), false],
  ['device', '', false],
  ['device', '.a', false],
  ['device', 'a/b', false],
  ['device', 'A', false],
  ['device', 'a\n', false],
  ['deviceId', '~'.repeat(64), true],
  ['deviceId', '~'.repeat(65), false],
  ['deviceId', 'a b', true],
  ['deviceId', ' a', false],
  ['deviceId', 'a ', false],
  ['deviceId', 'a\tb', false],
  ['deviceId', 'é', false],
  ['deviceId', '', false],
  ['deviceTime', '2026-07-11T09:05:30', true],
  ['deviceTime', '2026-07-11 09:05', false],
  ['deviceTime', '2026-07-11T09:05Z', false],
  ['deviceTime', '٢٠٢٦-07-11T09:05', false],
  ['notes', [], true],
  ['notes', ['implausible', 'implausible'], false],
  ['notes', ['FORK'], false],
  ['attribution', { band: 'BAND 0001', scannedMono: 1 }, false], // its notes say unattributed
  ['time', { ...time, wall: 253_402_300_799_999 }, true],
  ['time', { ...time, wall: 253_402_300_800_000 }, false],
  ['epoch', '00112233AABBCCDD', false],
  ['epoch', '00', false],
  ['seq', 0, false],
  ['seq', 2 ** 53 - 1, true],
  ['prev', hash('x').slice(1), false],
  ['iss', 'a'.repeat(26), true],
  ['iss', `${'a'.repeat(25)}b`, false],
  ['iss', 'a'.repeat(27), false],
  ['kid', '0'.repeat(15), false],
])('reading with %s %j: %s', (name, value, fits) => {
  const body = { ...reading, [name]: value }
  if (fits) expect(take('reading', body)).toEqual(body)
  else expect(() => take('reading', body)).toThrow(malformed)
})

test.each([
  [
    'receipt',
    {
      holes: [
        [1, 1],
        [2, 5],
        [9, 9],
      ],
    },
    true,
  ],
  ['receipt', { holes: [[2, 1]] }, false],
  [
    'receipt',
    {
      holes: [
        [1, 5],
        [5, 6],
      ],
    },
    false,
  ],
  [
    'receipt',
    {
      holes: [
        [5, 6],
        [1, 2],
      ],
    },
    false,
  ],
  ['receipt', { holes: [[0, 1]] }, false],
  ['receipt', { holes: [[1, 2, 3]] }, false],
  ['receipt', { holes: [[1]] }, false],
  ['receipt', { holes: Array.from({ length: 32 }, (_, at) => [at + 1, at + 1]) }, true],
  ['receipt', { holes: Array.from({ length: 33 }, (_, at) => [at + 1, at + 1]) }, false],
  ['receipt', { seq: 0 }, false],
  ['hello', { epochs: epochs(64) }, true],
  ['hello', { epochs: epochs(65) }, false],
  ['hello', { epochs: [...epochs(2), ...epochs(1)] }, false],
  ['welcome', { epochs: epochs(2).map(one => ({ ...one, holes: [] })) }, true],
  ['welcome', { epochs: [...epochs(2), ...epochs(1)].map(one => ({ ...one, holes: [] })) }, false],
  ['receipt', { time: 253_402_300_799_999 }, true],
  ['receipt', { time: 253_402_300_800_000 }, false],
  ['hello', { software: 'a'.repeat(128) }, true],
  ['hello', { software: 'a'.repeat(129) }, false],
  ['hello', { software: '😀'.repeat(128) }, true],
  ['hello', { software: '😀'.repeat(129) }, false],
  ['welcome', { status: 'fine' }, false],
  ['welcome', { token: 0 }, false],
  ['ready', { token: 0 }, false],
  ['result', { outcome: 'perhaps' }, false],
  ['result', { detail: { a: { b: 1 } } }, false],
  ['result', { detail: { A: 1 } }, false],
  ['result', { detail: { a: -1 } }, false],
  ['epoch-open', { why: 'fun' }, false],
  ['event', { event: 'party' }, false],
  ['event', { event: 'lost' }, false],
  ['event', { event: 'lost', detail: { ...events.lost, from: 6 } }, false],
  ['event', { event: 'lost', detail: { ...events.lost, from: 5 } }, true],
  ['event', { event: 'toString' }, false],
])('%s with %j: %s', (type, change, fits) => {
  const body = { ...sealed[type], ...change }
  if (fits) expect(take(type, body)).toEqual(body)
  else expect(() => take(type, body)).toThrow(malformed)
})
