import { copyFileSync, existsSync } from 'node:fs'
import type { Database } from 'better-sqlite3'
import { type Bytes, hex } from '../../src/base/bytes.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { decodeBody, isSignedBy } from '../../src/wire/statement.ts'
import type { Event } from '../history/history.ts'
import { server } from '../receiver/fixture.ts'
import { databases } from './database.ts'
import { schedule } from './schedule.ts'

/** Whose disk it is, and where what is seen on it is written down. */
export interface DiskParts {
  name: string
  path: string
  gateway: string
  write(actor: string, event: Event): void
}

/** The disk of a box, looked at from outside between two transactions of its program. */
export class Disk {
  /** When the box last wrote down that its server answered a hello, steady time. */
  answered = 0
  private readonly parts: DiskParts
  private readonly read = { row: 0, receipt: 0, token: 0, gone: new Set<string>() }
  private looking: ReturnType<typeof lookInto> | undefined
  private rows = new Map<number, { epoch: string; seq: number }>()

  constructor(parts: DiskParts) {
    this.parts = parts
  }

  /** A copy of this disk as it is; its box must be off. */
  copyTo(parts: DiskParts): Disk {
    for (const end of ['', '-wal']) {
      if (existsSync(this.parts.path + end)) copyFileSync(this.parts.path + end, parts.path + end)
    }
    const copy = new Disk(parts)
    Object.assign(copy.read, this.read, { gone: new Set(this.read.gone) })
    copy.rows = new Map(this.rows)
    return copy
  }

  /** Nothing is written any more. */
  close(): void {
    this.observe()
    this.db()?.close()
    databases.delete(this.parts.path)
  }

  db(): Database | undefined {
    const db = databases.get(this.parts.path)
    return db?.open ? db : undefined
  }

  /** What is on its disk, as far as it was seen last. */
  held(): { epoch: string; seq: number }[] {
    return [...this.rows.values()]
  }

  /** Rows that wait for a receipt. */
  waiting(): number | undefined {
    const sum = this.db()?.prepare<[], { n: number | null }>('SELECT sum(queued) AS n FROM epoch').get()
    return sum === undefined ? undefined : (sum.n ?? 0)
  }

  /** Writes down what is new on its disk: between two transactions all of it is committed. */
  observe(): void {
    const db = this.db()
    if (db === undefined) return
    this.looking = this.looking?.db === db ? this.looking : lookInto(db)
    const { name, gateway, write } = this.parts
    const look = this.looking
    const tell = (event: Event): void => write(name, event)
    for (const { id, epoch, seq, head } of look.added.all(this.read.row)) {
      this.read.row = id
      this.rows.set(id, { epoch, seq })
      tell({ op: 'committed', gateway, epoch, seq, head: hex(head) })
    }
    for (const { epoch, first, last, key } of look.gone.all()) {
      if (this.read.gone.has(key)) continue
      this.read.gone.add(key)
      tell({ op: 'lost', gateway, epoch, from: first, to: last })
    }
    for (const { id, epoch, seq, head, ...proof } of look.receipts.all(this.read.receipt)) {
      this.read.receipt = id
      if (isOurs(proof, gateway)) tell({ op: 'receipt', gateway, epoch, seq, head: hex(head) })
    }
    const token = look.token.get()!
    if (token !== this.read.token) {
      tell({ op: 'token', gateway, token })
      this.answered = schedule().now
    }
    this.read.token = token
    if (look.count.get() === this.rows.size) return
    const ids = new Set(look.ids.all())
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue
      this.rows.delete(id)
      tell({ op: 'forgotten', gateway, ...row })
    }
  }
}

const receiptKey = verifyKey(server.receipt.publicKey)

/** Only what the true server signed for this gateway is a receipt. */
function isOurs(proof: Proof, gateway: string): boolean {
  if (!isSignedBy(proof, receiptKey)) return false
  return (decodeBody(Uint8Array.from(proof.body)) as { aud?: string }).aud === gateway
}

/** The questions to an outbox, each compiled once. */
const lookInto = (db: Database) => ({
  db,
  added: db.prepare<[number], Row>(
    `SELECT row.id, epoch.epoch, row.seq, row.head FROM row JOIN epoch ON epoch.id = row.epoch
     WHERE row.id > ? ORDER BY row.id`,
  ),
  gone: db.prepare<[], { epoch: string; first: number; last: number; key: string }>(
    `SELECT epoch.epoch, first, last, epoch.id || ' ' || first || ' ' || last AS key
     FROM gone JOIN epoch ON epoch.id = gone.epoch WHERE why <> 'forgotten'`,
  ),
  receipts: db.prepare<[number], Row & Proof>(
    `SELECT receipt.id, epoch.epoch, receipt.seq, receipt.head, type, body, signature FROM receipt
     JOIN epoch ON epoch.id = receipt.epoch JOIN proof ON proof.id = receipt.proof
     WHERE receipt.id > ? ORDER BY receipt.id`,
  ),
  token: db.prepare<[], number>("SELECT value FROM meta WHERE name = 'token'").pluck(),
  count: db.prepare<[], number>('SELECT count(*) FROM row').pluck(),
  ids: db.prepare<[], number>('SELECT id FROM row').pluck(),
})

interface Row {
  id: number
  epoch: string
  seq: number
  head: Uint8Array
}

interface Proof {
  type: string
  body: Bytes
  signature: Bytes
}
