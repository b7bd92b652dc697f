import type { Log } from '../base/log.ts'
import type { Registry } from './registry.ts'

/** How often to look whether another row is not believed: costs nothing while there is none. */
const lookMs = 5000

/** Gateways that are read in one turn at the start; messages are taken between two turns. */
const turnGateways = 20

/** Watches over the registry's rows until stopped. */
export interface DamageWatch {
  stop(): void
}

/**
 * Logs each row of the registry that is not believed, once: reads every gateway's rows at the start, and looks
 * again as they are read later. `fail` gets what reading throws.
 */
export function watchDamage(
  registry: Pick<Registry, 'gateways' | 'gateway' | 'devices' | 'damage'>,
  log: Log,
  fail: (error: unknown) => void,
  everyMs = lookMs,
): DamageWatch {
  const told = new Set<string>()
  const unread = registry.gateways()
  let next: NodeJS.Immediate | undefined

  const look = (): void => {
    for (const fault of registry.damage()) {
      if (told.has(fault.message)) continue
      told.add(fault.message)
      log.error({ part: 'registry', err: fault }, 'row is not believed')
    }
  }
  const read = (): void => {
    try {
      for (const gateway of unread.splice(0, turnGateways)) {
        registry.gateway(gateway)
        registry.devices(gateway)
      }
    } catch (error) {
      fail(error)
      return
    }
    look()
    if (unread.length > 0) next = setImmediate(read)
  }

  const timer = setInterval(look, everyMs).unref()
  read()
  return {
    stop: () => {
      clearInterval(timer)
      clearImmediate(next)
    },
  }
}
