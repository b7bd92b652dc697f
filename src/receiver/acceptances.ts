import { proposedWiring, type Wiring } from './ports.ts'
import type { AcceptedDevice } from './registry.ts'
import { isRemoved } from './removals.ts'
import type { Store } from './store.ts'

/** What this store knows of the devices that operators accepted, for one transaction. */
export interface Acceptances {
  /** What the accepted proposal told of its port; undefined where it no longer stood at this place of the chain. */
  of(gateway: string, accepted: AcceptedDevice, at: { epoch: string; seq: number }): Wiring | undefined
  /** An event came, which may be a proposal or a removal. */
  forget(): void
}

/** Looks each proposal up once, for a batch brings many readings of few devices. Inside one `write`. */
export function openAcceptances(store: Store): Acceptances {
  const known = new Map<string, { wiring: Wiring; removed: boolean }>()
  return {
    of: (gateway, { proposal }, at) => {
      const name = `${gateway} ${proposal}`
      let held = known.get(name)
      if (held === undefined) {
        held = { wiring: proposedWiring(store, proposal), removed: isRemoved(store, gateway, proposal) }
        known.set(name, held)
      }
      return held.removed && isRemoved(store, gateway, proposal, at) ? undefined : held.wiring
    },
    forget: () => known.clear(),
  }
}
