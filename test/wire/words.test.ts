import { scryptSync } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { readWords, requestWords, rootWords, sameWords, sixWords } from '../../src/wire/words.ts'
import { gateway, root } from './samples.ts'

/** The first 66 bits of a digest as six numbers of 11 bits (WIRE 2.5), by division. */
function indices(digest: Buffer): number[] {
  let rest = BigInt(`0x${digest.toString('hex')}`) / 2n ** 190n
  const found: number[] = []
  while (found.length < 6) {
    found.unshift(Number(rest % 2048n))
    rest /= 2048n
  }
  return found
}

const scrypt = (data: Uint8Array | string, salt: Uint8Array | string): Buffer =>
  scryptSync(data, salt, 32, { N: 32768, r: 8, p: 1, maxmem: 2 ** 27 })

test('six words are 66 bits of scrypt, most significant first', () => {
  const expected = indices(scrypt('some bytes', 'some salt')).map(index => wordlist[index])
  expect(sixWords(Buffer.from('some bytes'), Buffer.from('some salt'))).toEqual(expected)
  expect(wordlist.length).toBe(2048)
})

test('a known answer, made with hashlib.scrypt of Python', () => {
  expect(sixWords(Buffer.from('some bytes'), Buffer.from('some salt')).join(' ')).toBe(
    'skate luxury find antique marine bitter',
  )
})

test('the words of a request are over its PAE, salted with the gateway’s 16 bytes', () => {
  const salt = Buffer.alloc(16)
  const request = { type: 'request', body: Uint8Array.from(Buffer.from('{}')), signature: new Uint8Array(64) }
  const expected = indices(scrypt('VG1 7 request 2 {}', salt)).map(index => wordlist[index])
  expect(requestWords(request, 'a'.repeat(26))).toEqual(expected)
  expect(requestWords(request, gateway.id)).not.toEqual(expected)
})

test('the words of a root are over its key', () => {
  const expected = indices(scrypt(root.sign.publicKey, 'VG1 root')).map(index => wordlist[index])
  expect(rootWords(root.sign.publicKey)).toEqual(expected)
})

test('words are read as people type them', () => {
  const words = ['abandon', 'ability', 'able', 'about', 'above', 'absent']
  expect(readWords('  Abandon ability,ABLE-about\tabove\nabsent ')).toEqual(words)
  expect(sameWords('abandon  ability able about above absent', words)).toBe(true)
  expect(sameWords('ability abandon able about above absent', words)).toBe(false)
  expect(sameWords('abandon ability able about above', words)).toBe(false)
  expect(sameWords('abandon ability able about above absent absent', words)).toBe(false)
  expect(sameWords('', words)).toBe(false)
})
