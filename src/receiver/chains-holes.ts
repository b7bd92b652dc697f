import type { Chain } from './chains-advance.ts'
import type { Store } from './store.ts'

/** Rows that were declared lost and are not here; `before` is the head below the first of them. */
export interface Hole {
  first: number
  top: number
  before: string
}

/** A declared loss as it joins a branch. */
export interface Loss {
  id: number
  first: number
  last: number
  before: string
  after: string
}

/** A row that connected: its place, and the head before it. */
interface Found {
  seq: number
  prev: string
  head: string
}

/**
 * Makes a hole of a declared loss that ends the branch now; one that begins where the last hole ends makes
 * that one longer. Where the place it leads to was held before, nothing is a hole because of it.
 */
export function openHole(store: Store, branch: number, loss: Loss, heldBefore: boolean): void {
  const { id, first, last, before, after } = loss
  const joined =
    !heldBefore &&
    store.run(
      `UPDATE lost SET top = ?, top_head = ? WHERE top = ? AND top_head = ? AND id =
         (SELECT id FROM lost WHERE branch = ? AND first < ? AND top >= first ORDER BY first DESC LIMIT 1)`,
      last,
      after,
      first - 1,
      before,
      branch,
      first,
    ).changes > 0
  if (heldBefore || joined) {
    store.run('UPDATE lost SET branch = ?, top = ?, top_head = ? WHERE id = ?', branch, first - 1, before, id)
  } else store.run('UPDATE lost SET branch = ? WHERE id = ?', branch, id)
}

/** Takes a row that was found after all out of the hole of its branch, with those below that lead to it. */
export function fillHole(store: Store, chain: Chain, branch: number, { seq, prev, head }: Found): void {
  const hole = store.get<{ id: number; first: number; top: number; top_head: string }>(
    `SELECT id, first, top, top_head FROM lost
     WHERE branch = ? AND first <= ? AND top >= first ORDER BY first DESC LIMIT 1`,
    branch,
    seq,
  )
  if (hole === undefined || hole.top < seq) return
  if (hole.top > seq) splitHole(store, chain, branch, head, { ...hole, first: seq + 1 })
  let [top, below] = [seq - 1, prev]
  while (top >= hole.first) {
    // a row is found where its head leads on: the hash proves that it belongs to this chain
    const row = store.get<{ prev: string }>(
      'SELECT prev FROM chains WHERE gateway = ? AND epoch = ? AND seq = ? AND head = ?',
      chain.gateway,
      chain.epoch,
      top,
      below,
    )
    if (row === undefined) break
    top -= 1
    below = row.prev
  }
  store.run('UPDATE lost SET top = ?, top_head = ? WHERE id = ?', top, below, hole.id)
}

/** The upper part of a hole, above a row that was found in its midst. */
function splitHole(
  store: Store,
  { gateway, epoch }: Chain,
  branch: number,
  before: string,
  { first, top, top_head }: { first: number; top: number; top_head: string },
): void {
  store.run(
    `INSERT INTO lost (gateway, epoch, first, last, before, after, top, top_head, branch, received)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
     ON CONFLICT DO UPDATE SET top = excluded.top, top_head = excluded.top_head, branch = excluded.branch`,
    gateway,
    epoch,
    first,
    top,
    before,
    top_head,
    top,
    top_head,
    branch,
  )
}

/** Holes that are read at a time: as many as one answer may list, and the one where it ends. */
const pageHoles = 33

/** The holes on the way from the epoch's start to a place, the lowest first; read as far as is asked for. */
export function* holesTo(store: Store, branch: number, seq: number): Generator<Hole, void, undefined> {
  const way = store.all<{ id: number; upto: number }>(
    `WITH RECURSIVE way (id, upto, depth) AS (
       SELECT ?, ?, 0 UNION ALL
       SELECT parent, min(forked, upto), depth + 1 FROM way JOIN branches USING (id) WHERE parent IS NOT NULL
     )
     SELECT id, upto FROM way ORDER BY depth DESC`,
    branch,
    seq,
  )
  for (const { id, upto } of way) {
    let above = 0
    for (;;) {
      const page = store.all<Hole>(
        `SELECT first, top, before FROM lost
         WHERE branch = ? AND first > ? AND first <= ? AND top >= first ORDER BY first LIMIT ?`,
        id,
        above,
        upto,
        pageHoles,
      )
      for (const hole of page) yield { ...hole, top: Math.min(hole.top, upto) }
      if (page.length < pageHoles) break
      above = page.at(-1)!.first
    }
  }
}
