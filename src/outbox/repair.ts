import type { Database } from 'better-sqlite3'
import { unhex } from '../base/bytes.ts'
import type { Epoch, Epochs } from './epochs.ts'
import type { Examined, Finding, Hole } from './examine.ts'
import type { GoneRanges } from './gone.ts'
import type { Settling } from './settle.ts'

/** What repairing needs of the outbox. */
interface Repaired {
  db: Database
  epochs: Epochs
  gone: GoneRanges
  settling: Settling
}

/** Puts back in place what an examination proved to belong there. The caller's transaction. */
export function mend({ db, epochs }: Repaired, epoch: Epoch, { findings, end }: Examined): void {
  const read = db.prepare<[number], { envelope: Uint8Array }>('SELECT envelope FROM row WHERE id = ?')
  const write = db.prepare('UPDATE row SET epoch = ?, seq = ?, prev = ?, head = ?, envelope = ? WHERE id = ?')
  const known = findings.filter((one): one is Required<Finding> => one.mend !== undefined)
  // Swapped envelopes are all read before the first is written
  const envelopes = known.map(one => read.get(one.mend.id)!.envelope)
  for (const [at, { seq, mend: found }] of known.entries()) {
    write.run(epoch.id, seq, unhex(found.prev), unhex(found.head), envelopes[at], epoch.base + seq)
  }
  if (end !== undefined) epochs.mend(epoch.id, end)
}

/** Records a hole that was declared lost: nothing in it is sent any more. The caller's transaction. */
export function giveUp({ db, epochs, gone, settling }: Repaired, epoch: Epoch, hole: Hole): void {
  const { base, id } = epoch
  db.prepare("UPDATE row SET state = 'lost' WHERE id BETWEEN ? AND ?").run(
    base + hole.first,
    base + hole.last,
  )
  gone.add(id, hole)
  epochs.recount(id)
  settling.advance(epochs.get(id)!, 0)
}
