import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Random } from '../way/random.ts'
import type { Call } from './trace.ts'

/** What a power cut leaves: nothing unsynced, some of it, some of it torn; or all, where only the program died. */
export type Cut = 'lost' | 'kept' | 'torn' | 'all'

/** Drives promise to write so many bytes whole, no more. */
const sector = 512

type Change = { at: number; bytes: Buffer } | { size: number }

/** A file's content on the platter, and what only the cache holds of it. */
interface File {
  bytes: Buffer
  size: number
  pending: Change[]
}

type Entry = File | 'folder'

/** A change of names that no sync of its folder has made last. */
type Move = { path: string; entry: Entry | undefined } | { path: string; to: string; entry: Entry }

/** A file with room for its size. */
const grown = (bytes: Buffer, size: number): Buffer => {
  if (bytes.length >= size) return bytes
  const more = Buffer.alloc(Math.max(size, 2 * bytes.length, 4096))
  bytes.copy(more)
  return more
}

function apply(file: { bytes: Buffer; size: number }, change: Change): void {
  if ('size' in change) {
    file.bytes = grown(file.bytes, change.size)
    file.bytes.fill(0, Math.min(file.size, change.size))
    file.size = change.size
    return
  }
  const end = change.at + change.bytes.length
  file.bytes = grown(file.bytes, end)
  change.bytes.copy(file.bytes, change.at)
  file.size = Math.max(file.size, end)
}

/** A write as the sectors that it covers. */
function* sectors({ at, bytes }: { at: number; bytes: Buffer }): Generator<Change> {
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, (Math.floor((at + from) / sector) + 1) * sector - at)
    yield { at: at + from, bytes: bytes.subarray(from, to) }
    from = to
  }
}

/** A disk with a cache before it, which forgets at a power cut what was not synced: names by folder, bytes by file. */
export interface Disk {
  /** Does what a program did. */
  do(call: Call): void
  /** What is found after a power cut now: bytes by path, null for a folder. */
  after(cut: Cut, random: Random): Map<string, Buffer | null>
}

/** A disk on which there is nothing but the folder `root`. */
export function diskOf(root: string): Disk {
  const now = new Map<string, Entry>()
  const durable = new Map<string, Entry>()
  let moves: Move[] = []

  const file = (path: string): File => {
    const found = now.get(path)
    if (found === undefined || found === 'folder') throw new Error(`${path} was never made`)
    return found
  }
  const rename = (names: Map<string, Entry>, move: Move): void => {
    if (!('to' in move)) {
      if (move.entry === undefined) names.delete(move.path)
      else names.set(move.path, move.entry)
      return
    }
    // where it was made and what it was made of is lost together
    if (names.get(move.path) !== move.entry) return
    names.delete(move.path)
    names.set(move.to, move.entry)
  }
  const move = (one: Move): void => {
    moves.push(one)
    rename(now, one)
  }
  const sync = (path: string): void => {
    const entry = now.get(path)
    if (path === root || entry === 'folder') {
      const [ours, others] = [[] as Move[], [] as Move[]]
      for (const one of moves) (dirname(one.path) === path ? ours : others).push(one)
      for (const one of ours) rename(durable, one)
      moves = others
    } else if (entry !== undefined) {
      for (const change of entry.pending) apply(entry, change)
      entry.pending = []
    }
  }

  const contentAfter = (entry: File, cut: Cut, random: Random, share: number): Buffer => {
    const bytes = entry.bytes.subarray(0, entry.size)
    if (cut === 'lost' || entry.pending.length === 0) return bytes
    const found = { bytes: Buffer.from(bytes), size: entry.size }
    for (const change of entry.pending) {
      if (cut === 'all') apply(found, change)
      else if (cut === 'torn' && 'bytes' in change) {
        for (const part of sectors(change)) if (random.percent(share)) apply(found, part)
      } else if (random.percent(share)) apply(found, change)
    }
    return found.bytes.subarray(0, found.size)
  }

  return {
    do: call => {
      switch (call.call) {
        case 'make':
          if (!now.has(call.path))
            move({ path: call.path, entry: { bytes: Buffer.alloc(0), size: 0, pending: [] } })
          break
        case 'folder':
          move({ path: call.path, entry: 'folder' })
          break
        case 'write':
          file(call.path).pending.push({ at: call.at, bytes: call.bytes })
          break
        case 'cut':
          file(call.path).pending.push({ size: call.size })
          break
        case 'sync':
          sync(call.path)
          break
        case 'remove':
          move({ path: call.path, entry: undefined })
          break
        case 'rename':
          move({ path: call.path, to: call.to, entry: file(call.path) })
          break
        case 'link':
          move({ path: call.to, entry: file(call.path) })
          break
        case 'tell':
          break
      }
    },
    after: (cut, random) => {
      const names = new Map(durable)
      // each image has its own luck: nearly nothing was written back, or nearly all
      const share = random.between(1, 99)
      for (const one of moves)
        if (cut === 'all' || (cut !== 'lost' && random.percent(share))) rename(names, one)
      const found = new Map<string, Buffer | null>()
      for (const [path, entry] of names) {
        if (dirname(path) !== root && names.get(dirname(path)) !== 'folder') continue
        found.set(path, entry === 'folder' ? null : contentAfter(entry, cut, random, share))
      }
      return found
    },
  }
}

/** Writes what was found into another folder, which holds nothing else afterwards. */
export function layOut(found: Map<string, Buffer | null>, root: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const folders = [...found].filter(([, bytes]) => bytes === null).sort()
  for (const [path] of folders) mkdirSync(folder + path.slice(root.length), { mode: 0o700 })
  for (const [path, bytes] of found) {
    if (bytes !== null) writeFileSync(folder + path.slice(root.length), bytes, { mode: 0o600 })
  }
}
