/** What a gateway can be commanded to do (WIRE 7.12). A dangerous one needs an operator's order. */
export const verbs = {
  ping: { dangerous: false },
  status: { dangerous: false },
  identify: { dangerous: false },
  restart: { dangerous: true },
  wipe: { dangerous: true },
} as const

export type VerbName = keyof typeof verbs

/** Whether the word is a verb of this edition. */
export const isVerb = (word: string): word is VerbName => Object.hasOwn(verbs, word)
