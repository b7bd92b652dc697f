import type { EventBody } from '../wire/chained.ts'
import { takeLost } from './chains.ts'
import { addClaim } from './claims.ts'
import { takeRefusal } from './commands.ts'
import { recordProposal } from './devices.ts'
import { recordRemoval, recordRemovedSince } from './removals.ts'
import type { Store } from './store.ts'
import { raiseSampled } from './suspicion.ts'
import type { Proven } from './verify.ts'

type ProvenEvent = Proven & { type: 'event' }

/** What a plain column may hold of an event: a kept frame stays in its sealed envelope alone. */
function plainDetail({ event, detail }: EventBody): object {
  if (event !== 'frame-kept') return detail
  const { raw: _, ...rest } = detail
  return rest
}

/** Stores an event and does what it asks for. Gives the branches whose receipt may say more. Inside `write`. */
export function takeEvent(store: Store, event: ProvenEvent, server: string, now: number): Iterable<number> {
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
      return takeLoss(store, gateway, body, server, now)
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
      const ours = takeRefusal(store, gateway, body.detail, now)
      const which = intent === null ? 'of nobody proven' : ours ? `${intent}, of this server` : intent
      const detail = `${count} times a command was not obeyed: ${why} (${which})`
      raiseSampled(store, { flag: 'COMMAND_REFUSED', gateway, detail, at: now })
      return []
    }
    case 'clock-anchored': {
      const { boot, mono, wall } = body.detail
      store.run(
        'INSERT INTO anchors (gateway, boot, mono, wall) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
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
  gateway: string,
  { epoch, kid, detail }: EventBody & { event: 'lost' },
  server: string,
  now: number,
): Iterable<number> {
  const { from, to, before, after, why } = detail
  const told = `rows ${from} to ${to} of epoch ${detail.epoch} are declared ${why}`
  if (detail.epoch === epoch || to < from) {
    // a loss is declared from a later epoch; what is said from within is told, and believed no further
    raiseSampled(store, { flag: 'GAP', gateway, detail: `${told}, from an epoch that cannot know`, at: now })
    return []
  }
  const lost = { gateway, epoch: detail.epoch, kid, first: from, last: to, before, after, received: now }
  const { missing, branches } = takeLost(store, lost, server)
  if (missing) raiseSampled(store, { flag: 'GAP', gateway, detail: told, at: now })
  return branches
}
