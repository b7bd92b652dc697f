import type { Database, Statement } from 'better-sqlite3'
import { type Bytes, hex, unhex } from '../base/bytes.ts'
import { type Abandonments, abandonmentsOf } from './abandon.ts'
import { type Ballast, ballastOf } from './ballast.ts'
import { type Chain, type Epoch, type Epochs, epochsOf } from './epochs.ts'
import { type GoneRanges, goneOf } from './gone.ts'
import { type Intents, intentsOf } from './intents.ts'
import { type Receipts, receiptsOf } from './receipts.ts'
import { foldPages, limitPages, openFile, pageSize } from './schema.ts'
import { type Settling, settlingOf } from './settle.ts'

/** Grace rows that make room at a time when the intake quota is reached. */
const roomStep = 32

/** Pages that a row may need beside those that its envelope fills: its last one, and one more of each level of the tree. */
const rowPages = 4

/** Twice what the journal holds: then folding it fits even where the whole of it is new pages. */
const ballastBytes = 2 * foldPages * pageSize

export interface OutboxSettings {
  path: string
  /** Never more bytes than this on disk, the journal apart. */
  quotaBytes: number
  /** Readings are refused from here on; events, results and deletions still fit. */
  intakeBytes: number
  chain: Chain
}

/** Where an envelope was put. */
export interface Placed {
  id: number
  epoch: string
  seq: number
  head: string
}

/** An envelope that waits for its receipt. */
export interface Waiting {
  id: number
  epoch: string
  seq: number
  envelope: Bytes
}

/** What an outbox holds. */
export interface Holding {
  queued: number
  receipted: number
  usedBytes: number
  /** When the oldest row that waits for a receipt was taken (wall time); null if none waits. */
  oldest: number | null
  epochs: { epoch: string; server: string; seq: number; head: string; queued: number; receipted: number }[]
}

/** Opaque envelopes, numbered and chained, kept on disk until they are receipted. */
export interface Outbox {
  db: Database
  chain: Chain
  epochs: Epochs
  gone: GoneRanges
  receipts: Receipts
  intents: Intents
  abandonments: Abandonments
  settling: Settling
  ballast: Ballast
  /** Writes the journal back into the database and empties it, so that its space can be used again. */
  fold(): void
  /** Runs `work` in one transaction, a savepoint where one is open: all of it on disk afterwards, or nothing. */
  commit<T>(work: () => T): T
  /** Begins a transaction that stays open until `end`, unless one is open: `commit` is a savepoint in it. */
  begin(): void
  /** Brings a transaction that was left open to the disk, if there is one; where that fails, all of it is taken back. */
  end(): void
  /** Appends an envelope to the newest epoch of this id; `head` is the one after it, where it is known already. */
  append(
    epoch: Pick<Epoch, 'id' | 'epoch' | 'base' | 'seq' | 'head'>,
    envelope: Bytes,
    taken: number,
    head?: string,
  ): Placed
  /** Whether a reading may come in; under the quota the oldest receipted rows are forgotten first (DESIGN 7a.4). */
  admit(beforeForgetting?: () => void): boolean
  /** Whether one may come in for sure, without a look at the disk: it needs no transaction. */
  hasRoom(): boolean
  usedBytes(): number
  /** Never less than `usedBytes`, and reckoned where that is known well enough. */
  usedAtMost(): number
  /** There is more room or less from now on; rows that are there stay. */
  resize(room: Pick<OutboxSettings, 'quotaBytes' | 'intakeBytes'>): void
  /** Rows of a server's epochs that wait for a receipt, in order of id, after `afterId`. */
  due(server: string, afterId: number, limit: number): (Waiting & { prev: string; head: string })[]
  token(): number
  /** Raises the session token; never lowers it. */
  raiseToken(token: number): void
  holding(): Holding
  close(): void
}

type Due = { id: number; seq: number; prev: Bytes; head: Bytes; envelope: Bytes }

