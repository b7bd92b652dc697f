import type { Clock } from '../base/clock.ts'
import { type Alert, addAlert, type ChannelName } from './alerts.ts'
import { holdOf } from './hold.ts'
import { readMinimum } from './minimum.ts'
import type { Registry } from './registry.ts'
import { newestCertificate, spanOf } from './renewals.ts'
import { isBelowMinimum, lastSeen } from './session.ts'
import type { Store } from './store.ts'
import { siteOf } from './watch-gateways.ts'

/** How long before something runs out operators are told (DESIGN 6). */
const warnBeforeMs = 30 * 86_400_000

/** What watching over the standing of gateways needs. */
export interface StandingWatch {
  store: Store
  registry: Pick<Registry, 'gateway' | 'gateways' | 'devices' | 'revoked' | 'reviews' | 'entry'>
  to: readonly ChannelName[]
  clock: Clock
}

/** Something that is so or not; `mark` tells one such state from the next, so that each is told once. */
interface Condition {
  name: string
  /** 0 while it is not so. */
  mark: number
  began: Omit<Alert, 'at'>
  ended?: Omit<Alert, 'at'>
}

/**
 * Tells once that a gateway is on hold or has too old software, and once that it was released; and that certificates
 * or the server entry run out within 30 days. Restarts included: what was told is kept in the database.
 */
export function watchStanding({ store, registry, to, clock }: StandingWatch) {
  const heldMark = (name: string): number =>
    store.get<{ value: number }>('SELECT value FROM facts WHERE name = ?', name)?.value ?? 0

  function tell({ name, mark, began, ended }: Condition): void {
    const before = heldMark(name)
    if (mark === before) return
    const at = clock.now()
    store.write(() => {
      if (mark === 0) store.run('DELETE FROM facts WHERE name = ?', name)
      else store.run('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', name, mark)
      if (mark !== 0) addAlert(store, to, { ...began, at }, at)
      else if (ended !== undefined) addAlert(store, to, { ...ended, at }, at)
    })
  }

  /** When it ends, if that is soon; else 0. */
  const soon = (until: number): number => (until - clock.now() < warnBeforeMs ? until : 0)
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10)

  return {
    look(gateway: string): void {
      const site = siteOf(registry, gateway)
      if (site === undefined) return
      const hold = holdOf(store, registry.reviews, gateway)
      tell({
        name: `held ${gateway}`,
        mark: hold?.flag ?? 0,
        began: {
          kind: 'gateway-held',
          gateway,
          detail: `a gateway at ${site} is on hold for flag ${hold?.flag}: no command is dispatched to it; find out why, then: vitalgate-receiver registry release`,
        },
        ended: { kind: 'gateway-released', gateway, detail: `a gateway at ${site} is on hold no more` },
      })
      const { version } = readMinimum(store)
      tell({
        name: `outdated ${gateway}`,
        mark: isBelowMinimum(store, gateway) ? 1 : 0,
        began: {
          kind: 'gateway-outdated',
          gateway,
          // what it told is a text of its own choice, and stays here
          detail: `a gateway at ${site} has software below ${version}; see: vitalgate-receiver registry show`,
        },
      })
    },
    /** Reads certificates: not as often. */
    lookAtEnds(gateway: string): void {
      const enrolled = registry.gateway(gateway)
      const site = siteOf(registry, gateway)
      if (enrolled === undefined || site === undefined || lastSeen(store, gateway) === undefined) return
      const certificate = newestCertificate(store.db, gateway, enrolled.tls)
      if (certificate === undefined) return
      const { until } = spanOf(certificate)
      tell({
        name: `certificate ${gateway}`,
        mark: soon(until),
        began: {
          kind: 'certificate-ends',
          gateway,
          detail: `the certificate of a gateway at ${site} ends ${day(until)}; type: vitalgate-receiver registry renew`,
        },
      })
    },
    /** What belongs to the server itself; `certificates` are its own, PEM. */
    lookAtServer(certificates: readonly { name: string; certificate: string }[]): void {
      const { until } = registry.entry()
      tell({
        name: 'entry ends',
        mark: soon(until),
        began: {
          kind: 'entry-ends',
          gateway: null,
          detail: `the server entry ends ${day(until)}: gateways then obey no command; type: vitalgate-receiver registry entry`,
        },
      })
      for (const { name, certificate } of certificates) {
        const { until: end } = spanOf(certificate)
        tell({
          name: `certificate of the ${name}`,
          mark: soon(end),
          began: {
            kind: 'certificate-ends',
            gateway: null,
            detail: `the certificate of the ${name} ends ${day(end)}; type: vitalgate-receiver keys rotate`,
          },
        })
      }
    },
  }
}
