import type { EventBody, ReadingBody } from '../wire/chained.ts'
import { appendAct, raise } from './flags.ts'
import type { Store } from './store.ts'
import type { Judgement } from './verify-reading.ts'

/** A reading to store: what was said, and what is thought of it. */
export interface Arrived {
  gateway: string
  hash: string
  body: ReadingBody
  judgement: Judgement
  received: number
}

/** Stores a reading with its verdict and raises its flags. Inside `write`. */
export function addReading(store: Store, { gateway, hash, body, judgement, received }: Arrived): void {
  const { lastInsertRowid } = store.run(
    `INSERT INTO readings (hash, gateway, epoch, seq, device, station, driver, band, quantities, raw,
       device_time, device_id, wall, source, boot, mono, received, verdict, notes)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    hash,
    gateway,
    body.epoch,
    body.seq,
    body.device,
    body.station,
    body.driver.id,
    body.attribution?.band ?? null,
    JSON.stringify(body.values),
    body.raw,
    body.deviceTime ?? null,
    body.deviceId ?? null,
    body.time.wall,
    body.time.source,
    body.time.boot,
    body.time.mono,
    received,
    judgement.verdict,
    JSON.stringify(judgement.notes),
  )
  const reading = Number(lastInsertRowid)
  for (const { flag, why } of judgement.flags) {
    raise(store, { flag, gateway, device: body.device, reading, detail: why, at: received })
  }
  applyClaim(store, gateway, body.epoch, body.seq)
}

/**
 * Remembers that a scan just after a reading claims it. The first claim counts (WIRE 6.4): the earliest by
 * the steady clock of the boot, whichever arrives first. Inside `write`.
 */
export function addClaim(
  store: Store,
  gateway: string,
  body: EventBody & { event: 'reading-claimed' },
): void {
  const { epoch, seq, band } = body.detail
  store.run(
    `INSERT INTO claims (gateway, epoch, seq, boot, mono, band) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET boot = excluded.boot, mono = excluded.mono, band = excluded.band
     WHERE excluded.mono < claims.mono AND excluded.boot = claims.boot`,
    gateway,
    epoch,
    seq,
    body.time.boot,
    body.time.mono,
    band,
  )
  applyClaim(store, gateway, epoch, seq)
}

/** Gives an unattributed reading the band that claimed it, in the same boot; the note says so. */
function applyClaim(store: Store, gateway: string, epoch: string, seq: number): void {
  const claim = store.get<{ boot: string; band: string }>(
    'SELECT boot, band FROM claims WHERE gateway = ? AND epoch = ? AND seq = ?',
    gateway,
    epoch,
    seq,
  )
  if (claim === undefined) return
  const readings = store.all<{ id: number; notes: string }>(
    'SELECT id, notes FROM readings WHERE gateway = ? AND epoch = ? AND seq = ? AND boot = ?',
    gateway,
    epoch,
    seq,
    claim.boot,
  )
  for (const { id, notes } of readings) {
    const before = JSON.parse(notes) as string[]
    if (!before.includes('unattributed') && !before.includes('claimed-late')) continue
    const after = new Set([...before.filter(note => note !== 'unattributed'), 'claimed-late'])
    store.run(
      'UPDATE readings SET band = ?, notes = ? WHERE id = ?',
      claim.band,
      JSON.stringify([...after]),
      id,
    )
  }
}

/** Marks the accepted readings at a place that two envelopes claim (WIRE 5.5). Inside `write`. */
export function markForked(store: Store, gateway: string, epoch: string, seq: number): void {
  store.run(
    "UPDATE readings SET verdict = 'flag' WHERE gateway = ? AND epoch = ? AND seq = ? AND verdict = 'accept'",
    gateway,
    epoch,
    seq,
  )
}

/**
 * Releases the readings of a device that waited as DEVICE_UNREGISTERED, after an operator accepted it; its
 * own act, named (DESIGN 7a.13). Only those of the driver and station that `accepted` names, if it does.
 * Gives how many were released; values stay as they are.
 */
export function releaseDevice(
  store: Store,
  gateway: string,
  device: string,
  actor: string,
  now: number = Date.now(),
  accepted?: { driver: string; station: string },
): number {
  return store.write(() => {
    const waiting = store.all<{ id: number; act: number; epoch: string; seq: number }>(
      `SELECT readings.id, raised.id AS act, epoch, seq FROM readings
       JOIN flag_acts AS raised ON raised.reading = readings.id
       WHERE readings.gateway = ? AND readings.device = ? AND verdict = 'quarantine'
         AND raised.act = 'raised' AND raised.flag = 'DEVICE_UNREGISTERED'
         AND (? IS NULL OR (driver = ? AND station = ?))
       ORDER BY readings.id`,
      gateway,
      device,
      accepted?.driver ?? null,
      accepted?.driver ?? null,
      accepted?.station ?? null,
    )
    for (const { id, act, epoch, seq } of waiting) {
      appendAct(store, act, 'released', actor, `device ${device} was accepted`, now)
      store.run('UPDATE readings SET verdict = ? WHERE id = ?', isForked(store, gateway, epoch, seq), id)
    }
    return waiting.length
  })
}

/** The verdict that a place leaves to its reading: flag where two envelopes claim it. */
const isForked = (store: Store, gateway: string, epoch: string, seq: number): 'flag' | 'accept' =>
  store.get(
    `SELECT 1 FROM chains WHERE gateway = ? AND epoch = ? AND seq = ?
     GROUP BY prev HAVING count(*) > 1 LIMIT 1`,
    gateway,
    epoch,
    seq,
  ) === undefined
    ? 'accept'
    : 'flag'
