import { advance, type Chain, kidOf, lengthen, type Place, placeAt, root } from './chains-advance.ts'
import type { Store } from './store.ts'

/** A chained statement to keep, with the place that its signature proves. */
export interface Row extends Chain {
  seq: number
  prev: string
  head: string
  hash: string
  type: string
  envelope: Uint8Array
  received: number
}

/** Rows that a gateway declared lost, between two heads (WIRE 6.4). */
export interface Lost extends Chain {
  first: number
  last: number
  before: string
  after: string
  received: number
}

/** What became of a row: seen before, or new. */
export interface Taken {
  fresh: boolean
  /** How many other envelopes claim the same place (WIRE 5.5). */
  rivals: number
  /** The branches whose receipt may now say more, or is asked for again. */
  branches: ReadonlySet<number>
}

/**
 * Keeps a row by its envelope hash, wherever in its epoch it belongs, and connects what can be connected.
 * A place belongs to the key that opened the epoch, so a row under another key never connects.
 */
export function takeRow(store: Store, row: Row, server: string): Taken {
  const tip = lonelyTip(store, row)
  if (tip !== undefined) {
    insertRow(store, row, 1)
    lengthen(store, row, tip, row.seq, row.head)
    return { fresh: true, rivals: 0, branches: new Set([tip]) }
  }
  const inserted = insertRow(store, row, 0)
  if (!inserted) return { fresh: false, rivals: 0, branches: branchesThrough(store, row) }
  if (row.seq === 1) root(store, row, server)
  const claims = store.get<{ n: number }>(
    'SELECT count(*) AS n FROM chains WHERE gateway = ? AND epoch = ? AND seq = ? AND prev = ?',
    row.gateway,
    row.epoch,
    row.seq,
    row.prev,
  )
  const known = [placeAt(store, row, row.seq - 1, row.prev), placeAt(store, row, row.seq, row.head)]
  const branches = advance(
    store,
    row,
    known.filter(place => place !== undefined && kidOf(store, place.branch) === row.kid) as Place[],
  )
  return { fresh: true, rivals: (claims?.n ?? 1) - 1, branches }
}

/** Stores a row, connected or not yet; false where it is there already. */
function insertRow(store: Store, row: Row, connected: 0 | 1): boolean {
  const { changes } = store.run(
    `INSERT INTO chains (hash, gateway, epoch, kid, seq, prev, head, type, connected, received, envelope)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (gateway, epoch, seq, hash) DO NOTHING`,
    row.hash,
    row.gateway,
    row.epoch,
    row.kid,
    row.seq,
    row.prev,
    row.head,
    row.type,
    connected,
    row.received,
    row.envelope,
  )
  return changes === 1
}

/**
 * The branch at whose end a row follows, where that is all there is to know: nothing else claims its place or the
 * next, nor is anything of its epoch declared lost. So it is with nearly every row, and then neither forks nor
 * holes nor what waits need to be looked for.
 */
const lonelyTip = (store: Store, row: Row): number | undefined =>
  store.get<{ id: number }>(
    `SELECT id FROM branches AS tip WHERE gateway = ? AND epoch = ? AND seq = ? AND head = ? AND kid = ?
       AND NOT EXISTS (SELECT 1 FROM chains WHERE gateway = tip.gateway AND epoch = tip.epoch
         AND seq BETWEEN tip.seq + 1 AND tip.seq + 2)
       AND NOT EXISTS (SELECT 1 FROM places WHERE gateway = tip.gateway AND epoch = tip.epoch
         AND seq = tip.seq + 1)
       AND NOT EXISTS (SELECT 1 FROM lost WHERE gateway = tip.gateway AND epoch = tip.epoch)`,
    row.gateway,
    row.epoch,
    row.seq - 1,
    row.prev,
    row.kid,
  )?.id

/** The branch that holds a row and those that fork off behind it: whoever resends it may have any of them. */
function branchesThrough(store: Store, row: Row): Set<number> {
  const place = placeAt(store, row, row.seq, row.head)
  if (place === undefined) return new Set()
  const found = store.all<{ id: number }>(
    `WITH RECURSIVE behind (id, seq) AS (
       SELECT ?, ? UNION ALL
       SELECT branches.id, 0 FROM branches JOIN behind ON parent = behind.id WHERE forked >= behind.seq
     ) SELECT id FROM behind LIMIT 8`,
    place.branch,
    place.seq,
  )
  return new Set(found.map(one => one.id))
}

/**
 * Lets the chain pass rows that were declared lost. `missing` tells whether any of them is not here at
 * this moment; they are taken at any time later (WIRE 7.9).
 */
export function takeLost(
  store: Store,
  lost: Lost,
  server: string,
): { missing: boolean; branches: Set<number> } {
  if (lost.first === 1) root(store, lost, server)
  const held = placeAt(store, lost, lost.last, lost.after) !== undefined
  store.run(
    `INSERT INTO lost (gateway, epoch, first, last, before, after, top, top_head, received)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    lost.gateway,
    lost.epoch,
    lost.first,
    lost.last,
    lost.before,
    lost.after,
    lost.last,
    lost.after,
    lost.received,
  )
  const before = placeAt(store, lost, lost.first - 1, lost.before)
  if (before === undefined) return { missing: !held, branches: new Set() }
  // an epoch keeps the key that opened it, whichever key declares the loss (DESIGN 7a.11)
  const chain = { ...lost, kid: kidOf(store, before.branch) ?? lost.kid }
  return { missing: !held, branches: advance(store, chain, [before]) }
}
