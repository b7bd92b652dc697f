import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type Bytes, hex, unbase64url } from '../../src/base/bytes.ts'
import { readRouteFile } from '../../src/identity/identity.ts'
import { places } from '../../src/identity/places.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import type { ReceiptBody, WelcomeBody } from '../../src/wire/session.ts'
import { decodeBody, isSignedBy, unpublish } from '../../src/wire/statement.ts'
import type { WayBox, WaySite } from './site.ts'

/** A row of the outbox as far as an attacker with a copy of the disk learns of it. */
export interface Row {
  epoch: string
  seq: number
  prev: Bytes
  head: Bytes
}

let copies = 0

/** Looks into a copy of the box's outbox; the file itself belongs to the daemon alone. */
export function inCopy<T>(site: WaySite, box: WayBox, look: (db: Database.Database) => T): T {
  const { outbox } = places(box.state)
  const copy = join(site.folder, `copy-${++copies}.db`)
  for (const ending of ['', '-wal']) {
    if (existsSync(`${outbox}${ending}`)) copyFileSync(`${outbox}${ending}`, `${copy}${ending}`)
  }
  const db = new Database(copy)
  try {
    return look(db)
  } finally {
    db.close()
  }
}

/** The rows that lie there, oldest first. */
export const rowsOf = (site: WaySite, box: WayBox): Row[] =>
  inCopy(site, box, db =>
    db
      .prepare<[], Row>(
        'SELECT epoch.epoch, row.seq, row.prev, row.head FROM row JOIN epoch ON epoch.id = row.epoch ORDER BY row.id',
      )
      .all(),
  )

/** The server's receipt key as the bundle on this box names it. */
export function receiptKeyOf({ state }: Pick<WayBox, 'state'>) {
  const { body } = unpublish(readRouteFile(state)!.serverEntry)
  return verifyKey(unbase64url((decodeBody(body) as { keys: { receipt: string } }).keys.receipt))
}

interface Proof {
  epoch: string
  seq: number
  head: Bytes
  holes: string
  type: string
  body: Bytes
  signature: Bytes
}

/** Whether the statement is signed by the server and says for this box what was noted beside it. */
function holds(proof: Proof, box: WayBox, isOfServer: (proof: Proof) => boolean): boolean {
  const body = decodeBody(Uint8Array.from(proof.body)) as unknown as ReceiptBody & WelcomeBody
  const answers = proof.type === 'receipt' ? [body] : proof.type === 'welcome' ? body.epochs : []
  const says = answers.some(
    one =>
      one.epoch === proof.epoch &&
      one.seq === proof.seq &&
      one.head === hex(proof.head) &&
      JSON.stringify(one.holes) === proof.holes,
  )
  return says && body.aud === box.gateway && isOfServer(proof)
}

/** The places that were deleted from an outbox, and those of them that no stored, valid receipt covers. */
export function forgottenOf(site: WaySite, box: WayBox): { places: string[]; unproven: string[] } {
  const key = receiptKeyOf(box)
  return inCopy(site, box, db => {
    const gone = db
      .prepare<[], { epoch: string; first: number; last: number }>(
        "SELECT epoch.epoch, first, last FROM gone JOIN epoch ON epoch.id = gone.epoch WHERE why = 'forgotten'",
      )
      .all()
    const proofs = db
      .prepare<[], Proof>(
        `SELECT epoch.epoch, receipt.seq, receipt.head, holes, type, body, signature
         FROM receipt JOIN epoch ON epoch.id = receipt.epoch JOIN proof ON proof.id = receipt.proof`,
      )
      .all()
      .filter(one =>
        holds(one, box, ({ type, body, signature }) => isSignedBy({ type, body, signature }, key)),
      )
    const covered = (epoch: string, seq: number): boolean =>
      proofs.some(one => {
        const holes = JSON.parse(one.holes) as [number, number][]
        return one.epoch === epoch && seq <= one.seq && !holes.some(([from, to]) => from <= seq && seq <= to)
      })
    const all = gone.flatMap(({ epoch, first, last }) =>
      Array.from({ length: last - first + 1 }, (_, at) => ({ epoch, seq: first + at })),
    )
    const spell = ({ epoch, seq }: { epoch: string; seq: number }): string => `${epoch} ${seq}`
    return {
      places: all.map(spell),
      unproven: all.filter(({ epoch, seq }) => !covered(epoch, seq)).map(spell),
    }
  })
}
