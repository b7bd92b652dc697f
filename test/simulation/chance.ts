import { type Random, seededRandom } from '../way/random.ts'

/** A stream of numbers of its own for each part of a world: what one part asks more changes nothing for the others. */
export function chanceOf(seed: number, part: string): Random {
  let mixed = seed ^ 0x9e3779b9
  for (const letter of part) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193)
  return seededRandom(mixed >>> 0)
}

/** One of these. */
export const oneOf = <T>(random: Random, all: readonly T[]): T => all[random.between(0, all.length - 1)]!
