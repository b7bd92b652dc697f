import type { Place } from '../../src/daemon/custody.ts'

/** A server's answer that a workload handed in. */
export interface Given {
  epoch: string
  seq: number
  head: string
  holes: [number, number][]
}

/** One thing that a workload tells at the moment it knows of it; `given` before it hands an answer in. */
export type Word =
  | { taken: Place }
  | { given: Given }
  | { token: number }
  | { begun: string }
  | { ended: string }
  | { salvaged: number }
  | { failed: string }

/** All that was told so far. */
export interface Told {
  taken: Place[]
  given: Given[]
  token: number
  begun: Set<string>
  ended: Set<string>
  failed: string[]
}

export const nothingTold = (): Told => ({
  ...{ taken: [], given: [], token: 0, failed: [] },
  ...{ begun: new Set<string>(), ended: new Set<string>() },
})

/** Adds a word to what was told. */
export function hearWord(told: Told, word: Word): void {
  if ('taken' in word) told.taken.push(word.taken)
  else if ('given' in word) told.given.push(word.given)
  else if ('token' in word) told.token = Math.max(told.token, word.token)
  else if ('begun' in word) told.begun.add(word.begun)
  else if ('ended' in word) told.ended.add(word.ended)
  else if ('failed' in word) told.failed.push(word.failed)
}

/** The whole lines of what was told; one that was cut off in the middle was not. */
export const wordsIn = (text: string): Word[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Word)
