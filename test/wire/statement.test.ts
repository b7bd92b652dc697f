import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytesOf, concat, hex, textOf } from '../../src/base/bytes.ts'
import { signingKey, verifyKey } from '../../src/wire/keys.ts'
import {
  decodeBody,
  encodeBody,
  isSignedBy,
  pae,
  publish,
  signStatement,
  statementHash,
  unpublish,
} from '../../src/wire/statement.ts'

const key = signingKey(new Uint8Array(32).fill(7))
const other = signingKey(new Uint8Array(32).fill(8))
const malformed = expect.objectContaining({ code: 'wire.malformed' })

test('the PAE is that of WIRE 3.2, lengths in bytes', () => {
  expect(textOf(pae('receipt', bytesOf('{"a":"é"}')))).toBe('VG1 7 receipt 10 {"a":"é"}')
  expect(textOf(pae('ready', new Uint8Array(0)))).toBe('VG1 5 ready 0 ')
})

test('no two pairs of type and body share a PAE', () => {
  const type = fc.stringMatching(/^[a-z-]{1,6}$/)
  const body = fc.stringMatching(/^[0-9a-z ]{0,8}$/)
  fc.assert(
    fc.property(type, body, type, body, (a, x, b, y) => {
      expect(hex(pae(a, bytesOf(x))) === hex(pae(b, bytesOf(y)))).toBe(a === b && x === y)
    }),
  )
  // the classic: a blank moved from the type to the body
  expect(hex(pae('a', bytesOf('1 x')))).not.toBe(hex(pae('a 3', bytesOf('x'))))
})

test('a signature holds for its type, its body and its key only', () => {
  const statement = signStatement('receipt', { a: 1 }, key)
  const verify = verifyKey(key.publicKey)
  expect(textOf(statement.body)).toBe('{"a":1}')
  expect(isSignedBy(statement, verify)).toBe(true)
  expect(isSignedBy({ ...statement, type: 'welcome' }, verify)).toBe(false)
  expect(isSignedBy({ ...statement, body: bytesOf('{"a":2}') }, verify)).toBe(false)
  expect(isSignedBy(statement, verifyKey(other.publicKey))).toBe(false)
})

test('H(PAE) by hand', () => {
  // printf 'VG1 5 hello 2 {}' | sha256sum
  const statement = { type: 'hello', body: bytesOf('{}'), signature: new Uint8Array(64) }
  expect(hex(statementHash(statement))).toBe(
    '28af980493c7540ea4f7733e13fdee2cf3cf611deab878d5a906cb91c025a6cd',
  )
})

test.each([
  ['{}', {}],
  ['{"a":1,"b":[true,false,null,"x"],"c":{"d":-5}}', { a: 1, b: [true, false, null, 'x'], c: { d: -5 } }],
  ['{"b":1,"a":2}', { b: 1, a: 2 }],
  ['{"a":9007199254740991,"b":-9007199254740991,"c":0}', { a: 2 ** 53 - 1, b: 1 - 2 ** 53, c: 0 }],
  [
    '{"a":"\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u001f/\u007f\u2028é😀"}',
    { a: '"\\\b\t\n\f\r\0\x1f/\x7f\u2028é😀' },
  ],
  ['{"a":[[[[[[[]]]]]]]}', { a: [[[[[[[]]]]]]] }],
  ['{"1a":1,"-1":2,"1.0":3,"":4}', { '1a': 1, '-1': 2, '1.0': 3, '': 4 }],
])('compact: %s', (text, value) => {
  expect(decodeBody(bytesOf(text))).toEqual(value)
})

