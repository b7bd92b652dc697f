import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isFault } from '../../src/base/fault.ts'
import { unpack } from '../../src/wire/envelope.ts'
import { bodyOf, isSealedType } from '../../src/wire/message.ts'
import { bundleForm, publicForm, registryBodies } from '../../src/wire/registry.ts'
import { decodeBody, unpublish } from '../../src/wire/statement.ts'
import { readTopic } from '../../src/wire/topics.ts'
import { isRelease } from '../size.ts'
import { digits } from './forge.ts'
import { readVector } from './read.ts'
import { registry, sealed } from './samples.ts'
import { readVectors } from './vector.ts'

const numRuns = isRelease ? 100_000 : 2000
const minutes = 60_000
const vectors = readVectors()
const cheap = vectors.filter(
  ({ head, bytes }) => ['sealed', 'public'].includes(head.kind!) && bytes.length < 3000,
)

/** One thing that can happen to bytes: bits flipped, a piece cut out, a piece put in, another's tail. */
const change = fc.record({
  what: fc.constantFrom('flip', 'cut', 'put', 'tail'),
  at: fc.nat(),
  length: fc.integer({ min: 1, max: 40 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
})
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never

function apply(bytes: Uint8Array, { what, at, length, bytes: more }: Change, other: Uint8Array): Uint8Array {
  const from = bytes.length === 0 ? 0 : at % bytes.length
  const before = bytes.subarray(0, from)
  if (what === 'cut') return Uint8Array.from([...before, ...bytes.subarray(from + length)])
  if (what === 'put') return Uint8Array.from([...before, ...more, ...bytes.subarray(from)])
  if (what === 'tail') return Uint8Array.from([...before, ...other.subarray(from)])
  return bytes.map((byte, index) => (index === from ? byte ^ (1 << (length & 7)) : byte))
}

/** Runs it; a fault is an answer, anything else thrown is a crash. */
function answers(act: () => unknown): boolean {
  try {
    act()
    return true
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

test(
  'mutated vectors are refused with a fault, never with a crash, and never opened',
  () => {
    const pick = fc.nat(cheap.length - 1)
    fc.assert(
      fc.property(pick, pick, fc.array(change, { minLength: 1, maxLength: 3 }), (one, other, changes) => {
        const vector = cheap[one]!
        let { bytes } = vector
        for (const each of changes) bytes = apply(bytes, each, cheap[other]!.bytes)
        const found = readVector({ ...vector, bytes })
        const opened = [vector, cheap[other]!].every(({ head }) => head.expect === 'opened')
        // tail of a whole one at its first byte is that one; the form of a public statement has slack (blanks)
        const whole = [vector, cheap[other]!].some(({ bytes: before }) => digits(before) === digits(bytes))
        if (opened && !whole && vector.head.kind === 'sealed') expect(found.expect).not.toBe('opened')
        answers(() => unpack(bytes))
      }),
      { numRuns },
    )
  },
  30 * minutes,
)

test(
  'mutated bodies are read or refused, never a crash; what is read has one spelling',
  () => {
    const bodies = [...Object.entries(sealed), ...Object.entries(registry)]
    const texts: { type: string; bytes: Uint8Array }[] = bodies.map(([type, body]) => ({
      type,
      bytes: Uint8Array.from(Buffer.from(JSON.stringify(body))),
    }))
    const pick = fc.nat(texts.length - 1)
    fc.assert(
      fc.property(pick, pick, fc.array(change, { minLength: 1, maxLength: 3 }), (one, other, changes) => {
        const { type } = texts[one]!
        let { bytes } = texts[one]!
        for (const each of changes) bytes = apply(bytes, each, texts[other]!.bytes)
        answers(() => {
          const body = decodeBody(bytes)
          expect(digits(Buffer.from(JSON.stringify(body)))).toBe(digits(bytes))
          return isSealedType(type) ? bodyOf(type, body) : undefined
        })
      }),
      { numRuns },
    )
  },
  30 * minutes,
)

test(
  'any JSON at all is read or refused by every schema, never a crash',
  () => {
    const keys = fc.constantFrom(
      'iss',
      'kid',
      'type',
      'body',
      'sig',
      'values',
      'event',
      'detail',
      'keys',
      '__proto__',
      'constructor',
    )
    const json = fc.letrec<{ node: unknown }>(tie => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.jsonValue(),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.array(fc.tuple(keys, tie('node')), { maxLength: 4 }).map(pairs => {
          // parsed, so that __proto__ is a member of its own as it is in what travels
          const members = pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
          return JSON.parse(`{${members.join(',')}}`)
        }),
      ),
    })).node
    fc.assert(
      fc.property(json, fc.string(), (value, text) => {
        const bytes = Uint8Array.from(Buffer.from(JSON.stringify(value)))
        answers(() => {
          const body = decodeBody(bytes)
          for (const type of Object.keys(sealed)) answers(() => bodyOf(type as 'hello', body))
        })
        for (const schema of [...Object.values(registryBodies), bundleForm, publicForm]) {
          expect(schema.safeParse(value).success).toBe(false)
        }
        answers(() => unpublish({ type: text, body: text, sig: text }))
        expect(readTopic(text)).toBeUndefined()
      }),
      { numRuns },
    )
  },
  30 * minutes,
)