/** Opens an outbox for this process alone. Never scans its rows. Faults `outbox.locked`, `outbox.damaged`. */
export function openOutbox({ path, quotaBytes, intakeBytes: firstIntake, chain }: OutboxSettings): Outbox {
  let intakeBytes = firstIntake
  const db = openFile(path, quotaBytes)
  const stores = { db, epochs: epochsOf(db), gone: goneOf(db), receipts: receiptsOf(db) }
  const { epochs } = stores
  const settling = settlingOf(stores)
  const insert = db.prepare(
    "INSERT INTO row (id, epoch, seq, state, taken, prev, head, envelope) VALUES (?, ?, ?, 'queued', ?, ?, ?, ?)",
  )
  const pages = db.prepare<[], { used: number }>(
    'SELECT page_count - freelist_count AS used FROM pragma_page_count, pragma_freelist_count',
  )
  const due = db.prepare<[number, number, number], Due>(
    `SELECT id, seq, prev, head, envelope FROM row
     WHERE id > ? AND id <= ? AND state = 'queued' ORDER BY id LIMIT ?`,
  )
  const taken = db.prepare<[number, number], { taken: number }>(
    "SELECT taken FROM row WHERE id > ? AND id <= ? AND state = 'queued' ORDER BY id LIMIT 1",
  )
  const token = db.prepare<[], { value: number }>("SELECT value FROM meta WHERE name = 'token'")
  const raise = db.prepare("UPDATE meta SET value = max(value, ?) WHERE name = 'token'")
  // Made once: each call of db.transaction would build a new one
  const transact = db.transaction((work: () => unknown) => work())
  const [begin, end, back] = ['BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK'].map(sql => db.prepare(sql)) as [
    Statement,
    Statement,
    Statement,
  ]
  const usedBytes = (): number => pages.get()!.used * pageSize
  /**
   * Bytes that rows alone may still need before the pages must be counted again, which takes as long as writing a row;
   * 0 where anything else was written since.
   */
  let spare = 0
  return {
    ...stores,
    intents: intentsOf(db),
    abandonments: abandonmentsOf(db, epochs),
    chain,
    settling,
    usedBytes,
    resize: room => {
      limitPages(db, room.quotaBytes)
      intakeBytes = room.intakeBytes
      spare = 0
    },
    ballast: ballastOf(`${path}.ballast`, ballastBytes),
    fold: () => void db.pragma('wal_checkpoint(TRUNCATE)'),
    commit: <T>(work: () => T) => {
      spare = 0
      return transact(work) as T
    },
    begin: () => {
      if (!db.inTransaction) begin.run()
    },
    end: () => {
      if (!db.inTransaction) return
      spare = 0
      try {
        end.run()
      } catch (error) {
        if (db.inTransaction) back.run()
        throw error
      }
    },
    append: (epoch, envelope, at, head = chain.next(epoch.head, envelope)) => {
      const seq = epoch.seq + 1
      const id = epoch.base + seq
      spare -= envelope.length + rowPages * pageSize
      insert.run(id, epoch.id, seq, at, unhex(epoch.head), unhex(head), envelope)
      epochs.extend(epoch.id, seq, head)
      return { id, epoch: epoch.epoch, seq, head }
    },
    admit: beforeForgetting => {
      let used = usedBytes()
      if (used >= intakeBytes) beforeForgetting?.()
      while (used >= intakeBytes) {
        if (settling.forgetOldest(roomStep) === 0) return false
        used = usedBytes()
      }
      spare = intakeBytes - used
      return true
    },
    hasRoom: () => spare > 0,
    usedAtMost: () => (spare > 0 ? intakeBytes - spare : usedBytes()),
    due: (server, afterId, limit) => {
      const rows: ReturnType<Outbox['due']> = []
      for (const { epoch, base, settled, seq } of epochs.waiting(server)) {
        if (rows.length >= limit) break
        const from = Math.max(afterId, base + settled)
        for (const row of due.all(from, base + seq, limit - rows.length)) {
          const envelope = Uint8Array.from(row.envelope)
          rows.push({ ...row, epoch, prev: hex(row.prev), head: hex(row.head), envelope })
        }
      }
      return rows
    },
    token: () => token.get()!.value,
    raiseToken: value => void raise.run(value),
    holding: () => {
      const all = epochs.all()
      const oldest = all.find(one => one.queued > 0)
      const first =
        oldest === undefined ? undefined : taken.get(oldest.base + oldest.settled, oldest.base + oldest.seq)
      return {
        queued: all.reduce((sum, one) => sum + one.queued, 0),
        receipted: all.reduce((sum, one) => sum + one.receipted, 0),
        usedBytes: usedBytes(),
        oldest: first?.taken ?? null,
        epochs: all
          .filter(one => one.queued + one.receipted > 0)
          .map(({ epoch, server, seq, head, queued, receipted }) => ({
            epoch,
            server,
            seq,
            head,
            queued,
            receipted,
          })),
      }
    },
    close: () => void db.close(),
  }
}
