import type { Clock } from '../base/clock.ts'
import { type Fault, type FaultCode, isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Status } from '../control/api.ts'
import type { Config } from '../identity/config.ts'
import type { Book, Routed } from '../identity/registry-book.ts'
import type { Updated } from '../identity/update.ts'
import type { After } from '../transport/port.ts'
import { type UplinkState, uplink } from '../uplink/uplink.ts'
import type { Draft } from '../wire/chained.ts'
import type { UpdateBody, Versions } from '../wire/session.ts'
import { type Acts, openCommands } from './commands.ts'
import { type Custody, openCustody, type Place } from './custody.ts'
import type { Moments } from './moment.ts'
import { ration } from './ration.ts'
import { type Unpinned, unpinnedReports } from './unpinned.ts'

/** What the link is made of; the identity is one that has a route. */
export interface LinkParts {
  identity: Routed
  book: Book
  /** Keeps what is newer of the statements that the server hands over. */
  update(statements: UpdateBody['statements']): Pick<Updated, 'identity' | 'book' | 'taken'>
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
export interface Link {
  custody: Custody
  /** Resolves when the statement is on disk; it is sent by itself. */
  take(draft: Draft): Promise<Place>
  /** Resolves when the server's receipt covers the place. */
  receipted(place: Pick<Place, 'epoch' | 'seq'> & Partial<Place>, within: AbortSignal): Promise<void>
  /** Resolves when the server has answered HELLO on the present connection. */
  welcomed(within: AbortSignal): Promise<void>
  status(): Status['uplink']
  /** Rows that the broker took and the server has not receipted yet. */
  sent(): number
  /** Why it is not connected, if it is not. */
  trouble(): Fault | undefined
  /** How often something came down that was not believed, by the check that failed. */
  disbelieved(): ReadonlyMap<FaultCode, number>
  /** Commands that were not obeyed, by the check that failed. */
  commandsRefused(): ReadonlyMap<FaultCode, number>
  /** What is known of the registry beside the route. */
  book(): Book
  /** Epochs for which the server last named a head that this box does not have. */
  disagreed(): ReadonlySet<string>
  stop(): Promise<void>
}

// what lies above is kept for events, results and deletions, which must always fit (DESIGN 5)
const intakeShare = 0.9

/** A wait that ends when `happened` gives true, or with the reason of the signal. */
interface Wait {
  happened(): boolean
  resolve(): void
}

/** Opens the outbox and starts the way up. */
export async function openLink(parts: LinkParts): Promise<Link> {
  const { identity, config, clock, log } = parts
  const { keys, gateway } = identity
  let { route } = identity
  let { book } = parts
  const custody = await openCustody({
    path: parts.outboxPath,
    quotaBytes: config.outboxQuotaBytes,
    intakeBytes: Math.floor(config.outboxQuotaBytes * intakeShare),
    graceMs: config.outboxGraceMs,
    gateway,
    seed: keys.signSeed,
    server: route.server,
    serverBox: route.serverBox.publicKey,
    software: parts.software,
  })
  let stopping = false
  void custody.ended.then(why => {
    if (!stopping) parts.broken(why)
  })

  let state: UplinkState = 'off'
  let broker = ''
  let since = clock.now()
  let trouble: Fault | undefined
  let lastReceipt: number | null = null
  const confirmed = new Map<string, number>()
  const disbelieved = new Map<FaultCode, number>()
  const disagreed = new Set<string>()
  // whoever holds the broker can send as much as the line carries
  const rarely = ration(clock, 1)
  const waits = new Set<Wait>()

  const look = (): void => {
    for (const wait of waits) {
      if (!wait.happened()) continue
      waits.delete(wait)
      wait.resolve()
    }
  }

  const until = (happened: () => boolean, within: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const wait = { happened, resolve }
      within.addEventListener('abort', () => {
        waits.delete(wait)
        reject(within.reason)
      })
      if (within.aborted) return reject(within.reason)
      waits.add(wait)
      look()
    })

