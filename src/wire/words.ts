import { scryptSync } from 'node:crypto'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { bytesOf, unbase32 } from '../base/bytes.ts'
import { pae, type Statement } from './statement.ts'

/** Six words over some bytes (WIRE 2.5): 66 bits that two people can compare aloud. */
export function sixWords(bytes: Uint8Array, salt: Uint8Array): string[] {
  const N = 2 ** 15
  // scrypt needs 128 × N × r bytes; Node's own limit lies at exactly that and refuses it
  const hash = scryptSync(bytes, salt, 32, { N, r: 8, p: 1, maxmem: 256 * N * 8 })
  let bits = BigInt(`0x${hash.toString('hex')}`) >> (256n - 66n)
  const words: string[] = []
  for (let i = 0; i < 6; i++) {
    words.unshift(wordlist[Number(bits & 2047n)]!)
    bits >>= 11n
  }
  return words
}

/** The six words of an enrolment request. */
export const requestWords = (request: Statement, gateway: string): string[] =>
  sixWords(pae(request.type, request.body), unbase32(gateway))

/** The six words of a registry root. */
export const rootWords = (root: Uint8Array): string[] => sixWords(root, bytesOf('VG1 root'))

/** Words as a person types them: any case, any blanks, hyphens or commas between. */
export const readWords = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/[\s,-]+/)
    .filter(word => word !== '')

/** Whether the typed words are these. */
export const sameWords = (typed: string, words: readonly string[]): boolean =>
  readWords(typed).join(' ') === words.join(' ')
