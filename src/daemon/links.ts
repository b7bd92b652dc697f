import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { hex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Config } from '../identity/config.ts'
import { forgetFormer, formerFolder, formerServers } from '../identity/former.ts'
import { type Identity, loadIdentity, readIdentityFile } from '../identity/identity.ts'
import { endMove, finishMove, hasArrived } from '../identity/move.ts'
import { places } from '../identity/places.ts'
import { markProvisioned } from '../identity/provision.ts'
import { type Routed, readBook } from '../identity/registry-book.ts'
import { promoteCertificate } from '../identity/renewal.ts'
import { takeUpdate } from '../identity/update.ts'
import type { After } from '../transport/port.ts'
import type { Draft } from '../wire/chained.ts'
import { type Abandoning, abandoningOf, finishAbandoned } from './abandon.ts'
import type { Acts } from './commands.ts'
import type { Custody, OutboxStats, Place } from './custody.ts'
import { type Draining, openDraining } from './draining.ts'
import { type Link, openLink } from './link.ts'
import { makeIntake } from './link-intake.ts'
import type { Moments } from './moment.ts'

type EventMembers = Extract<Draft, { type: 'event' }>['members']

/** What the links are made of. */
export interface LinksParts {
  state: string
  config: Config
  clock: Clock
  moments: Moments
  after: After
  log: Log
  software: string
  driversHash: string
  boot: string
  identity(): Identity
  identify(next: Identity): void
  /** What commands do; `stats` speaks of every outbox here. */
  acts(link: Pick<Link, 'receipted'> & { stats(): Promise<OutboxStats>; abandoning: Abandoning }): Acts
  /** The devices of this box, as a server is told of them. */
  proposals(): Promise<EventMembers[]>
  /** The box is being wiped: nothing changes any more. */
  isShut(): boolean
  broken(why: unknown): void
}

/** A former route as people see it: open, or why it is not. */
export type Former = { server: string } & (Draining | { fault: Fault })

/** The link of this box's route, and those of former routes that drain beside it. */
export interface Links {
  /** The link of the route; undefined before there is one, and while it is being opened anew. */
  now(): Link | undefined
  formers(): Former[]
  abandoning: Abandoning
  /** Resolves when nothing is being opened or closed, at the latest after ten seconds. */
  steady(): Promise<void>
  /** Opens what there is a route for, if it is not open yet. */
  connect(): Promise<void>
  /** Closes everything and opens it under what is on disk now; statements wait meanwhile. */
  reopen(): Promise<void>
  take(draft: Draft): Promise<Place>
  stop(): Promise<void>
}

const steadyMs = 10_000

/** A new outbox has this part of the quota at least, however much former routes still hold. */
const leastShare = 0.25

/** Bytes on disk that wait for a former server. */
const formerBytes = (state: string, server: string): number => {
  const folder = formerFolder(state, server)
  return readdirSync(folder).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}

