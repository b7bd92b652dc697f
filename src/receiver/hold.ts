import type { Flag } from '../wire/flags.ts'
import { appendReview, provenReviews, type Reviewer, type Reviews } from './reviews.ts'
import type { Store } from './store.ts'

/** Flags that put a gateway on hold: its key or disk may be in two places. */
export const holding = ['CLONE_SUSPECT', 'FORK'] as const satisfies readonly Flag[]

/** Why a gateway is on hold. */
export interface Hold {
  /** The number of the newest flag that holds it. */
  flag: number
  name: (typeof holding)[number]
  /** Milliseconds since 1970. */
  since: number
}

const newest = `SELECT id AS flag, flag AS name, at AS since FROM flag_acts
  WHERE gateway = ? AND flag IN ('CLONE_SUSPECT', 'FORK') AND act = 'raised' ORDER BY id DESC LIMIT 1`

/**
 * Why a gateway is on hold; undefined where it is not. Only a release that an operator signed ends it: it is about
 * the newest flag, and all before are released with that.
 */
export function holdOf(store: Store, reviews: Reviews, gateway: string): Hold | undefined {
  const held = store.get<Hold>(newest, gateway)
  if (held === undefined) return undefined
  const released = provenReviews(store, reviews, held.flag).some(one => one.act === 'released')
  return released ? undefined : held
}

/** The highest session token that the last release of a gateway covers: those up to it accuse nobody; 0 before any. */
export function releasedToken(store: Store, reviews: Reviews, gateway: string): number {
  const suspects = store.all<{ id: number }>(
    `SELECT raised.id FROM flag_acts AS raised
     WHERE gateway = ? AND flag IN ('CLONE_SUSPECT', 'FORK') AND act = 'raised'
       AND EXISTS (SELECT 1 FROM flag_acts WHERE about = raised.id AND act = 'released')
     ORDER BY id DESC LIMIT 1`,
    gateway,
  )
  const tokens = suspects
    .flatMap(({ id }) => provenReviews(store, reviews, id))
    .filter(one => one.act === 'released')
    .map(one => one.token)
  return Math.max(0, ...tokens)
}

/** What a release answers: the flags that it is about; none where the gateway was not on hold. */
export interface Released {
  flags: number[]
}

/**
 * Ends the hold of a gateway: releases each flag that holds it, in the name of a person, signed by the operator.
 * Not inside `write`.
 */
export function releaseGateway(
  store: Store,
  reviews: Reviews,
  reviewer: Reviewer,
  gateway: string,
  { by, words, at }: { by: string; words: string; at: number },
): Released {
  return store.write(() => {
    if (holdOf(store, reviews, gateway) === undefined) return { flags: [] }
    const token =
      store.get<{ token: number | null }>(
        'SELECT max(token) AS token FROM sessions WHERE gateway = ?',
        gateway,
      )?.token ?? 0
    const open = store
      .all<{ id: number }>(
        `SELECT id FROM flag_acts WHERE gateway = ? AND flag IN ('CLONE_SUSPECT', 'FORK') AND act = 'raised'
         ORDER BY id`,
        gateway,
      )
      .map(({ id }) => id)
      .filter(id => !provenReviews(store, reviews, id).some(one => one.act === 'released'))
    for (const flag of open) {
      appendReview(store, reviewer, { flag, act: 'released', by, words, at, token })
    }
    return { flags: open }
  })
}
