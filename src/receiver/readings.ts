import type { ReadingBody } from '../wire/chained.ts'
import { applyClaims } from './claims.ts'
import { keepPort, proposedWiring } from './ports.ts'
import { appendReview, type Reviewer } from './reviews.ts'
import type { Store } from './store.ts'
import { raiseOnce } from './suspicion.ts'
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
  const { isForked, isClaimed } = knownAt(store, gateway, body)
  const { lastInsertRowid } = store.run(
    `INSERT INTO readings (hash, gateway, epoch, seq, device, station, driver, band, quantities, raw,
       device_time, device_clock, device_id, wall, source, boot, mono, received, verdict, notes)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
    body.deviceClock ?? null,
    body.deviceId ?? null,
    body.time.wall,
    body.time.source,
    body.time.boot,
    body.time.mono,
    received,
    judgement.verdict === 'accept' && isForked ? 'flag' : judgement.verdict,
    JSON.stringify(judgement.notes),
  )
  const reading = Number(lastInsertRowid)
  if (judgement.verdict === 'quarantine') keepPort(store, reading, body)
  for (const { flag, why } of judgement.flags) {
    raiseOnce(store, { flag, gateway, device: body.device, reading, detail: why, at: received })
  }
  if (isClaimed) applyClaims(store, gateway, body.epoch, body.seq)
}

/** What is known already of the place of a reading: whether its epoch forks there or before, whether a claim came first. */
function knownAt(
  store: Store,
  gateway: string,
  { epoch, seq, time }: ReadingBody,
): { isForked: boolean; isClaimed: boolean } {
  const known = store.get<{ forked: number; claimed: number }>(
    `SELECT EXISTS (SELECT 1 FROM forks WHERE gateway = ? AND epoch = ? AND seq <= ?) AS forked,
       EXISTS (SELECT 1 FROM claims WHERE gateway = ? AND boot = ? AND epoch = ? AND seq = ?) AS claimed`,
    gateway,
    epoch,
    seq,
    gateway,
    time.boot,
    epoch,
    seq,
  )!
  return { isForked: known.forked === 1, isClaimed: known.claimed === 1 }
}

/** A place in a chain of a gateway. */
interface Spot {
  gateway: string
  epoch: string
  seq: number
}

/**
 * Marks the accepted readings from a place on that two envelopes claim, on either side: nobody can tell which
 * of them the box wrote (WIRE 5.5). Inside `write`.
 */
export function markForked(store: Store, { gateway, epoch, seq }: Spot): void {
  const known = forkOf(store, gateway, epoch)
  if (known !== undefined && known <= seq) return
  store.run(
    'INSERT INTO forks (gateway, epoch, seq) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq',
    gateway,
    epoch,
    seq,
  )
  store.run(
    `UPDATE readings SET verdict = 'flag'
     WHERE gateway = ? AND epoch = ? AND seq >= ? AND seq < ? AND verdict = 'accept'`,
    gateway,
    epoch,
    seq,
    known ?? Number.MAX_SAFE_INTEGER + 1,
  )
}

/** The lowest place of an epoch that two envelopes claim. */
const forkOf = (store: Store, gateway: string, epoch: string): number | undefined =>
  store.get<{ seq: number }>('SELECT seq FROM forks WHERE gateway = ? AND epoch = ?', gateway, epoch)?.seq

/** The verdict that its place leaves to a reading of an accepted device. */
function verdictAt(store: Store, { gateway, epoch, seq }: Spot): 'flag' | 'accept' {
  const fork = forkOf(store, gateway, epoch)
  return fork !== undefined && fork <= seq ? 'flag' : 'accept'
}

/**
 * Releases the readings of a device that waited as DEVICE_UNREGISTERED, after an operator accepted it; its
 * own act, named and signed (DESIGN 7a.13). Only those of the driver, station and port that `accepted` names, if it
 * does. Gives how many were released; values stay as they are.
 */
export function releaseDevice(
  store: Store,
  reviewer: Reviewer,
  gateway: string,
  device: string,
  actor: string,
  now: number = Date.now(),
  accepted?: { driver: string; station: string; proposal: string },
): number {
  const port = accepted === undefined ? undefined : proposedWiring(store, accepted.proposal).port
  const cells = [
    gateway,
    device,
    accepted?.driver ?? null,
    accepted?.driver ?? null,
    accepted?.station ?? null,
    port ?? null,
  ]
  const theirs = `readings.gateway = ? AND readings.device = ? AND (? IS NULL OR (driver = ? AND station = ?))
    AND coalesce((SELECT port FROM reading_ports WHERE reading = readings.id) = ?, 1)`
  return store.write(() => {
    const waiting = store.all<{ id: number } & Spot>(
      `SELECT id, gateway, epoch, seq FROM readings WHERE ${theirs} AND verdict = 'quarantine'`,
      ...cells,
    )
    for (const { id, ...spot } of waiting) {
      store.run('UPDATE readings SET verdict = ? WHERE id = ?', verdictAt(store, spot), id)
    }
    // one flag stands for all readings of its device, driver and station
    const open = store.all<{ act: number }>(
      `SELECT raised.id AS act FROM flag_acts AS raised JOIN readings ON readings.id = raised.reading
       WHERE ${theirs} AND raised.act = 'raised' AND raised.flag = 'DEVICE_UNREGISTERED'
         AND NOT EXISTS (SELECT 1 FROM flag_acts WHERE about = raised.id AND act = 'released')
       ORDER BY raised.id`,
      ...cells,
    )
    for (const { act: flag } of open) {
      const words = `device ${device} was accepted`
      appendReview(store, reviewer, { flag, act: 'released', by: actor, words, at: now })
    }
    if (accepted !== undefined) flagOthers(store, gateway, device, accepted, now)
    return waiting.length
  })
}

/** What still waits came from another port: its flag may have stood for what was released, so it gets one again. */
function flagOthers(
  store: Store,
  gateway: string,
  device: string,
  { driver, station }: { driver: string; station: string },
  at: number,
): void {
  const left = store.get<{ id: number; port: string }>(
    `SELECT readings.id, port FROM readings JOIN reading_ports ON reading = readings.id
     WHERE gateway = ? AND device = ? AND driver = ? AND station = ? AND verdict = 'quarantine'
     ORDER BY readings.id DESC LIMIT 1`,
    gateway,
    device,
    driver,
    station,
  )
  if (left === undefined) return
  const detail = `device ${device} at port ${left.port} is not accepted`
  raiseOnce(store, { flag: 'DEVICE_UNREGISTERED', gateway, device, reading: left.id, detail, at })
}
