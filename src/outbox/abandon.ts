import type { Database } from 'better-sqlite3'
import type { Epoch, Epochs } from './epochs.ts'

/** Rows that are deleted in one transaction, so that none holds the disk for long. */
const sweepRows = 500

/** What would be given up: rows without a receipt, and when the first and the last of them were taken (wall time). */
export interface Stake {
  rows: number
  first: number | null
  last: number | null
}

/** Rows that an operator had given up (WIRE 9.14); nulls where nobody could count them. */
export interface Given {
  intent: string
  what: 'server' | 'key'
  /** The former server, or the revoked key. */
  named: string
  rows: number | null
  first: number | null
  last: number | null
}

/** What the result of a command tells of it: how many rows, where somebody could count them. */
export const givenDetail = ({ what, named, rows }: Given): Record<string, string | number> => ({
  [what]: named,
  ...(rows === null ? {} : { rows }),
})

/** An epoch of which rows were given up, and the operator's order, as it came. */
export interface Forsaken {
  epoch: string
  kid: string
  rows: number
  intent: string
  orders: string
}

/** What was given up, and the rows of it that are still to be deleted. Each call belongs into a transaction. */
export interface Abandonments {
  /** What would be given up with these epochs. */
  stake(epochs: readonly Epoch[]): Stake
  /** Epochs with rows whose key is no longer the one of custody: those under `key`, and those opened before. */
  under(key: string, server: string): Epoch[]
  /** What was given up by this intent. */
  named(intent: string): Given | undefined
  /** Notes it, with the epochs whose rows nobody sends, tells or settles from here on. A second of an intent throws. */
  add(given: Given, orders: string, at: number, epochs: readonly Epoch[]): void
  /** Whether the rows of this epoch were given up. */
  isOver(epochId: number): boolean
  /** The epochs whose rows were given up, and by which order. */
  of(epochId: number): Forsaken | undefined
  /** Deletes some of the rows that were given up; true when none is left. */
  sweep(): boolean
  /** Former servers that were given up, and whose folder may still be there. */
  servers(): string[]
  /** The folder of this former server is gone. */
  gone(server: string): void
}

/** The abandonments stored in this database. */
export function abandonmentsOf(db: Database, epochs: Epochs): Abandonments {
  const firstTaken = db.prepare<[number, number], { taken: number }>(
    "SELECT taken FROM row WHERE id BETWEEN ? AND ? AND state = 'queued' ORDER BY id LIMIT 1",
  )
  const lastTaken = db.prepare<[number, number], { taken: number }>(
    "SELECT taken FROM row WHERE id BETWEEN ? AND ? AND state = 'queued' ORDER BY id DESC LIMIT 1",
  )
  const one = db.prepare<[string], Given>(
    'SELECT intent, what, named, count AS rows, first, last FROM abandonment WHERE intent = ?',
  )
  const insert = db.prepare(
    `INSERT INTO abandonment (intent, what, named, orders, at, count, first, last, done)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)`,
  )
  const forsake = db.prepare('INSERT INTO abandoned (epoch, count, intent, swept) VALUES (?, ?, ?, 0)')
  const over = db.prepare<[number], { epoch: number }>('SELECT epoch FROM abandoned WHERE epoch = ?')
  const forsaken = db.prepare<[number], Forsaken>(
    `SELECT epoch.epoch, kid, abandoned.count AS rows, abandonment.intent, orders FROM abandoned
     JOIN epoch ON epoch.id = abandoned.epoch JOIN abandonment ON abandonment.intent = abandoned.intent
     WHERE abandoned.epoch = ?`,
  )
  const open = db.prepare<[], { epoch: number }>('SELECT epoch FROM abandoned WHERE swept = 0 LIMIT 1')
  const swept = db.prepare('UPDATE abandoned SET swept = 1 WHERE epoch = ?')
  // by a range of ids: none of a later epoch lies in it
  const remove = db.prepare(
    `DELETE FROM row WHERE id IN (SELECT id FROM row WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ${sweepRows})`,
  )
  const servers = db.prepare<[], { named: string }>(
    "SELECT named FROM abandonment WHERE what = 'server' AND done = 0 ORDER BY id",
  )
  const done = db.prepare("UPDATE abandonment SET done = 1 WHERE what = 'server' AND named = ?")
  const held = ({ queued, receipted }: Epoch): boolean => queued + receipted > 0

  const stake = (all: readonly Epoch[]): Stake => {
    const waiting = all.filter(({ queued }) => queued > 0)
    const times = waiting.flatMap(({ base, settled, seq }) => [
      firstTaken.get(base + settled + 1, base + seq)?.taken ?? [],
      lastTaken.get(base + settled + 1, base + seq)?.taken ?? [],
    ])
    const told = times.flat()
    return {
      rows: waiting.reduce((sum, { queued }) => sum + queued, 0),
      first: told.length === 0 ? null : Math.min(...told),
      last: told.length === 0 ? null : Math.max(...told),
    }
  }

  return {
    stake,
    under: (key, server) => {
      const all = epochs.all().filter(epoch => epoch.server === server)
      const last = all.filter(({ kid }) => kid === key).at(-1)
      return last === undefined ? [] : all.filter(epoch => epoch.id <= last.id && held(epoch))
    },
    named: intent => one.get(intent),
    add: ({ intent, what, named, rows, first, last }, orders, at, given) => {
      insert.run(intent, what, named, orders, at, rows, first, last)
      for (const { id, seq, queued, receipted } of given) {
        forsake.run(id, queued, intent)
        epochs.count(id, { queued: -queued, receipted: -receipted })
        epochs.settle(id, seq)
      }
    },
    isOver: epochId => over.get(epochId) !== undefined,
    of: epochId => forsaken.get(epochId),
    sweep: () => {
      const next = open.get()
      if (next === undefined) return true
      const { base, seq } = epochs.get(next.epoch)!
      if (remove.run(base + 1, base + seq).changes < sweepRows) swept.run(next.epoch)
      return open.get() === undefined
    },
    servers: () => servers.all().map(({ named }) => named),
    gone: server => void done.run(server),
  }
}
