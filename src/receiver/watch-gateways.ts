import type { Clock } from '../base/clock.ts'
import { addAlert, type ChannelName } from './alerts.ts'
import type { Registry } from './registry.ts'
import { lastSeen } from './session.ts'
import type { Store } from './store.ts'

/** What watching over silence needs. */
export interface SilenceWatch {
  store: Store
  registry: Pick<Registry, 'gateway' | 'gateways' | 'devices' | 'revoked'>
  to: readonly ChannelName[]
  clock: Clock
  /** From when on silence is told, milliseconds. */
  silentMs: number
}

/** The newest handshake of a gateway, and where on this machine's monotonic clock it lies at the latest. */
interface Heard {
  at: number
  mono: number
  /** When that was last looked at. */
  looked: number
}

/** The site of a gateway that is waited for; undefined of one that is not bound any more, or was revoked. */
export function siteOf(registry: SilenceWatch['registry'], gateway: string): string | undefined {
  const enrolled = registry.gateway(gateway)
  if (enrolled === undefined || registry.revoked(enrolled.verifyKey.kid) !== undefined) return undefined
  return enrolled.site
}

const silentName = (gateway: string): string => `silent ${gateway}`
const backName = (gateway: string): string => `back ${gateway}`

/** When a gateway that was silent came back, the last time; undefined if it is silent. 0 if it never was. */
export function backSince(store: Store, gateway: string): number | undefined {
  const fact = (name: string) =>
    store.get<{ value: number }>('SELECT value FROM facts WHERE name = ?', name)?.value
  return fact(silentName(gateway)) === undefined ? (fact(backName(gateway)) ?? 0) : undefined
}

/**
 * Tells once that a gateway was not heard for too long, and once that it is back, restarts included. Silence is
 * counted on the monotonic clock from when this receiver could first hear: neither its own absence nor a clock
 * that jumps makes a gateway silent. One that never shook hands lies in a depot, and is not silent.
 */
export function watchGateways(watch: SilenceWatch): { look(gateway: string): void } {
  const { store, registry, to, clock, silentMs } = watch
  const heard = new Map<string, Heard>()
  /** The handshake after which a gateway was told silent. */
  const silent = new Map(
    store
      .all<{ name: string; value: number }>("SELECT name, value FROM facts WHERE name GLOB 'silent *'")
      .map(({ name, value }) => [name.slice('silent '.length), value]),
  )

  function newest(gateway: string): Heard | undefined {
    const [known, now] = [heard.get(gateway), clock.mono()]
    if (known !== undefined && !silent.has(gateway) && now - known.mono <= silentMs) return known
    const seen = lastSeen(store, gateway)
    if (seen === undefined) return undefined
    // it came since it was last looked for; where within that time, the wall clock says
    const age = known === undefined ? 0 : Math.min(Math.max(clock.now() - seen.at, 0), now - known.looked)
    const fresh =
      known === undefined || known.at !== seen.at
        ? { at: seen.at, mono: now - age, looked: now }
        : { ...known, looked: now }
    heard.set(gateway, fresh)
    return fresh
  }

  return {
    look: gateway => {
      const before = silent.get(gateway)
      const last = newest(gateway)
      if (last === undefined) return
      const isSilent = clock.mono() - last.mono > silentMs
      if (before === undefined ? !isSilent : last.at === before) return
      const site = siteOf(registry, gateway)
      if (site === undefined) return
      const at = clock.now()
      store.write(() => {
        if (before === undefined) {
          const detail = `no handshake of a gateway at ${site} since ${new Date(last.at).toISOString()}`
          store.run('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', silentName(gateway), last.at)
          addAlert(store, to, { kind: 'gateway-silent', gateway, detail, at }, at)
          return
        }
        const detail = `a gateway at ${site} is back; its last handshake before was ${new Date(before).toISOString()}`
        store.run('DELETE FROM facts WHERE name = ?', silentName(gateway))
        store.run('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', backName(gateway), at)
        addAlert(store, to, { kind: 'gateway-back', gateway, detail, at }, at)
      })
      if (before === undefined) silent.set(gateway, last.at)
      else silent.delete(gateway)
    },
  }
}
