import type { Clock } from '../base/clock.ts'
import { type FaultCode, isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { OutboxReport, Status } from '../control/api.ts'
import type { Config } from '../identity/config.ts'
import type { Book, Routed } from '../identity/registry-book.ts'
import type { Route } from '../identity/route.ts'
import type { Handed, Updated } from '../identity/update.ts'
import type { Given } from '../outbox/abandon.ts'
import type { After } from '../transport/port.ts'
import { uplink } from '../uplink/uplink.ts'
import type { Draft } from '../wire/chained.ts'
import type { UpdateBody, Versions } from '../wire/session.ts'
import { provenAbandoned } from './abandon-proof.ts'
import { type Acts, openCommands } from './commands.ts'
import { type Custody, openCustody, type Place, type Room } from './custody.ts'
import type { Gift } from './custody-abandon.ts'
import { watchEntry } from './entry-end.ts'
import { makeStanding, type Standing } from './link-standing.ts'
import { wayOf } from './link-way.ts'
import type { Moments } from './moment.ts'
import { unpinnedReports } from './unpinned.ts'
import { makeWishes, type Wishes } from './wishes.ts'

/** What the link is made of; the identity is one that has a route. */
export interface LinkParts {
  identity: Routed
  book: Book
  /** Keeps what is newer of what the server hands over. */
  update(handed: Handed): Pick<Updated, 'identity' | 'book' | 'taken' | 'change'>
  /** The newer certificate of the route did: the route with it as its own. */
  proven(route: Route, certificate: string): Route
  /** Keys or server have changed: this link is to be closed, and another opened. */
  reopen(): void
  /** What commands do, with this link once it is open. */
  acts(link: Pick<Link, 'custody' | 'receipted'>): Acts
  after: After
  config: Config
  outboxPath: string
  clock: Clock
  moments: Moments
  log: Log
  software: string
  /** H over the hashes of all drivers, hex (WIRE 7.1). */
  driversHash: string
  boot: string
  /** Custody ended by itself: nothing more can be taken, the daemon must end. */
  broken(why: unknown): void
}

/** Custody and uplink of one route: what a provisioned box has and a fresh one lacks. */
export interface Link extends Omit<Standing, 'events' | 'status' | 'disbelieved' | 'disagreed'> {
  custody: Custody
  /** Walks the whole outbox; what was forgotten must be proven under the keys of this server, the former included. */
  verify(): Promise<OutboxReport>
  /** Gives up rows that nobody will sign for (WIRE 9.14); what tells of it is sent by itself. */
  give(gift: Gift): Promise<Given>
  /** The outbox may use so many bytes from now on. */
  resize(quotaBytes: number): Promise<void>
  /** Resolves when the statement is on disk; it is sent by itself. */
  take(draft: Draft): Promise<Place>
  status(): Status['uplink']
  /** Rows that the broker took and the server has not receipted yet. */
  sent(): number
  /** The server's wall time by what it last signed, and now; undefined before its first word. */
  serverTime(): number | undefined
  /** How often something came down that was not believed, by the check that failed. */
  disbelieved(): ReadonlyMap<FaultCode, number>
  /** Commands that were not obeyed, by the check that failed. */
  commandsRefused(): ReadonlyMap<FaultCode, number>
  /** What the server said of this gateway with its last welcome. */
  wishes(): Wishes
  /** What is known of the registry beside the route. */
  book(): Book
  /** Epochs for which the server last named a head that this box does not have. */
  disagreed(): ReadonlySet<string>
  stop(): Promise<void>
}

// what lies above is kept for events, results and deletions, which must always fit (DESIGN 5)
const intakeShare = 0.9

const roomOf = (quotaBytes: number): Room => ({
  quotaBytes,
  intakeBytes: Math.floor(quotaBytes * intakeShare),
})

/** Opens the outbox and starts the way up. */
export async function openLink(parts: LinkParts): Promise<Link> {
  const { identity, config, clock, log } = parts
  const { keys, gateway } = identity
  let { route } = identity
  let { book } = parts
  const custody = await openCustody({
    path: parts.outboxPath,
    ...roomOf(config.outboxQuotaBytes),
    graceMs: config.outboxGraceMs,
    gateway,
    seed: keys.signSeed,
    server: route.server,
    serverBox: route.serverBox.publicKey,
    software: parts.software,
  })
  let stopping = false
  let isOver = false
  void custody.ended.then(why => {
    if (!stopping) parts.broken(why)
  })
  const standing = makeStanding(clock, log)
  const { receipted, welcomed, trouble } = standing

  const take = async (draft: Draft): Promise<Place> => {
    const place = await custody.take(draft)
    way.wake()
    return place
  }

  const entryEnds = watchEntry(clock, log)
  const wishes = makeWishes(parts.software, log)
  const unpinned = unpinnedReports(clock, detail => {
    log.warn(
      { flag: 'SERVER_KEY_UNPINNED', fingerprint: detail.fingerprint },
      'somebody answers without the key',
    )
    const members = { event: 'server-unpinned' as const, detail }
    take({ type: 'event', time: parts.moments.at(), members }).catch(why => {
      if (!isFault(why)) parts.broken(why)
      else log.error({ code: why.code }, 'event not taken')
    })
  })

  const versions = (): Versions => ({
    binding: route.binding.version,
    serverEntry: route.entry.version,
    ...book.versions,
  })

  const commands = openCommands({
    custody,
    take,
    parties: () => ({
      gateway,
      server: route.server,
      box: keys.box,
      commandKey: route.commandKey,
      entryUntil: route.entry.until,
      outdated: wishes.now().outdated,
      book,
    }),
    acts: parts.acts({ custody, receipted }),
    clock,
    moments: parts.moments,
    after: parts.after,
    log,
    broken: parts.broken,
  })

  /** The registry says something newer: what a connection is made of counts from the next one on. */
  const update = async ({ statements, certificate }: UpdateBody): Promise<void> => {
    const { epochs } = await custody.stats()
    // what the link is closed for may have come down twice
    if (stopping || isOver) return
    const { identity: after, ...news } = parts.update({ statements, certificate, epochs: epochs.length })
    if (news.taken.length === 0) return
    log.info({ type: news.taken.join(' '), change: news.change }, 'registry')
    if (news.change === 'keys' || news.change === 'server') {
      isOver = true
      return parts.reopen()
    }
    const { serverBox } = after.route
    if (after.route.entry.version > route.entry.version) await custody.sealTo(serverBox.publicKey)
    const isRevoked = news.book.revokedKeys.length > book.revokedKeys.length
    route = after.route
    book = news.book
    if (isRevoked) await custody.abandoner.withhold(book.revokedKeys)
    // what nobody will sign for must not fill the window
    if (news.change !== undefined || isRevoked) way.renew()
  }

  /** A welcome came over a connection with this certificate: a newer one is the one of the route from now on (WIRE 7.11). */
  const proven = (certificate: string): void => {
    if (certificate !== route.renewed?.certificate) return
    try {
      route = parts.proven(route, certificate)
      log.info({ until: route.notAfter }, 'certificate renewed')
    } catch (error) {
      if (!isFault(error)) throw error
      // it is proven again by the next welcome
      log.error({ code: error.code }, 'certificate not renewed')
    }
  }

  // one after the other, as they came: each is judged by what those before it brought
  let updating: Promise<void> = Promise.resolve()
  const updated = (body: UpdateBody): void => {
    updating = updating
      .then(() => update(body))
      .catch(error => {
        if (!isFault(error)) return parts.broken(error)
        // the server hands it over again; until then everything goes on as it was
        if (!stopping) log.error({ code: error.code }, 'registry not updated')
      })
  }

  const way = uplink({
    custodian: custody,
    gateway,
    server: route.server,
    box: keys.box,
    way: () => wayOf(gateway, keys, route),
    facts: () => ({
      boot: parts.boot,
      software: parts.software,
      drivers: parts.driversHash,
      clock: parts.moments.at(),
      versions: versions(),
    }),
    heartbeatMs: config.uplinkHeartbeatMs,
    window: config.uplinkWindow,
    events: {
      ...standing.events,
      welcomed({ time, status, minVersion }, { certificate }) {
        unpinned.flush()
        wishes.take({ status, minVersion })
        entryEnds(route.entry.until, time)
        proven(certificate)
      },
      commanded: commands.take,
      updated,
      unpinned: unpinned.saw,
      broken: parts.broken,
    },
  })
  await commands.start()
  await custody.abandoner.withhold(book.revokedKeys)
  way.start()

  return {
    custody,
    verify: async () =>
      provenAbandoned(await custody.verify(book.receiptKeys), { gateway, kid: keys.sign.kid, book }),
    async give(gift) {
      const given = await custody.abandoner.give(gift)
      // what was on its way and is now given up must not fill the window
      way.renew()
      return given
    },
    resize: quotaBytes => custody.resize(roomOf(quotaBytes)),
    take,
    receipted,
    welcomed,
    trouble,
    status: () => standing.status(unpinned.now()),
    sent: way.sent,
    serverTime: way.serverTime,
    disbelieved: () => standing.disbelieved,
    disagreed: () => standing.disagreed,
    commandsRefused: commands.refused,
    wishes: wishes.now,
    book: () => book,
    async stop() {
      stopping = true
      await commands.stop()
      await way.stop()
      await custody.stop()
    },
  }
}