  const take = async (draft: Draft): Promise<Place> => {
    const place = await custody.take(draft)
    way.wake()
    return place
  }

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
    binding: Math.max(route.binding.version, book.moved?.version ?? 0),
    serverEntry: route.entry.version,
    ...book.versions,
  })

  const receipted: Link['receipted'] = ({ epoch, seq }, within) =>
    until(() => (confirmed.get(epoch) ?? 0) >= seq, within)

  const commands = openCommands({
    custody,
    take,
    parties: () => ({
      gateway,
      server: route.server,
      box: keys.box,
      commandKey: route.commandKey,
      entryUntil: route.entry.until,
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
  const updated = ({ statements }: UpdateBody): void => {
    try {
      const { identity: after, ...news } = parts.update(statements)
      if (news.taken.length === 0) return
      log.info({ type: news.taken.join(' ') }, 'registry')
      const isNewEntry = after.route.entry.version > route.entry.version
      route = after.route
      book = news.book
      if (isNewEntry) way.renew()
    } catch (error) {
      if (!isFault(error)) throw error
      // the server hands it over again; until then everything goes on as it was
      log.error({ code: error.code }, 'registry not updated')
    }
  }

  const way = uplink({
    custodian: custody,
    gateway,
    server: route.server,
    box: keys.box,
    way: () => ({
      receiptKey: route.receiptKey,
      addresses: route.entry.brokers.map(address => ({
        broker: address,
        clientId: gateway,
        ca: route.entry.ca,
        pins: route.entry.pins,
        certificate: route.certificate,
        key: keys.tlsKey,
      })),
    }),
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
      state(next, address, why) {
        if (next !== state) since = clock.now()
        state = next
        broker = address
        if (next === 'welcomed') trouble = undefined
        else if (why !== undefined) trouble = why
        log.info({ state: next, broker: address, code: why?.code }, 'uplink')
        look()
      },
      welcomed() {
        unpinned.flush()
      },
      settled({ upTo, forgotten, refused }, serverTime) {
        for (const { epoch, seq } of upTo) {
          confirmed.set(epoch, Math.max(confirmed.get(epoch) ?? 0, seq))
          disagreed.delete(epoch)
        }
        for (const { epoch, seq } of refused) {
          if (!disagreed.has(epoch))
            log.warn({ epoch, seq }, 'the server’s answer does not agree with this box')
          disagreed.add(epoch)
        }
        if (upTo.length > 0) lastReceipt = serverTime
        if (forgotten > 0) log.info({ forgotten }, 'rows forgotten')
        look()
      },
      commanded: commands.take,
      updated,
      refused(code) {
        disbelieved.set(code, (disbelieved.get(code) ?? 0) + 1)
        const count = rarely.take(code)
        if (count > 0) log.warn({ code, count }, 'what came down is not believed')
      },
      unpinned: unpinned.saw,
      broken: parts.broken,
    },
  })
  await commands.start()
  way.start()

  return {
    custody,
    take,
    receipted,
    welcomed: within => until(() => state === 'welcomed', within),
    status() {
      const shown =
        state === 'waiting' ? (trouble?.code === 'server.unpinned' ? 'refused' : 'connecting') : state
      const refusal: Unpinned | undefined = unpinned.now()
      return {
        state: shown,
        broker: broker === '' ? null : broker,
        since,
        lastReceipt,
        ...(refusal === undefined ? {} : { refusal: { flag: 'SERVER_KEY_UNPINNED' as const, ...refusal } }),
      }
    },
    sent: way.sent,
    trouble: () => trouble,
    disbelieved: () => disbelieved,
    disagreed: () => disagreed,
    commandsRefused: commands.refused,
    book: () => book,
    async stop() {
      stopping = true
      await commands.stop()
      await way.stop()
      await custody.stop()
    },
  }
}
