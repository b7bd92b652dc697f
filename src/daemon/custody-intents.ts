import { givenDetail } from '../outbox/abandon.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Draft } from '../wire/chained.ts'
import type { Journal } from './custody-journal.ts'
import type { Beginning, Begun, LeftOver, Place } from './custody-messages.ts'

type Result = Extract<Draft, { type: 'result' }>

/** Keeps what was commanded beside the chain: an intent and its result stand or fall together. */
export interface IntentKeeper {
  begin(begun: Begun): Beginning
  /** Chains a result, and ends its intent in the same transaction. */
  end(result: Result): Place
  leftOver(time: Result['time']): LeftOver
}

/** The intents of this outbox; each call belongs into a transaction. */
export function intentKeeperOf({ intents, epochs, abandonments }: Outbox, journal: Journal): IntentKeeper {
  const end = ({ type, time, members }: Result): Place => {
    const place = journal.write(type, time, members)
    const { base } = epochs.named(place.epoch)!
    const { intent, outcome, detail } = members
    intents.end(intent, outcome, detail, { ...place, id: base + place.seq })
    return place
  }

  return {
    end,
    begin: ({ intent, verb, time }) => {
      const known = intents.named(intent)
      if (known === undefined) {
        intents.begin(intent, verb, time.wall)
        return 'fresh'
      }
      if (known.ended === undefined) return 'open'
      const { outcome, detail, waits } = known.ended
      // who signed for the result and asks all the same has lost it: a server that was restored
      if (!waits) end({ type: 'result', time, members: { intent, outcome, detail } })
      return 'ended'
    },
    leftOver: time => {
      const open = intents.open().map(({ intent }) => ({ intent, given: abandonments.named(intent) }))
      for (const { intent, given } of open) {
        // what was given up stays given up, and is carried through: its result alone is missing
        const ended = given === undefined ? ('interrupted' as const) : ('done' as const)
        const detail = given === undefined ? {} : givenDetail(given)
        end({ type: 'result', time, members: { intent, outcome: ended, detail } })
      }
      const interrupted = open.filter(({ given }) => given === undefined).map(({ intent }) => intent)
      const ended = intents.newest('wipe')?.ended
      const wipe = ended?.outcome === 'done' ? ended : undefined
      return {
        interrupted,
        wipe: wipe && { epoch: wipe.epoch, seq: wipe.seq, waits: wipe.waits },
      }
    },
  }
}
