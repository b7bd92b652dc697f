import type { Database } from 'better-sqlite3'
import { type Bytes, hex, unhex } from '../base/bytes.ts'

/** What the outbox must know of the chain; the envelopes themselves are opaque to it. */
export interface Chain {
  /** head(0) of an epoch, hex. */
  zero(epoch: string, server: string, kid: string): string
  /** The head after an envelope, hex, from the head before it. */
  next(before: string, envelope: Uint8Array): string
}

/** An epoch as it is stored; heads in hex. */
export interface Epoch {
  id: number
  epoch: string
  server: string
  kid: string
  opened: number
  /** Row ids of this epoch are base + seq. */
  base: number
  zero: string
  /** The last seq given, and the head there. */
  seq: number
  head: string
  /** No row at or below it is queued. */
  settled: number
  /** Forgotten rows at or below it were declared lost to a server that asked for them again. */
  regretted: number
  queued: number
  receipted: number
}

type Stored = Omit<Epoch, 'zero' | 'head'> & { zero: Bytes; head: Bytes }

const read = (stored: Stored): Epoch => ({ ...stored, zero: hex(stored.zero), head: hex(stored.head) })

/** The epochs of an outbox: whose they are, and where each one stands. */
export interface Epochs {
  add(epoch: Pick<Epoch, 'epoch' | 'server' | 'kid' | 'opened' | 'zero'>): Epoch
  get(id: number): Epoch | undefined
  named(epoch: string): Epoch | undefined
  newest(): Epoch | undefined
  /** The epoch opened next after this one; the first of all after 0. */
  after(id: number): Epoch | undefined
  all(): Epoch[]
  /** Epochs of a server that have rows on the box, oldest first, those after `afterId` only. */
  held(server: string, afterId: number, limit: number): Epoch[]
  /** Epochs of a server with rows that wait for a receipt, oldest first. */
  waiting(server: string): Epoch[]
  /** One more row: the chain's new end. */
  extend(id: number, seq: number, head: string): void
  /** Rows that changed from one state to another. */
  count(id: number, change: { queued?: number; receipted?: number }): void
  /** Counts the rows of an epoch anew, after some were lost. */
  recount(id: number): void
  settle(id: number, settled: number): void
  regret(id: number, seq: number): void
  /** Puts a damaged end right. */
  mend(id: number, head: string): void
}

/** The epochs stored in this database. */
export function epochsOf(db: Database): Epochs {
  const one = db.prepare<[number], Stored>('SELECT * FROM epoch WHERE id = ?')
  const byName = db.prepare<[string], Stored>('SELECT * FROM epoch WHERE epoch = ?')
  const last = db.prepare<[], Stored>('SELECT * FROM epoch ORDER BY id DESC LIMIT 1')
  const next = db.prepare<[number], Stored>('SELECT * FROM epoch WHERE id > ? ORDER BY id LIMIT 1')
  const every = db.prepare<[], Stored>('SELECT * FROM epoch ORDER BY id')
  const held = db.prepare<[string, number, number], Stored>(
    'SELECT * FROM epoch WHERE server = ? AND id > ? AND queued + receipted > 0 ORDER BY id LIMIT ?',
  )
  const waiting = db.prepare<[string], Stored>(
    'SELECT * FROM epoch WHERE server = ? AND queued > 0 ORDER BY id',
  )
  const top = db.prepare<[], { top: number | null }>('SELECT max(id) AS top FROM row')
  const insert = db.prepare(
    'INSERT INTO epoch (epoch, server, kid, opened, base, zero, seq, head) VALUES (?, ?, ?, ?, ?, ?, 0, ?)',
  )
  const extend = db.prepare('UPDATE epoch SET seq = ?, head = ?, queued = queued + 1 WHERE id = ?')
  const count = db.prepare('UPDATE epoch SET queued = queued + ?, receipted = receipted + ? WHERE id = ?')
  const recount = db.prepare(
    `UPDATE epoch SET
       queued = (SELECT count(*) FROM row WHERE row.id BETWEEN base + 1 AND base + seq AND state = 'queued'),
       receipted = (SELECT count(*) FROM row WHERE row.id BETWEEN base + 1 AND base + seq AND state = 'receipted')
     WHERE id = ?`,
  )
  const settle = db.prepare('UPDATE epoch SET settled = ? WHERE id = ?')
  const regret = db.prepare('UPDATE epoch SET regretted = ? WHERE id = ?')
  const mend = db.prepare('UPDATE epoch SET head = ? WHERE id = ?')
  const found = (stored: Stored | undefined): Epoch | undefined =>
    stored === undefined ? undefined : read(stored)
  return {
    add: ({ epoch, server, kid, opened, zero }) => {
      const before = found(last.get())
      const base = Math.max(before === undefined ? 0 : before.base + before.seq, top.get()?.top ?? 0)
      insert.run(epoch, server, kid, opened, base, unhex(zero), unhex(zero))
      return found(byName.get(epoch))!
    },
    get: id => found(one.get(id)),
    named: epoch => found(byName.get(epoch)),
    newest: () => found(last.get()),
    after: id => found(next.get(id)),
    all: () => every.all().map(read),
    held: (server, afterId, limit) => held.all(server, afterId, limit).map(read),
    waiting: server => waiting.all(server).map(read),
    extend: (id, seq, head) => void extend.run(seq, unhex(head), id),
    count: (id, { queued = 0, receipted = 0 }) => void count.run(queued, receipted, id),
    recount: id => void recount.run(id),
    settle: (id, settled) => void settle.run(settled, id),
    regret: (id, seq) => void regret.run(seq, id),
    mend: (id, head) => void mend.run(unhex(head), id),
  }
}
