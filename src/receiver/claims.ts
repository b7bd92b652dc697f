import type { EventBody } from '../wire/chained.ts'
import type { Store } from './store.ts'

/** How far the scan of a claim may be from the reading it claims, milliseconds of the steady clock (WIRE 6.4). */
const claimMs = 600_000

/** Remembers that a scan just after a reading claims it, and gives the reading its band. Inside `write`. */
export function addClaim(
  store: Store,
  gateway: string,
  body: EventBody & { event: 'reading-claimed' },
): void {
  const { epoch, seq, band, scannedMono } = body.detail
  store.run(
    `INSERT INTO claims (gateway, boot, epoch, seq, by_epoch, by_seq, scanned, band)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    gateway,
    body.time.boot,
    epoch,
    seq,
    body.epoch,
    body.seq,
    scannedMono,
    band,
  )
  applyClaims(store, gateway, epoch, seq)
}

/**
 * Gives the readings at a place that were signed without a band the one that claims them: that of the first
 * claim in the order of the chain, whichever arrived first, by a scan of the same boot at about the same time
 * (WIRE 6.4). The note says so. Inside `write`.
 */
export function applyClaims(store: Store, gateway: string, epoch: string, seq: number): void {
  const claimed = store.all<{ id: number; notes: string; band: string }>(
    `SELECT id, notes, (SELECT claims.band FROM claims
       WHERE claims.gateway = readings.gateway AND claims.boot = readings.boot
         AND claims.epoch = readings.epoch AND claims.seq = readings.seq
         AND abs(claims.scanned - readings.mono) <= ?
       ORDER BY by_epoch <> claims.epoch, by_epoch, by_seq LIMIT 1) AS band
     FROM readings WHERE gateway = ? AND epoch = ? AND seq = ? AND band IS NULL`,
    claimMs,
    gateway,
    epoch,
    seq,
  )
  for (const { id, notes, band } of claimed) {
    if (band === null) continue
    const before = JSON.parse(notes) as string[]
    const after = new Set([...before.filter(note => note !== 'unattributed'), 'claimed-late'])
    store.run('UPDATE readings SET claimed = ?, notes = ? WHERE id = ?', band, JSON.stringify([...after]), id)
  }
}
