import type { Epoch } from './epochs.ts'
import { isAtHome, isOwned, isProven, rowsOf, type Walked, type WalkRow } from './walk.ts'

/** What is wrong at a place of the chain. */
export type ProblemKind = 'altered' | 'missing' | 'swapped' | 'misplaced'

/** A place that is not as it was written. `mend` names what proves to belong there, if it is still on disk. */
export interface Finding {
  seq: number
  problem: ProblemKind
  mend?: { id: number; prev: string; head: string }
}

/** Places in a row that nothing on disk can fill any more, with the heads around them. */
export interface Hole {
  first: number
  last: number
  before: string
  after: string
  why: 'missing' | 'altered'
}

/** What an epoch's examination found. */
export interface Examined {
  findings: Finding[]
  holes: Hole[]
  /** The head at the epoch's end, where its own row proves to hold a wrong one. */
  end: string | undefined
}

/** Suspects up to this number are tried in each other's place; their product is what it costs. */
const trialLimit = 64

type Light = Omit<WalkRow, 'envelope'> & { proven: boolean; atHome: boolean }
type Tile = { first: number; last: number; before?: string; after?: string; row?: Light }

/** Rows, gone ranges and gaps of an epoch, in order, from seq 1 to its end without a break. */
function tilesOf(walked: Walked, epoch: Epoch): Tile[] {
  const known: Tile[] = [...walked.gone.of(epoch.id)]
  for (const row of rowsOf(walked, epoch, 0, Number.MAX_SAFE_INTEGER)) {
    const { envelope, ...light } = row
    const { place, prev, head } = light
    const proven = isProven(walked.chain, row)
    const atHome = isAtHome(epoch, row)
    known.push({ first: place, last: place, before: prev, after: head, row: { ...light, proven, atHome } })
  }
  known.sort((a, b) => a.first - b.first)
  const tiles: Tile[] = []
  let at = 0
  for (const tile of known) {
    if (tile.first > at + 1) tiles.push({ first: at + 1, last: tile.first - 1 })
    if (tile.first > at) tiles.push(tile)
    at = Math.max(at, tile.last)
  }
  if (at < epoch.seq) tiles.push({ first: at + 1, last: epoch.seq })
  return tiles
}

/** Whether a row contradicts itself or what is next to it on either side. */
function isSuspect(tiles: Tile[], at: number, start: string, end: string): boolean {
  const { row, before, after } = tiles[at]!
  if (row === undefined) return false
  const left = at === 0 ? start : tiles[at - 1]!.after
  const right = at === tiles.length - 1 ? end : tiles[at + 1]!.before
  return (
    !row.proven ||
    !row.atHome ||
    (left !== undefined && left !== before) ||
    (right !== undefined && right !== after)
  )
}

/** Finds what belongs at the place of a suspect row: its own envelope, or that of another suspect. */
function searchOf(walked: Walked, suspects: Light[]) {
  const envelope = walked.db.prepare<[number], { envelope: Uint8Array }>(
    'SELECT envelope FROM row WHERE id = ?',
  )
  const crowd = suspects.length <= trialLimit ? suspects : []
  const columns = crowd.flatMap(({ prev, head }) => [prev, head])
  const cache = new Map(crowd.map(({ id }) => [id, envelope.get(id)!.envelope]))
  const used = new Set<number>()
  return (row: Light, befores: string[], afters: string[]): Finding['mend'] => {
    const wanted = new Set([row.head, ...afters, ...columns])
    const tries = [row, ...crowd.filter(one => one.id !== row.id)].filter(one => !used.has(one.id))
    for (const prev of befores) {
      for (const { id } of tries) {
        const head = walked.chain.next(prev, cache.get(id) ?? envelope.get(id)!.envelope)
        if (!wanted.has(head)) continue
        used.add(id)
        return { id, prev, head }
      }
    }
    return undefined
  }
}

/** Unfilled tiles next to each other, as holes. */
function holesOf(tiles: Tile[], lost: Set<Tile>, start: string, end: string): Hole[] {
  const holes: Hole[] = []
  for (let at = 0; at < tiles.length; at++) {
    if (!lost.has(tiles[at]!)) continue
    const from = at
    while (at + 1 < tiles.length && lost.has(tiles[at + 1]!)) at++
    const range = tiles.slice(from, at + 1)
    holes.push({
      first: range[0]!.first,
      last: range.at(-1)!.last,
      before: from === 0 ? start : tiles[from - 1]!.after!,
      after: at === tiles.length - 1 ? end : tiles[at + 1]!.before!,
      why: range.every(tile => tile.row !== undefined) ? 'altered' : 'missing',
    })
  }
  return holes
}

/**
 * Tells for an epoch that `stride` stumbled over what is wrong at which place. A place counts as filled when
 * an envelope on disk leads from a head before it to a head after it; nothing else can, by accident.
 */
export function examine(walked: Walked, epoch: Epoch): Examined {
  const tiles = tilesOf(walked, epoch)
  const start = epoch.zero
  const suspects = tiles.flatMap((tile, at) =>
    tile.row !== undefined && isSuspect(tiles, at, start, epoch.head) ? [tile.row] : [],
  )
  const search = searchOf(walked, suspects)
  const doubted = new Set(suspects)
  const findings: Finding[] = isOwned(walked.chain, epoch) ? [] : [{ seq: 0, problem: 'altered' }]
  const lost = new Set<Tile>()
  // The head before the next place, where the places before it are proven
  let proven: string | undefined = start
  for (const [at, tile] of tiles.entries()) {
    const { row } = tile
    if (row === undefined) {
      if (tile.after === undefined) lost.add(tile)
      proven = tile.after
      continue
    }
    if (!doubted.has(row) && (proven === undefined || proven === row.prev)) {
      proven = row.head
      continue
    }
    const left = tiles[at - 1]?.after
    const befores = proven !== undefined ? [proven] : [...(left === undefined ? [] : [left]), row.prev]
    const right = at === tiles.length - 1 ? epoch.head : tiles[at + 1]!.before
    const mend = search(row, befores, right === undefined ? [] : [right])
    if (mend === undefined) {
      findings.push({ seq: tile.first, problem: row.proven ? 'misplaced' : 'altered' })
      lost.add(tile)
      proven = undefined
      continue
    }
    const own = mend.id === row.id
    if (!own) findings.push({ seq: tile.first, problem: 'swapped', mend })
    else if (!row.atHome) findings.push({ seq: tile.first, problem: 'misplaced', mend })
    else if (mend.prev !== row.prev || mend.head !== row.head)
      findings.push({ seq: tile.first, problem: 'altered', mend })
    tile.before = mend.prev
    tile.after = mend.head
    proven = mend.head
  }
  return {
    findings,
    holes: holesOf(tiles, lost, start, epoch.head),
    end: proven !== undefined && proven !== epoch.head ? proven : undefined,
  }
}
