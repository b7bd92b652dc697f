import { headZero } from '../wire/chain.ts'
import { fillHole, type Loss, openHole } from './chains-holes.ts'
import type { Store } from './store.ts'

/** Whose chain: an epoch of a gateway under one of its signing keys (WIRE 5.1). */
export interface Chain {
  gateway: string
  epoch: string
  kid: string
}

/** A place that is held: every envelope up to it is here, declared holes apart. */
export interface Place {
  seq: number
  head: string
  branch: number
}

/** The place with this number and head, if it is held. */
export const placeAt = (store: Store, chain: Chain, seq: number, head: string): Place | undefined =>
  store.get<Place>(
    'SELECT seq, head, branch FROM places WHERE gateway = ? AND epoch = ? AND seq = ? AND head = ?',
    chain.gateway,
    chain.epoch,
    seq,
    head,
  )

function addPlace(store: Store, chain: Chain, place: Place): Place {
  store.run(
    'INSERT INTO places (gateway, epoch, seq, head, branch) VALUES (?, ?, ?, ?, ?)',
    chain.gateway,
    chain.epoch,
    place.seq,
    place.head,
    place.branch,
  )
  return place
}

function addBranch(store: Store, chain: Chain, parent: Place | null, seq: number, head: string): number {
  const { lastInsertRowid } = store.run(
    'INSERT INTO branches (gateway, epoch, kid, parent, forked, seq, head) VALUES (?, ?, ?, ?, ?, ?, ?)',
    chain.gateway,
    chain.epoch,
    chain.kid,
    parent?.branch ?? null,
    parent?.seq ?? null,
    seq,
    head,
  )
  return Number(lastInsertRowid)
}

/** Makes a branch end at the next place. */
export function lengthen(store: Store, chain: Chain, branch: number, seq: number, head: string): void {
  store.run('UPDATE branches SET seq = ?, head = ? WHERE id = ?', seq, head, branch)
  addPlace(store, chain, { seq, head, branch })
}

/** The place after `parent`: on its branch where it is the tip, else on a new one. */
function grow(store: Store, chain: Chain, parent: Place, seq: number, head: string): Place {
  const there = placeAt(store, chain, seq, head)
  if (there !== undefined) return there
  const moved = store.run(
    'UPDATE branches SET seq = ?, head = ? WHERE id = ? AND seq = ? AND head = ?',
    seq,
    head,
    parent.branch,
    parent.seq,
    parent.head,
  )
  const branch = moved.changes === 1 ? parent.branch : addBranch(store, chain, parent, seq, head)
  return addPlace(store, chain, { seq, head, branch })
}

/** Rows waiting for a place: those that end at it, and those that begin at it. */
function waiting(
  store: Store,
  chain: Chain,
  place: Place,
): { ending: WaitingRow[]; beginning: WaitingRow[] } {
  const rows = store.all<WaitingRow>(
    `SELECT id, seq, prev, head FROM chains
     WHERE gateway = ? AND epoch = ? AND seq BETWEEN ? AND ? AND connected = 0 AND kid = ?`,
    chain.gateway,
    chain.epoch,
    place.seq,
    place.seq + 1,
    chain.kid,
  )
  return {
    ending: rows.filter(row => row.seq === place.seq && row.head === place.head),
    beginning: rows.filter(row => row.seq === place.seq + 1 && row.prev === place.head),
  }
}

interface WaitingRow {
  id: number
  seq: number
  prev: string
  head: string
}

/** Losses that were declared to begin after a place. */
const waitingLosses = (store: Store, chain: Chain, place: Place): Loss[] =>
  store.all<Loss>(
    `SELECT id, first, last, before, after FROM lost
     WHERE gateway = ? AND epoch = ? AND first = ? AND before = ? AND branch IS NULL`,
    chain.gateway,
    chain.epoch,
    place.seq + 1,
    place.head,
  )

/**
 * Goes on from places that are held to all that now follows from them: rows after them, rows that end in
 * them (a hash proves what came before as well), and declared losses. Gives the branches that changed.
 */
export function advance(store: Store, chain: Chain, from: readonly Place[]): Set<number> {
  const changed = new Set<number>()
  const open = [...from]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { ending, beginning } = waiting(store, chain, place)
    for (const row of ending) {
      store.run('UPDATE chains SET connected = 1 WHERE id = ?', row.id)
      fillHole(store, chain, place.branch, row)
      changed.add(place.branch)
      const before = { seq: row.seq - 1, head: row.prev, branch: place.branch }
      if (placeAt(store, chain, before.seq, before.head) === undefined) {
        open.push(addPlace(store, chain, before))
      }
    }
    for (const row of beginning) {
      store.run('UPDATE chains SET connected = 1 WHERE id = ?', row.id)
      const next = grow(store, chain, place, row.seq, row.head)
      fillHole(store, chain, next.branch, row)
      changed.add(next.branch)
      open.push(next)
    }
    for (const loss of waitingLosses(store, chain, place)) {
      const held = placeAt(store, chain, loss.last, loss.after)
      const next = held ?? grow(store, chain, place, loss.last, loss.after)
      openHole(store, next.branch, loss, held !== undefined)
      changed.add(next.branch)
      open.push(next)
    }
  }
  return changed
}

/** The place before the first statement, which everybody holds (WIRE 5.1). */
export function root(store: Store, chain: Chain, server: string): void {
  const head = headZero(chain.epoch, { gateway: chain.gateway, server, kid: chain.kid })
  if (placeAt(store, chain, 0, head) !== undefined) return
  addPlace(store, chain, { seq: 0, head, branch: addBranch(store, chain, null, 0, head) })
}

/** The key that opened the epoch of a branch. */
export const kidOf = (store: Store, branch: number): string | undefined =>
  store.get<{ kid: string }>('SELECT kid FROM branches WHERE id = ?', branch)?.kid
