import { headZero } from '../wire/chain.ts'
import type { EventBody } from '../wire/chained.ts'
import { takeAbandoned } from './abandoned.ts'
import { takeLost } from './chains.ts'
import { addClaim } from './claims.ts'
import { takeRefusal } from './commands.ts'
import { recordProposal } from './devices.ts'
import { recordRemoval, recordRemovedSince } from './removals.ts'
import { recordRotation } from './rotations.ts'
import { count as counted, type Store } from './store.ts'
import { raiseSampled } from './suspicion.ts'
import type { Proven, Trust } from './verify.ts'
import { aheadMs } from './verify-reading.ts'

type ProvenEvent = Proven & { type: 'event' }

/** What a plain column may hold of an event: what a device said stays in its sealed envelope alone. */
function plainDetail({ event, detail }: EventBody): object {
  if (event !== 'frame-kept' && event !== 'capture-part') return detail
  const { raw: _, ...rest } = detail
  return rest
}

/** Stores an event and does what it asks for. Gives the branches whose receipt may say more. Inside `write`. */
export function takeEvent(store: Store, trust: Trust, event: ProvenEvent, now: number): Iterable<number> {
  const { gateway, hash, body } = event
  store.run(
    `INSERT INTO events (hash, gateway, epoch, seq, event, detail, wall, received)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    hash,
    gateway,
    body.epoch,
    body.seq,
    body.event,
    JSON.stringify(plainDetail(body)),
    body.time.wall,
    now,
  )
  switch (body.event) {
    case 'device-proposed': {
      const { device, driver, station } = body.detail
      recordProposal(store.db, { gateway, device, driver, station, hash, at: now })
      recordRemovedSince(store, gateway, { device, hash }, body)
      return []
    }
    case 'device-removed':
      recordRemoval(store, gateway, body.detail.device, body)
      return []
    case 'lost':
      return takeLoss(store, trust, body, now)
    case 'reading-claimed':
      addClaim(store, gateway, body)
      return []
    case 'server-unpinned': {
      const { fingerprint, count } = body.detail
      const detail = `${count} times a server with key ${fingerprint} answered in this one's place`
      raiseSampled(store, { flag: 'SERVER_KEY_UNPINNED', gateway, detail, at: now })
      return []
    }
    case 'command-refused': {
      const { why, intent, count } = body.detail
      const whose = takeRefusal(store, gateway, body.detail, now)
      if (whose === 'honest') {
        counted(store, 'COMMAND_EXCUSED', gateway, now)
        return []
      }
      const which =
        intent === null ? 'of nobody proven' : whose === 'ours' ? `${intent}, of this server` : intent
      const detail = `${count} times a command was not obeyed: ${why} (${which})`
      raiseSampled(store, { flag: 'COMMAND_REFUSED', gateway, detail, at: now })
      return []
    }
    case 'abandoned':
      takeAbandoned(store, gateway, body.detail, now)
      return []
    case 'keys-proposed':
      recordRotation(store, { ...event, body }, now)
      return []
    case 'clock-anchored': {
      const { boot, mono, wall } = body.detail
      // a clock that was set to another century is good by its own word only
      if (wall > now + aheadMs) return []
      store.run(
        // of several the last one of a boot counts: a clock that is set right anchors again
        `INSERT INTO anchors (gateway, boot, mono, wall) VALUES (?, ?, ?, ?) ON CONFLICT (gateway, boot)
         DO UPDATE SET mono = excluded.mono, wall = excluded.wall WHERE excluded.mono > anchors.mono`,
        gateway,
        boot,
        mono,
        wall,
      )
      return []
    }
    default:
      // provision-test and the intake events are remembered; nothing follows from them here
      return []
  }
}

/** A declared loss lets receipts pass. It is a suspicion where something is missing indeed (flag GAP). */
function takeLoss(
  store: Store,
  trust: Trust,
  { iss: gateway, epoch, kid: by, detail }: EventBody & { event: 'lost' },
  now: number,
): Iterable<number> {
  const { from, to, before, after, why } = detail
  const server = trust.server.id
  const told = `rows ${from} to ${to} of epoch ${detail.epoch} are declared ${why}`
  if (detail.epoch === epoch || to < from) {
    // a loss is declared from a later epoch; what is said from within is told, and believed no further
    raiseSampled(store, { flag: 'GAP', gateway, detail: `${told}, from an epoch that cannot know`, at: now })
    return []
  }
  // the first place of an epoch tells whose it is; a loss may be declared under a later key (WIRE 9.9)
  const kid =
    trust
      .bindings(gateway)
      .map(one => one.verifyKey.kid)
      .find(kid => headZero(detail.epoch, { gateway, server, kid }) === before) ?? by
  const lost = { gateway, epoch: detail.epoch, kid, first: from, last: to, before, after, received: now }
  const { missing, branches } = takeLost(store, lost, server)
  if (missing) raiseSampled(store, { flag: 'GAP', gateway, detail: told, at: now })
  return branches
}
