import { codeOf, Fault } from '../base/fault.ts'
import type { Given, Stake } from '../outbox/abandon.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Draft } from '../wire/chained.ts'
import { signingKey } from '../wire/keys.ts'
import type { Journal } from './custody-journal.ts'
import type { CustodySettings } from './custody-messages.ts'

/** What is to be given up: what a key signed here, or what another outbox holds for a former server and is counted there. */
export type Gift = Pick<Given, 'intent' | 'named'> & {
  /** The operator's order, as it came. */
  orders: string
  time: Draft['time']
} & ({ what: 'key' } | { what: 'server'; stake: Stake | undefined })

/** What custody can be asked about rows that are given up (WIRE 9.14): each question with its answer. */
export interface AbandonCalls {
  /** What would be lost: under this key and those before it, or in the whole outbox. */
  stake: { argument: { key: string } | undefined; answer: Stake }
  given: { argument: { intent: string }; answer: Given | undefined }
  give: { argument: Gift; answer: Given }
  servers: { argument: undefined; answer: string[] }
  gone: { argument: { server: string }; answer: undefined }
  withhold: { argument: { keys: readonly string[] }; answer: undefined }
}
export type AbandonRequest = {
  [N in keyof AbandonCalls]: { ask: N; of: AbandonCalls[N]['argument'] }
}[keyof AbandonCalls]

/** Gives up rows of an outbox, and remembers what was. */
export interface Abandoner {
  /** Resolves when it can be taken back no more: order and event are on disk; the rows are deleted from then on. Fault `abandon.refused`. */
  give(gift: Gift): Promise<Given>
  stake(of?: { key: string }): Promise<Stake>
  given(intent: string): Promise<Given | undefined>
  /** Former servers that were given up and whose folder may still be there. */
  servers(): Promise<string[]>
  gone(server: string): Promise<void>
  /** Rows under these revoked keys, and under those before them, are sent no more: nobody believes them. Forgotten at a start. */
  withhold(keys: readonly string[]): Promise<void>
}

/** Asks through `ask`, which answers as `abandonmentOf` does. */
export function abandonerBy(ask: (request: AbandonRequest) => Promise<unknown>): Abandoner {
  const put = <N extends keyof AbandonCalls>(
    name: N,
    of: AbandonCalls[N]['argument'],
  ): Promise<AbandonCalls[N]['answer']> =>
    ask({ ask: name, of } as AbandonRequest) as Promise<AbandonCalls[N]['answer']>
  return {
    give: gift => put('give', gift),
    stake: of => put('stake', of),
    given: intent => put('given', { intent }),
    servers: () => put('servers', undefined),
    gone: server => put('gone', { server }),
    withhold: keys => put('withhold', { keys }),
  }
}

/** The worker's half of it. */
export interface Abandonment {
  /** In a transaction of the caller. */
  answer(request: AbandonRequest): unknown
  /** Rows up to this id are not sent. */
  floor(): number
  /** Deletes some of what was given up, in a transaction of its own; true when there is no more to do now. */
  sweep(): boolean
}

/** Abandonment in this outbox; made before the seed of the settings is wiped. */
export function abandonmentOf(
  outbox: Outbox,
  { seed, server }: Pick<CustodySettings, 'seed' | 'server'>,
  journal: Journal,
): Abandonment {
  const { abandonments, epochs } = outbox
  const own = signingKey(seed).kid
  const under = (key: string) => abandonments.under(key, server).filter(epoch => epoch.kid !== own)

  let floor = 0
  const withhold = (keys: readonly string[]): void => {
    // rows of a later epoch have higher ids
    for (const { base, seq } of keys.flatMap(under)) floor = Math.max(floor, base + seq)
  }

  const give = ({ orders, time, ...gift }: Gift): Given => {
    const { intent, what, named } = gift
    const known = abandonments.named(intent)
    if (known !== undefined) return known
    const ours = gift.what === 'key' ? under(named) : []
    if (gift.what === 'key' && ours.length === 0) {
      const why = named === own ? 'is the present key of this gateway' : 'signed nothing that waits here'
      throw new Fault('abandon.refused', `key ${named} ${why}: nothing is given up`)
    }
    const none = { rows: null, first: null, last: null }
    const { rows, first, last } = gift.what === 'key' ? abandonments.stake(ours) : (gift.stake ?? none)
    journal.write('event', time, {
      event: 'abandoned',
      detail: { intent, what, id: named, rows, first, last },
    })
    const given = { intent, what, named, rows, first, last }
    abandonments.add(given, orders, time.wall, ours)
    return given
  }

  return {
    answer: request => {
      switch (request.ask) {
        case 'stake':
          return abandonments.stake(request.of === undefined ? epochs.all() : under(request.of.key))
        case 'given':
          return abandonments.named(request.of.intent)
        case 'give':
          return give(request.of)
        case 'servers':
          return abandonments.servers()
        case 'gone':
          return abandonments.gone(request.of.server)
        case 'withhold':
          return withhold(request.of.keys)
      }
    },
    floor: () => floor,
    sweep: () => {
      try {
        return outbox.commit(abandonments.sweep)
      } catch (error) {
        // not even room to delete: the next start goes on, and what receipts free makes room before
        if (codeOf(error) === 'SQLITE_FULL') return true
        throw error
      }
    },
  }
}
