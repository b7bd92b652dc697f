import { scryptSync } from 'node:crypto'
import { wordlist } from '@scure/bip39/wordlists/english.js'

/** Six words straight from WIRE 2.5. */
export function wordsOf(bytes: Uint8Array, salt: Uint8Array | string): string {
  const hash = scryptSync(bytes, salt, 32, { N: 32768, r: 8, p: 1, maxmem: 2 ** 26 })
  const bits = [...hash].map(byte => byte.toString(2).padStart(8, '0')).join('')
  return Array.from(
    { length: 6 },
    (_, at) => wordlist[Number.parseInt(bits.slice(11 * at, 11 * at + 11), 2)],
  ).join(' ')
}
