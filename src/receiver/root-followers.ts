import type { Versions } from '../wire/session.ts'
import { reportOf } from './heard.ts'
import { isRevoked, type Registry } from './registry.ts'
import type { Store } from './store.ts'

/** Whether a gateway that tells these versions has followed to the root in force (WIRE 9.12). */
export function followsRoot(
  registry: Pick<Registry, 'underRoot'>,
  gateway: string,
  told: Pick<Versions, 'binding'>,
): boolean {
  const first = registry.underRoot(gateway)
  return first === undefined || told.binding >= first
}

/**
 * The gateways that still believe the root before: by their last hello, or never heard at all though they were
 * enrolled before the succession. One that is heard and stays in this list has not pinned the successor.
 */
export const stragglers = (store: Store, registry: Registry): string[] => {
  const began = registry.succession()
  if (began === undefined) return []
  return registry.gateways().filter(gateway => {
    const held = registry.gateway(gateway)
    if (held === undefined || isRevoked(registry, gateway) || registry.moved(gateway) !== undefined)
      return false
    const heard = reportOf(store, gateway)
    if (heard !== undefined) return !followsRoot(registry, gateway, heard)
    return registry.bindings(gateway).some(one => one.version < (registry.underRoot(gateway) ?? 0))
  })
}
