import { addAlert } from './alerts.ts'
import { isRemoved } from './removals.ts'
import { backSince, type SilenceWatch, siteOf } from './watch-gateways.ts'

const dayMs = 86_400_000
/** A device is used daily if it spoke on so many of so many days before it fell silent. */
const habit = { days: 6, of: 7 }

/** The newest reading of an accepted device that counts, by two short walks from the end of an index. */
const lastOf = `WITH asked (gateway, device) AS (VALUES (?, ?))
  SELECT received FROM readings WHERE id = (SELECT max(id) FROM (
    SELECT (SELECT max(id) FROM readings
            WHERE gateway = asked.gateway AND device = asked.device AND verdict = 'accept') AS id FROM asked
    UNION ALL
    SELECT (SELECT max(id) FROM readings
            WHERE gateway = asked.gateway AND device = asked.device AND verdict = 'flag') FROM asked))`

/** On how many days it spoke, counted back from a moment to another; ids rise with `received`. */
const daysOf = `SELECT count(DISTINCT (? - received) / ${dayMs}) AS days FROM readings
  WHERE gateway = ? AND device = ? AND verdict IN ('accept', 'flag') AND received <= ? AND received > ?
    AND id >= (SELECT id FROM readings WHERE received > ? ORDER BY received LIMIT 1)`

/**
 * Tells once that a device which is used daily says nothing any more. It does not cry wolf: a device that is used
 * now and then has no habit to break, one that was removed is not missed, and while its gateway is silent, and for
 * as long again after that is back, nothing is concluded.
 */
export function watchDevices(watch: SilenceWatch): { look(gateway: string): void } {
  const { store, registry, to, clock, silentMs } = watch

  function lookAt(gateway: string, device: string, backAt: number): void {
    const last = store.get<{ received: number }>(lastOf, gateway, device)?.received
    if (last === undefined) return
    const now = clock.now()
    const name = `silent-device ${gateway} ${device}`
    const told = store.get<{ value: number }>('SELECT value FROM facts WHERE name = ?', name)?.value
    if (told === last || now - Math.max(last, backAt) <= silentMs) return
    const from = last - habit.of * dayMs
    const spoke = store.get<{ days: number }>(daysOf, last, gateway, device, last, from, from)
    if ((spoke?.days ?? 0) < habit.days) return
    const detail = `used daily, and no reading since ${new Date(last).toISOString()}`
    store.write(() => {
      store.run('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', name, last)
      addAlert(store, to, { kind: 'device-silent', gateway, device, detail, at: now }, now)
    })
  }

  return {
    look: gateway => {
      const backAt = backSince(store, gateway)
      if (backAt === undefined || siteOf(registry, gateway) === undefined) return
      for (const { device, proposal } of registry.devices(gateway).devices) {
        if (!isRemoved(store, gateway, proposal)) lookAt(gateway, device, backAt)
      }
    },
  }
}
