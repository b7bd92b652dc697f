import type { Clock } from '../base/clock.ts'
import { type Fault, isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { OutboxReport, Status } from '../control/api.ts'
import type { Config } from '../identity/config.ts'
import { formerFolder, readFormer, takeFormerEntry } from '../identity/former.ts'
import type { Known } from '../identity/identity.ts'
import { places } from '../identity/places.ts'
import { readBook } from '../identity/registry-book.ts'
import type { Stake } from '../outbox/abandon.ts'
import type { After } from '../transport/port.ts'
import { uplink } from '../uplink/uplink.ts'
import type { Draft } from '../wire/chained.ts'
import { provenAbandoned } from './abandon-proof.ts'
import { refusedCommands } from './commands-refused.ts'
import { type OutboxStats, openCustody, type Place } from './custody.ts'
import { makeStanding } from './link-standing.ts'
import { wayOf } from './link-way.ts'
import type { Moments } from './moment.ts'
import { unpinnedReports } from './unpinned.ts'

/** What draining a former route needs. */
export interface DrainingParts {
  state: string
  server: string
  identity: Known
  config: Config
  clock: Clock
  moments: Moments
  after: After
  log: Log
  software: string
  driversHash: string
  boot: string
  /** Takes what is to be told to the present server. */
  take(draft: Draft): Promise<Place>
  /** Every row is receipted and forgotten: the route is of no more use. Told once. */
  done(): void
  /** It can go on no more; a Fault leaves the present route as it is. */
  broken(why: unknown): void
}

/** The way to a former server: it sends what waits there and settles receipts, and takes nothing (WIRE 9.11). */
export interface Draining {
  server: string
  stats(): Promise<OutboxStats>
  /** What would be lost if this server never returned. */
  stake(): Promise<Stake>
  verify(): Promise<OutboxReport>
  status(): Status['uplink']
  /** Why it is not connected, if it is not. */
  trouble(): Fault | undefined
  /** Rows that the broker took and the server has not receipted yet. */
  sent(): number
  stop(): Promise<void>
}

/** Opens the outbox of a former route and starts its way up. Faults `outbox.…`, `route.refused` and those of a route. */
export async function openDraining(parts: DrainingParts): Promise<Draining> {
  const { state, server, config, clock, log } = parts
  const { gateway, keys } = parts.identity
  const folder = formerFolder(state, server)
  let route = readFormer(state, server, keys)
  const book = readBook(folder, { ...parts.identity, route })
  const custody = await openCustody({
    path: places(folder).outbox,
    // no reading comes in; what declares a loss, or answers a command that was interrupted, must fit
    quotaBytes: config.outboxQuotaBytes,
    intakeBytes: config.outboxQuotaBytes,
    graceMs: config.outboxGraceMs,
    gateway,
    seed: keys.signSeed,
    server,
    serverBox: route.serverBox.publicKey,
    software: parts.software,
  })
  let stopping = false
  let isDone = false
  void custody.ended.then(why => {
    if (!stopping) parts.broken(why)
  })
  const standing = makeStanding(clock, log)

  const tell = (members: Extract<Draft, { type: 'event' }>['members']): void => {
    parts.take({ type: 'event', time: parts.moments.at(), members }).catch(why => {
      if (isFault(why)) log.error({ code: why.code }, 'event not taken')
      else parts.broken(why)
    })
  }
  const unpinned = unpinnedReports(clock, detail => {
    log.warn(
      { flag: 'SERVER_KEY_UNPINNED', fingerprint: detail.fingerprint },
      'somebody answers without the key',
    )
    tell({ event: 'server-unpinned', detail })
  })
  const refusals = refusedCommands(parts.after, detail => tell({ event: 'command-refused', detail }))

  const look = async (): Promise<void> => {
    const { queued, receipted } = await custody.stats()
    if (queued + receipted > 0 || stopping || isDone) return
    isDone = true
    parts.done()
  }
  const looking = (): void => {
    look().catch(why => {
      if (!stopping) parts.broken(why)
    })
  }

  const way = uplink({
    custodian: custody,
    gateway,
    server,
    box: keys.box,
    way: () => wayOf(gateway, keys, route),
    facts: () => ({
      boot: parts.boot,
      software: parts.software,
      drivers: parts.driversHash,
      clock: parts.moments.at(),
      // as that server knew this gateway: whatever is later is the new server's to tell
      versions: {
        binding: route.binding.version,
        serverEntry: route.entry.version,
        ...book.versions,
      },
    }),
    heartbeatMs: config.uplinkHeartbeatMs,
    window: config.uplinkWindow,
    events: {
      ...standing.events,
      settled(settled, serverTime) {
        standing.events.settled(settled, serverTime)
        looking()
      },
      welcomed: unpinned.flush,
      async commanded() {
        refusals.add('server.former', null)
      },
      updated(update) {
        try {
          const taken = takeFormerEntry(state, server, update)
          if (taken === undefined || stopping) return
          route = taken
          log.info({ type: 'server-entry' }, 'registry')
          custody.sealTo(route.serverBox.publicKey).catch(parts.broken)
          way.renew()
        } catch (error) {
          if (!isFault(error)) throw error
          // the server hands it over again; until then everything goes on as it was
          log.error({ code: error.code }, 'registry not updated')
        }
      },
      unpinned: unpinned.saw,
      broken: parts.broken,
    },
  })
  for (const intent of (await custody.leftOver(parts.moments.at())).interrupted) {
    log.warn({ intent }, 'command was interrupted')
  }
  way.start()
  looking()

  return {
    server,
    stats: custody.stats,
    stake: () => custody.abandoner.stake(),
    // read again: a newer entry may have come
    async verify() {
      const now = readBook(folder, { ...parts.identity, route })
      const report = await custody.verify(now.receiptKeys)
      return provenAbandoned(report, { gateway, kid: keys.sign.kid, book: now })
    },
    status: () => standing.status(unpinned.now()),
    trouble: standing.trouble,
    sent: way.sent,
    async stop() {
      stopping = true
      refusals.stop()
      await way.stop()
      await custody.stop()
    },
  }
}
