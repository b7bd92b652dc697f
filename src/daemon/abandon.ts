import { Fault, isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import { forgetFormer, formerServers } from '../identity/former.ts'
import type { Given, Stake } from '../outbox/abandon.ts'
import type { PublicStatement } from '../wire/statement.ts'
import type { VerbArgs } from '../wire/verbs.ts'
import type { Custody } from './custody.ts'
import type { Gift } from './custody-abandon.ts'
import type { Draining } from './draining.ts'
import type { Link } from './link.ts'
import type { Former } from './links.ts'
import type { Moments } from './moment.ts'

/** What is to be given up: a former server's rows, or a revoked key's. */
export type Forsake = VerbArgs<'abandon'>

/** What waits here that an operator could have given up; null where it cannot be counted. */
export interface Waiting {
  servers: { server: string; rows: number | null }[]
  keys: { key: string; rows: number }[]
}

/** Gives up what nobody will ever sign for (WIRE 9.14). Faults `abandon.refused`, `identity.unprovisioned` and those of custody. */
export interface Abandoning {
  waiting(): Promise<Waiting>
  /** What would be lost; undefined where it cannot be counted. */
  look(what: Forsake): Promise<Stake | undefined>
  /** What this intent has given up already. */
  given(intent: string): Promise<Given | undefined>
  /** Resolves when order and event are on disk and nothing takes it back. Nothing is begun once `end` is aborted. */
  give(what: Forsake, intent: string, order: PublicStatement, end: AbortSignal): Promise<Given>
}

/** What it needs of the links. */
export interface AbandoningParts {
  moments: Pick<Moments, 'at'>
  link(): Pick<Link, 'custody' | 'book' | 'give'> | undefined
  formers(): readonly Former[]
  /** Makes it final by `give`, and then forgets the former route; with nothing opened or closed meanwhile. */
  drop(server: string, give: (former: Draining | undefined) => Promise<void>): Promise<void>
}

const hint = 'what waits here, and for whom: vitalgate status'

/** Abandoning over these links. */
export function abandoningOf({ moments, link, formers, drop }: AbandoningParts): Abandoning {
  const present = (): Pick<Link, 'custody' | 'book' | 'give'> => {
    const now = link()
    if (now !== undefined) return now
    throw new Fault('identity.unprovisioned', 'this box has no route to a server that could be told')
  }

  const formerOf = (server: string): Former => {
    const one = formers().find(former => former.server === server)
    if (one !== undefined) return one
    throw new Fault('abandon.refused', `${server} is no former server of this box`, { hint })
  }

  /** The stake of a key that the registry revoked, and that is not the one which signs now. */
  const keyStake = async (key: string): Promise<Stake> => {
    const { book, custody } = present()
    if (!book().revokedKeys.includes(key)) {
      throw new Fault('abandon.refused', `no revocation of key ${key} of this box is known here`, { hint })
    }
    return custody.abandoner.stake({ key })
  }

  /** A route that cannot be opened holds nobody knows what. */
  const serverStake = async (one: Former): Promise<Stake | undefined> =>
    'fault' in one ? undefined : one.stake()

  const giveServer = async (server: string, gift: Pick<Gift, 'intent' | 'orders'>, end: AbortSignal) => {
    formerOf(server)
    const ending = new Fault('interrupted', 'the daemon is ending')
    let given: Given | undefined
    const dropped = drop(server, async former => {
      if (end.aborted) throw ending
      const stake = await former?.stake().catch(nothing)
      given = await present().give({ ...gift, what: 'server', named: server, stake, time: moments.at() })
    })
    // a link that is being closed waits for its commands, and what opens and closes waits for the link
    await Promise.race([dropped, aborted(end, ending)])
    if (given === undefined) throw ending
    return given
  }

  return {
    async waiting() {
      const servers = formers().map(async one => ({
        server: one.server,
        rows: (await serverStake(one).catch(nothing))?.rows ?? null,
      }))
      const now = link()
      const revoked = now?.book().revokedKeys ?? []
      const keys = revoked.map(async key => ({
        key,
        rows: (await now?.custody.abandoner.stake({ key }).catch(nothing))?.rows ?? 0,
      }))
      return {
        servers: await Promise.all(servers),
        keys: (await Promise.all(keys)).filter(({ rows }) => rows > 0),
      }
    },
    look: async what => ('key' in what ? keyStake(what.key) : serverStake(formerOf(what.server))),
    given: intent => present().custody.abandoner.given(intent),
    async give(what, intent, order, end) {
      const known = await present().custody.abandoner.given(intent)
      if (known !== undefined) return known
      const gift = { intent, orders: JSON.stringify(order) }
      if ('server' in what) return giveServer(what.server, gift, end)
      await keyStake(what.key)
      return present().give({ ...gift, what: 'key', named: what.key, time: moments.at() })
    },
  }
}

/** Rejects when the signal does. */
const aborted = (end: AbortSignal, why: Fault): Promise<never> =>
  new Promise((_, reject) => {
    if (end.aborted) reject(why)
    else end.addEventListener('abort', () => reject(why), { once: true })
  })

/** Of an outbox that is being closed just now nothing is told. */
const nothing = (error: unknown): undefined => {
  if (!isFault(error)) throw error
}

/** After a start: forgets former routes that were given up and whose folders are still there; whether there was one. */
export async function finishAbandoned(
  state: string,
  { abandoner }: Pick<Custody, 'abandoner'>,
  log: Log,
): Promise<boolean> {
  const servers = await abandoner.servers()
  for (const server of servers) {
    try {
      if (formerServers(state).includes(server)) forgetFormer(state, server)
      log.warn({ server }, 'the former route was given up: its folder is deleted')
      await abandoner.gone(server)
    } catch (error) {
      if (!isFault(error)) throw error
      // it drains on, and the next start tries again
      log.error({ server, err: error }, 'the folder of a former route that was given up stays')
    }
  }
  return servers.length > 0
}
