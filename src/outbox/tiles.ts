import type { Epoch } from './epochs.ts'
import { isAtHome, isProven, rowsOf, type Walked, type WalkRow } from './walk.ts'

/** A row without its envelope: whether that leads to its head, and whether it says it belongs here. */
export type Light = Omit<WalkRow, 'envelope'> & { proven: boolean; atHome: boolean }

/** A row, a range that is gone, or places where nothing is; with the heads before and after as far as known. */
export interface Tile {
  first: number
  last: number
  before?: string
  after?: string
  row?: Light
}

/** An epoch laid out in order. */
export interface Tiled {
  /** From seq 1 to the end without a break. */
  tiles: Tile[]
  /** The epoch as it was when its end was reached. */
  epoch: Epoch
  rows: number
}

/** The rows and gone ranges of an epoch behind a place, at most `limit` rows of them, in order. */
function nextTiles(walked: Walked, epoch: Epoch, at: Tile | undefined, limit: number) {
  const place = at?.last ?? 0
  const rows: Tile[] = []
  for (const row of rowsOf(walked, epoch, place, limit)) {
    const { envelope, ...light } = row
    const proven = isProven(walked.chain, row)
    const atHome = isAtHome(epoch, row)
    const { place: seq, prev: before, head: after } = light
    rows.push({ first: seq, last: seq, before, after, row: { ...light, proven, atHome } })
  }
  const isLast = rows.length < limit
  const upTo = isLast ? epoch.seq : rows.at(-1)!.last
  const gone = walked.gone
    .of(epoch.id)
    .filter(({ first, last }) => last > place && first <= upTo)
    // What was looked at in an earlier turn may be forgotten since, in one range with what was not
    .map(one => (one.first > place ? one : { ...one, first: place + 1, before: at?.after ?? one.before }))
  const tiles: Tile[] = [...gone, ...rows].sort((a, b) => a.first - b.first)
  return { tiles, isLast, rows: rows.length }
}

/**
 * Rows, gone ranges and gaps of an epoch, in order, from seq 1 to its end without a break: each as it was
 * in the turn that reached it, `limit` rows in each.
 */
export function* tilesOf(walked: Walked, look: () => Epoch, limit: number): Generator<undefined, Tiled> {
  const tiles: Tile[] = []
  let at = 0
  let rows = 0
  for (;;) {
    const epoch = look()
    const next = nextTiles(walked, epoch, tiles.at(-1), limit)
    rows += next.rows
    for (const tile of next.tiles) {
      if (tile.first <= at) continue
      if (tile.first > at + 1) tiles.push({ first: at + 1, last: tile.first - 1 })
      tiles.push(tile)
      at = tile.last
    }
    if (next.isLast) {
      if (at < epoch.seq) tiles.push({ first: at + 1, last: epoch.seq })
      return { tiles, epoch, rows }
    }
    yield
  }
}
