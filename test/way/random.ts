import { randomInt } from 'node:crypto'

/** Numbers that a seed repeats: a failure found by chance can be looked for again. */
export interface Random {
  seed: number
  /** From 0 up to 1. */
  next(): number
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number
  /** True so often out of a hundred. */
  percent(often: number): boolean
}

/** The seed of a run: VITALGATE_SEED, else one of its own. */
const seedOfRun = (): number => Number(process.env.VITALGATE_SEED ?? randomInt(2 ** 31))

/** Numbers from a seed (mulberry32). */
export function seededRandom(seed = seedOfRun()): Random {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    seed,
    next,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    percent: often => next() * 100 < often,
  }
}
