import type { Clock } from '../base/clock.ts'
import type { Fault, FaultCode } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Status } from '../control/api.ts'
import type { UplinkEvents, UplinkState } from '../uplink/uplink.ts'
import type { Place } from './custody.ts'
import { makeWaits } from './link-waits.ts'
import { ration } from './ration.ts'
import type { Unpinned } from './unpinned.ts'

/** Where the way to one server stands, by what its uplink tells. */
export interface Standing {
  /** What the uplink tells it. */
  events: Pick<UplinkEvents, 'state' | 'settled' | 'refused'>
  /** Resolves when the server's receipt covers the place. */
  receipted(place: Pick<Place, 'epoch' | 'seq'> & Partial<Place>, within: AbortSignal): Promise<void>
  /** Resolves when the server has answered HELLO on the present connection. */
  welcomed(within: AbortSignal): Promise<void>
  /** For people; with `refusal` somebody answers in the server's place. */
  status(refusal?: Unpinned): Status['uplink']
  /** Why it is not connected, if it is not. */
  trouble(): Fault | undefined
  /** How often something came down that was not believed, by the check that failed. */
  disbelieved: ReadonlyMap<FaultCode, number>
  /** Epochs for which the server last named a head that this box does not have. */
  disagreed: ReadonlySet<string>
}

/** A way that has not begun. */
export function makeStanding(clock: Clock, log: Log): Standing {
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
  const waits = makeWaits()

  return {
    events: {
      state(next, address, why) {
        if (next !== state) since = clock.now()
        state = next
        broker = address
        if (next === 'welcomed') trouble = undefined
        else if (why !== undefined) trouble = why
        log.info({ state: next, broker: address, code: why?.code }, 'uplink')
        waits.look()
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
        waits.look()
      },
      refused(code) {
        disbelieved.set(code, (disbelieved.get(code) ?? 0) + 1)
        const count = rarely.take(code)
        if (count > 0) log.warn({ code, count }, 'what came down is not believed')
      },
    },
    receipted: ({ epoch, seq }, within) => waits.until(() => (confirmed.get(epoch) ?? 0) >= seq, within),
    welcomed: within => waits.until(() => state === 'welcomed', within),
    status(refusal) {
      const shown =
        state === 'waiting' ? (trouble?.code === 'server.unpinned' ? 'refused' : 'connecting') : state
      return {
        state: shown,
        broker: broker === '' ? null : broker,
        since,
        lastReceipt,
        ...(refusal === undefined ? {} : { refusal: { flag: 'SERVER_KEY_UNPINNED' as const, ...refusal } }),
      }
    },
    trouble: () => trouble,
    disbelieved,
    disagreed,
  }
}
