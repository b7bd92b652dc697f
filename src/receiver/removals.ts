import { type RemovalRow, removalHash, removalPlace } from './registry-acts.ts'
import { appendLog } from './registry-log.ts'
import type { Store } from './store.ts'

/** A place in a gateway's chains. */
interface At {
  epoch: string
  seq: number
}

/**
 * Remembers that a device was removed at the gateway: every proposal of it that came before in the chain no
 * longer stands, though an operator accepted it. Inside `write`, with the event stored.
 */
export function recordRemoval(store: Store, gateway: string, device: string, { epoch, seq }: At): void {
  const rows = store.all<RemovalRow>(
    `INSERT INTO removals (gateway, proposal, epoch, seq)
     SELECT gateway, hash, ?, ? FROM proposals
     WHERE gateway = ? AND device = ? AND NOT EXISTS
       (SELECT 1 FROM events WHERE events.hash = proposals.hash AND epoch = ? AND seq > ?)
     ON CONFLICT DO UPDATE SET seq = excluded.seq
       WHERE excluded.epoch = removals.epoch AND excluded.seq < removals.seq
     RETURNING gateway, proposal, epoch, seq`,
    epoch,
    seq,
    gateway,
    device,
    epoch,
    seq,
  )
  logRemovals(store, rows)
}

/** Tells the registry's log what was removed, in the name of the gateway that said so. */
function logRemovals(store: Store, rows: readonly RemovalRow[]): void {
  for (const row of rows) {
    const said = store.get<{ received: number }>(
      'SELECT received FROM events WHERE gateway = ? AND epoch = ? AND seq = ?',
      row.gateway,
      row.epoch,
      row.seq,
    )
    appendLog(store.db, {
      at: said?.received ?? 0,
      actor: row.gateway,
      act: 'removed',
      subject: removalPlace(row),
      hash: removalHash(row),
    })
  }
}

/** Looks whether a proposal that came late was followed by a removal that came before it. Inside `write`. */
export function recordRemovedSince(
  store: Store,
  gateway: string,
  { device, hash }: { device: string; hash: string },
  { epoch, seq }: At,
): void {
  const rows = store.all<RemovalRow>(
    `INSERT INTO removals (gateway, proposal, epoch, seq)
     SELECT gateway, ?, epoch, seq FROM events
     WHERE gateway = ? AND event = 'device-removed' AND epoch = ? AND seq > ?
       AND json_extract(detail, '$.device') = ?
     ORDER BY seq LIMIT 1 ON CONFLICT DO NOTHING RETURNING gateway, proposal, epoch, seq`,
    hash,
    gateway,
    epoch,
    seq,
    device,
  )
  logRemovals(store, rows)
}

/** Whether what was proposed was removed at the gateway again; if a place is named, before that place. */
export function isRemoved(store: Store, gateway: string, proposal: string, before?: At): boolean {
  const removal = store.get<At>(
    'SELECT epoch, seq FROM removals WHERE gateway = ? AND proposal = ?',
    gateway,
    proposal,
  )
  if (removal === undefined) return false
  if (before === undefined) return true
  if (removal.epoch === before.epoch) return removal.seq < before.seq
  // a gateway writes in one epoch at a time, so what belongs to an older one was said before
  const [opened, then] = [openedAs(store, gateway, before.epoch), openedAs(store, gateway, removal.epoch)]
  return opened === undefined || then === undefined || opened > then
}

/** The place of an epoch among those of its gateway, by when it was heard to open. */
const openedAs = (store: Store, gateway: string, epoch: string): number | undefined =>
  store.get<{ id: number }>(
    'SELECT id FROM chains WHERE gateway = ? AND epoch = ? AND seq = 1 LIMIT 1',
    gateway,
    epoch,
  )?.id
