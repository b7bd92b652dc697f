import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { codeOf } from '../base/fault.ts'
import { pageSize } from './schema.ts'

// Reads records straight from the pages of a database file (SQLite, "Database File Format"): where the page that
// leads to others is destroyed, SQLite finds none of them, and they are whole all the same.

/** A value as it is stored. */
export type Stored = number | bigint | string | Buffer | null

/** A record of some table: its rowid, and its columns in order. */
export interface StoredRecord {
  rowid: number
  values: Stored[]
}

/** First byte of a page that holds the records of a table (section 1.6). */
const tableLeaf = 13

/** A record is read up to this length, bytes; no row of ours is longer. */
const recordLimit = 65_536

/** The bytes of each page, as it was last committed. */
interface Pages {
  count: number
  /** Undefined beyond the end. */
  read(page: number): Buffer | undefined
  close(): void
}

/** The place in the journal of the newest committed image of each page (section 4). */
function journalled(path: string): { file: number; at: Map<number, number> } | undefined {
  if (!existsSync(path)) return undefined
  const file = openSync(path, 'r')
  const at = new Map<number, number>()
  const begun = new Map<number, number>()
  const header = Buffer.alloc(32)
  const frame = Buffer.alloc(24)
  if (readSync(file, header, 0, 32, 0) < 32) return { file, at }
  for (let place = 32; readSync(file, frame, 0, 24, place) === 24; place += 24 + pageSize) {
    if (frame.compare(header, 16, 24, 8, 16) !== 0) break
    begun.set(frame.readUInt32BE(0), place + 24)
    if (frame.readUInt32BE(4) === 0) continue
    for (const [page, from] of begun) at.set(page, from)
    begun.clear()
  }
  return { file, at }
}

function openPages(path: string): Pages {
  const file = openSync(path, 'r')
  const journal = journalled(`${path}-wal`)
  const bytes = Buffer.alloc(pageSize)
  const end = Math.max(0, ...(journal?.at.keys() ?? []))
  const read = (page: number): Buffer | undefined => {
    if (page < 1) return undefined
    const place = journal?.at.get(page)
    const [from, at] = place === undefined ? [file, (page - 1) * pageSize] : [journal!.file, place]
    return readSync(from, bytes, 0, pageSize, at) === pageSize ? Buffer.from(bytes) : undefined
  }
  let count = end
  while (readSync(file, bytes, 0, 1, count * pageSize) === 1) count += 1
  return {
    count,
    read,
    close: () => {
      closeSync(file)
      if (journal !== undefined) closeSync(journal.file)
    },
  }
}

/** A number of one to nine bytes (section 1.6), and where it ends. */
function varint(bytes: Buffer, at: number): [value: number, end: number] {
  let value = 0
  for (let n = 0; n < 8; n++) {
    const byte = bytes.readUInt8(at + n)
    value = value * 128 + (byte & 127)
    if (byte < 128) return [value, at + n + 1]
  }
  return [value * 256 + bytes.readUInt8(at + 8), at + 9]
}

/** What a cell holds: as much as fits lies there, the rest in pages that are linked (section 1.6). */
function payload(pages: Pages, page: Buffer, at: number, length: number): Buffer | undefined {
  const most = pageSize - 35
  if (length <= most) return page.subarray(at, at + length)
  const least = Math.floor(((pageSize - 12) * 32) / 255) - 23
  const part = least + ((length - least) % (pageSize - 4))
  const local = part <= most ? part : least
  const parts = [page.subarray(at, at + local)]
  let left = length - local
  for (let next = page.readUInt32BE(at + local); left > 0; ) {
    const more = pages.read(next)
    if (more === undefined) return undefined
    parts.push(more.subarray(4, 4 + Math.min(left, pageSize - 4)))
    left -= pageSize - 4
    next = more.readUInt32BE(0)
  }
  return Buffer.concat(parts)
}

const integerBytes = [0, 1, 2, 3, 4, 6, 8] as const

/** Bytes that are no record of a table. */
class NoRecord extends Error {}

/** The columns of a record (section 2.1). */
function columns(bytes: Buffer): Stored[] {
  const values: Stored[] = []
  const [headerEnd, begin] = varint(bytes, 0)
  let at = headerEnd
  for (let head = begin; head < headerEnd; ) {
    const [type, next] = varint(bytes, head)
    head = next
    if (type === 0) values.push(null)
    else if (type <= 5) {
      values.push(bytes.readIntBE(at, integerBytes[type]!))
      at += integerBytes[type]!
    } else if (type === 6) {
      values.push(Number(bytes.readBigInt64BE(at)))
      at += 8
    } else if (type === 8 || type === 9) values.push(type - 8)
    else if (type >= 12) {
      const length = (type - (type % 2 === 0 ? 12 : 13)) / 2
      if (at + length > bytes.length) throw new NoRecord()
      const value = bytes.subarray(at, at + length)
      values.push(type % 2 === 0 ? Buffer.from(value) : value.toString())
      at += length
    } else throw new NoRecord()
  }
  return values
}

/** Each record of any table that stands whole on a page, in order of pages. What is no record is passed over. */
export function* recordsIn(path: string): Generator<StoredRecord> {
  const pages = openPages(path)
  try {
    for (let number = 1; number <= pages.count; number++) {
      const page = pages.read(number)
      const start = number === 1 ? 100 : 0
      if (page?.readUInt8(start) !== tableLeaf) continue
      const cells = Math.min(page.readUInt16BE(start + 3), (pageSize - start - 8) >> 1)
      for (let cell = 0; cell < cells; cell++) {
        try {
          const [length, after] = varint(page, page.readUInt16BE(start + 8 + 2 * cell))
          const [rowid, from] = varint(page, after)
          const bytes = length > recordLimit ? undefined : payload(pages, page, from, length)
          if (bytes !== undefined) yield { rowid, values: columns(bytes) }
        } catch (error) {
          // bytes that are no record lead out of their page
          if (codeOf(error) !== 'ERR_OUT_OF_RANGE' && !(error instanceof NoRecord)) throw error
        }
      }
    }
  } finally {
    pages.close()
  }
}