/** Nothing is open. */
export function makeLinks(parts: LinksParts): Links {
  const { state, config, log, identity, identify } = parts
  const intake = makeIntake(parts.after)
  const formers = new Map<string, Former>()
  let link: Link | undefined
  let turning: Promise<void> | undefined
  let stopped = false
  let ending = new AbortController()

  /** One after the other: what opens and closes outboxes never overlaps. */
  const turn = (work: () => Promise<void>): Promise<void> => {
    const before = turning ?? Promise.resolve()
    // whoever began the one before has been told of its failure
    const now = before.catch(() => undefined).then(() => (stopped ? undefined : work()))
    const settled = now.finally(() => {
      if (turning === settled) turning = undefined
    })
    turning = settled
    return settled
  }

  const room = (): number => {
    const { outboxQuotaBytes: quota } = config
    const held = formerServers(state).reduce((sum, server) => sum + formerBytes(state, server), 0)
    return Math.max(Math.floor(quota * leastShare), quota - held)
  }

  const isOpen = (one: Former): one is Draining => !('fault' in one)

  const stats = async (own: Pick<Custody, 'stats'>): Promise<OutboxStats> => {
    const sums = await own.stats()
    for (const one of formers.values()) {
      // what cannot be opened holds nobody knows what: at least something
      const { queued, oldest } = isOpen(one) ? await one.stats() : { queued: 1, oldest: null }
      sums.queued += queued
      if (oldest !== null) sums.oldest = Math.min(oldest, sums.oldest ?? oldest)
    }
    return sums
  }

  const remove = async (server: string, one: Former): Promise<void> => {
    formers.delete(server)
    if (isOpen(one)) await one.stop()
    forgetFormer(state, server)
    await link?.resize(room())
  }

  const forget = async (server: string): Promise<void> => {
    const one = formers.get(server)
    if (one === undefined || !isOpen(one)) return
    await remove(server, one)
    log.info({ server }, 'every row of the former route is signed for: its folder is deleted')
  }

  const abandoning = abandoningOf({
    moments: parts.moments,
    link: () => link,
    formers: () => [...formers.values()],
    drop: (server, give) =>
      turn(async () => {
        const one = formers.get(server)
        if (one === undefined) throw new Fault('abandon.refused', `${server} is no former server any more`)
        await give(isOpen(one) ? one : undefined)
        await remove(server, one)
        log.warn({ server }, 'the former route was given up: its folder is deleted')
        await link?.custody.abandoner.gone(server)
      }),
  })

  const drain = async (server: string, routed: Routed): Promise<void> => {
    const failed = (why: unknown): void => {
      if (!isFault(why)) {
        parts.broken(why)
        return
      }
      log.error({ server, err: why }, 'the former route does not drain')
      const one = formers.get(server)
      formers.set(server, { server, fault: why })
      if (one !== undefined && isOpen(one)) one.stop().catch(parts.broken)
    }
    try {
      const { clock, moments, after, software, driversHash, boot } = parts
      const draining = await openDraining({
        ...{ state, server, identity: routed, config, clock, moments, after, software, driversHash, boot },
        log: log.child({ server }),
        take,
        done: () => void turn(() => forget(server)).catch(parts.broken),
        broken: failed,
      })
      formers.set(server, draining)
    } catch (error) {
      failed(error)
    }
  }

  /** Tells the new server of the devices, and ends the move with its first receipt (WIRE 9.11). */
  const arrive = async (opened: Link, within: AbortSignal): Promise<void> => {
    const event = (members: EventMembers): Promise<Place> =>
      opened.take({ type: 'event', time: parts.moments.at(), members })
    try {
      for (const members of await parts.proposals()) await event(members)
      const nonce = hex(randomBytes(16))
      await opened.receipted(await event({ event: 'provision-test', detail: { nonce } }), within)
      // it was proven once what a technician proves: the new server is proven by this receipt
      if (readIdentityFile(state)?.provisioned) identify(markProvisioned(state, parts.clock).identity)
      endMove(state)
      log.info('arrived at the new server')
    } catch (error) {
      if (within.aborted) return
      if (!isFault(error)) throw error
      log.error({ code: error.code }, 'the new server is not told of the devices before the next start')
    }
  }

  const open = async (): Promise<void> => {
    const known = identity()
    if (link !== undefined || known.phase === 'fresh' || known.route === undefined) return
    const routed = { ...known, route: known.route }
    ending = new AbortController()
    const { clock, moments, after, software, driversHash, boot, broken } = parts
    const opened = await openLink({
      ...{ clock, moments, after, software, driversHash, boot, broken },
      identity: routed,
      book: readBook(state, routed),
      update(handed) {
        // what is being wiped goes nowhere else first
        if (parts.isShut()) throw new Fault('identity.unprovisioned', 'this box is being wiped')
        const updated = takeUpdate(state, handed)
        if (updated.taken.length > 0) identify(updated.identity)
        return updated
      },
      proven(route, certificate) {
        const now = promoteCertificate(state, route, certificate)
        const present = identity()
        if (present.phase !== 'fresh' && present.route !== undefined) identify({ ...present, route: now })
        return now
      },
      reopen: () => void reopen().catch(parts.broken),
      acts: ({ custody, receipted }) => parts.acts({ receipted, stats: () => stats(custody), abandoning }),
      config: { ...config, outboxQuotaBytes: room() },
      outboxPath: places(state).outbox,
      log,
    })
    link = opened
    intake.pass(opened.take)
    if (await finishAbandoned(state, opened.custody, log)) await opened.resize(room())
    for (const server of formerServers(state)) await drain(server, routed)
    if (hasArrived(state)) arrive(opened, ending.signal).catch(parts.broken)
  }

  const close = async (): Promise<void> => {
    ending.abort()
    const closing = link
    link = undefined
    await closing?.stop()
    for (const one of formers.values()) if (isOpen(one)) await one.stop()
    formers.clear()
  }

  const reopen = (): Promise<void> =>
    turn(async () => {
      intake.hold()
      try {
        await close()
        finishMove(state)
        identify(loadIdentity(state))
        await open()
      } catch (error) {
        if (isFault(error)) intake.refuse(error)
        throw error
      }
      if (link === undefined) intake.refuse(new Fault('identity.unprovisioned', 'this box has no route'))
    })

  const take = (draft: Draft): Promise<Place> =>
    link === undefined && turning === undefined
      ? Promise.reject(new Fault('identity.unprovisioned', 'not provisioned: readings are not taken'))
      : intake.take(draft)

  return {
    now: () => link,
    formers: () => [...formers.values()],
    abandoning,
    steady: () =>
      new Promise(resolve => {
        const callOff = parts.after(steadyMs, resolve)
        const over = (): void => {
          callOff()
          resolve()
        }
        ;(turning ?? Promise.resolve()).then(over, over)
      }),
    connect: () => turn(open),
    reopen,
    take,
    async stop() {
      stopped = true
      await turning?.catch(() => undefined)
      await close()
      intake.refuse(new Fault('interrupted', 'the daemon is ending'))
    },
  }
}
