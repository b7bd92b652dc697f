import type { Epoch } from './epochs.ts'
import { type Light, type Tile, tilesOf } from './tiles.ts'
import { isOwned, type Walked } from './walk.ts'

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
  /** Rows that were looked at. */
  rows: number
  findings: Finding[]
  holes: Hole[]
  /** The head at the epoch's end, where its own row proves to hold a wrong one. */
  end: string | undefined
}

/** Suspects up to this number are tried in each other's place; their product is what it costs. */
const trialLimit = 64

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
  // None where it was forgotten since its row was looked at
  const read = (id: number): Uint8Array | undefined => envelope.get(id)?.envelope
  const cache = new Map(crowd.map(({ id }) => [id, read(id)]))
  const used = new Set<number>()
  return (row: Light, befores: string[], afters: string[]): Finding['mend'] => {
    const wanted = new Set([row.head, ...afters, ...columns])
    const tries = [row, ...crowd.filter(one => one.id !== row.id)].filter(one => !used.has(one.id))
    for (const prev of befores) {
      for (const { id } of tries) {
        const bytes = cache.get(id) ?? read(id)
        if (bytes === undefined) continue
        const head = walked.chain.next(prev, bytes)
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
  const steps = examining(walked, () => epoch, Number.MAX_SAFE_INTEGER)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** Examines in turns of at most `limit` rows, between which the outbox may change; `look` reads the epoch anew. */
export function* examining(walked: Walked, look: () => Epoch, limit: number): Generator<undefined, Examined> {
  const { tiles, epoch, rows } = yield* tilesOf(walked, look, limit)
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
  let searches = 0
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
    searches += 1
    if (searches % limit === 0) yield
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
    rows,
    findings,
    holes: holesOf(tiles, lost, start, epoch.head),
    end: proven !== undefined && proven !== epoch.head ? proven : undefined,
  }
}