test.each([
  ['', 'nothing'],
  ['{', 'cut short'],
  ['[]', 'an array'],
  ['1', 'a number'],
  ['"a"', 'a text'],
  ['null', 'null'],
  ['{"a":1}{}', 'two'],
  ['{"a":1,"a":1}', 'a name twice, the same'],
  ['{"a":1,"a":2}', 'a name twice'],
  ['{"a":{"b":1,"b":1}}', 'a name twice below'],
  ['{"a":1,"\\u0061":1}', 'a name twice, once escaped'],
  [' {"a":1}', 'a blank before'],
  ['{"a":1}\n', 'a newline after'],
  ['{"a": 1}', 'a blank within'],
  ['{"a":1 }', 'a blank at the end'],
  ['{\t"a":1}', 'a tab'],
  ['{"a":1.0}', '1.0'],
  ['{"a":1.5}', 'a fraction'],
  ['{"a":1e3}', '1e3'],
  ['{"a":1E3}', '1E3'],
  ['{"a":1e+21}', 'an exponent that is the shortest form of its double'],
  ['{"a":1e-7}', 'a small one'],
  ['{"a":-0}', '-0'],
  ['{"a":01}', '01'],
  ['{"a":+1}', '+1'],
  ['{"a":9007199254740992}', '2^53'],
  ['{"a":-9007199254740992}', '-2^53'],
  ['{"a":9007199254740993}', '2^53 + 1'],
  ['{"a":1e999}', 'infinity'],
  ['{"a":NaN}', 'NaN'],
  ['\ufeff{"a":1}', 'a byte order mark'],
  ['{"a":"\\ud800"}', 'a lone high surrogate'],
  ['{"a":"\\udc00"}', 'a lone low surrogate'],
  ['{"a":"\\udc00\\ud800"}', 'a pair the wrong way round'],
  ['{"\\ud800":1}', 'a lone surrogate in a name'],
  ['{"a":["\\ud800"]}', 'a lone surrogate in an array'],
  ['{"a":"\\ud83d\\ude00"}', 'an escaped pair'],
  ['{"a":"\\/"}', 'an escaped slash'],
  ['{"a":"\\u0041"}', 'an escaped letter'],
  ['{"a":"\\u000a"}', '\\u000a for \\n'],
  ['{"a":"\\u001F"}', 'an upper-case escape'],
  ['{"a":"\\u007f"}', 'an escape of U+007F'],
  ['{"a":"\n"}', 'a raw newline in a text'],
  ['{"a":[[[[[[[[]]]]]]]]}', 'nine deep'],
  ['{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}}', 'nine objects deep'],
  ['{"__proto__":1}', '__proto__'],
  ['{"a":{"__proto__":{"b":1}}}', '__proto__ below'],
  ['{"1":1}', 'a name that is a number'],
  ['{"b":1,"1":1}', 'a name that JSON.stringify puts first'],
  ['{"a":[{"007":1}]}', 'digits as a name'],
  ["{'a':1}", 'another quote'],
  ['{"a":1,}', 'a comma too many'],
  ['{"a":undefined}', 'undefined'],
  ['{"a":1}\u0000', 'a zero byte after'],
])('not compact: %j (%s)', text => {
  expect(() => decodeBody(bytesOf(text))).toThrow(malformed)
})

test('bytes that are not UTF-8 are refused', () => {
  const around = (...bytes: number[]) => concat(bytesOf('{"a":"'), Uint8Array.from(bytes), bytesOf('"}'))
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]]) {
    expect(() => decodeBody(around(...bytes))).toThrow(malformed)
  }
  expect(decodeBody(around(0xe2, 0x82, 0xac))).toEqual({ a: '€' })
})

test('no depth exhausts the stack', () => {
  for (const depth of [9, 1000, 3000, 4000, 8000]) {
    expect(() => decodeBody(bytesOf(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`))).toThrow(malformed)
    expect(() => decodeBody(bytesOf(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`))).toThrow(malformed)
  }
})

test('what encodes decodes to the same', () => {
  const leaf = fc.oneof(fc.maxSafeInteger(), fc.string({ unit: 'binary' }), fc.boolean(), fc.constant(null))
  const name = fc.string().filter(text => !/^[0-9]+$/.test(text) && text !== '__proto__')
  fc.assert(
    fc.property(fc.dictionary(name, fc.oneof(leaf, fc.array(leaf)), { noNullPrototype: true }), value => {
      const bytes = encodeBody(value)
      const decoded = decodeBody(bytes)
      expect(decoded).toEqual(JSON.parse(JSON.stringify(value)))
      expect(hex(encodeBody(decoded))).toBe(hex(bytes))
    }),
  )
})

test('a public form is read back, and one value has one spelling', () => {
  const statement = signStatement('operator', { a: 1 }, key)
  const form = publish(statement)
  expect(form).toEqual({ type: 'operator', body: 'eyJhIjoxfQ', sig: expect.stringMatching(/^[\w-]{86}$/) })
  const back = unpublish(form)
  expect([back.type, hex(back.body), hex(back.signature)]).toEqual([
    'operator',
    hex(statement.body),
    hex(statement.signature),
  ])
  // "Q" and "R" differ in stray bits alone
  for (const body of ['eyJhIjoxfQ==', 'eyJhIjoxfR', 'eyJhIjoxfQ\n', 'eyJhIjo+fQ', 'e', ' eyJhIjoxfQ']) {
    expect(() => unpublish({ ...form, body })).toThrow(malformed)
  }
  expect(() => unpublish({ ...form, sig: form.sig.slice(0, 84) })).toThrow(malformed)
})
