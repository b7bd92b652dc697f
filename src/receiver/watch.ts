import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { addAlert } from './alerts.ts'
import type { Channel } from './alerts-channel.ts'
import { startDelivery } from './alerts-deliver.ts'
import { closeChannels, openChannels, prune, unlessBusy } from './alerts-queue.ts'
import type { Registry } from './registry.ts'
import type { Store } from './store.ts'
import { watchDevices } from './watch-devices.ts'
import { watchFlags } from './watch-flags.ts'
import { watchGateways } from './watch-gateways.ts'
import { watchStanding } from './watch-standing.ts'

/** Whom to tell, and of what beside flags. */
export interface Telling {
  /** At least one. */
  channels: readonly Channel[]
  /** From when on a gateway is silent; undefined: never. */
  silentGatewayMs: number | undefined
  /** From when on a device is silent; undefined: never. */
  silentDeviceMs: number | undefined
}

/** What telling operators needs. */
export interface Watching {
  store: Store
  registry: Pick<Registry, 'gateway' | 'gateways' | 'devices' | 'revoked' | 'damage' | 'reviews' | 'entry'>
  /** The server's own certificates, PEM, by what people call them; none if left out. */
  certificates?: () => { name: string; certificate: string }[]
  telling: Telling
  clock: Clock
  log: Log
  /** Gets what is no fault of a channel: what the database throws, and bugs. */
  fail: (error: unknown) => void
  paces?: Partial<typeof usual>
}

/** How often to look, milliseconds; and how long after the start devices are first looked at. */
const usual = {
  flagsMs: 1000,
  gatewaysMs: 5000,
  devicesMs: 600_000,
  firstDevicesMs: 3_600_000,
  standingMs: 30_000,
  endsMs: 21_600_000,
  pruneMs: 3_600_000,
}
/** Gateways that are looked at in one turn; messages are taken between two turns. */
const turnGateways = 50

/** Operators are told until it is stopped; `stop` ends what is under way, and waits for it. */
export interface Watch {
  stop(): Promise<void>
}

/**
 * Watches over what operators should know, puts it into the queue, and tells what is due. Everything runs beside
 * receiving: the only thing the two have in common is the database.
 */
export function startWatch(watching: Watching): Watch {
  const { store, registry, telling, clock, log, fail } = watching
  const paces = { ...usual, ...watching.paces }
  const to = telling.channels.map(({ name }) => name)
  openChannels(store, to, clock.now())
  const flags = watchFlags(store, to, clock)
  const silence = { store, registry, to, clock }
  const gateways =
    telling.silentGatewayMs === undefined
      ? undefined
      : watchGateways({ ...silence, silentMs: telling.silentGatewayMs })
  const devices =
    telling.silentDeviceMs === undefined
      ? undefined
      : watchDevices({ ...silence, silentMs: telling.silentDeviceMs })
  const standing = watchStanding({ store, registry, to, clock })
  const damaged = watchDamaged(watching)

  const rounds = [
    every(
      paces.flagsMs,
      paces.flagsMs,
      inTurns(() => [flags.look, damaged]),
    ),
    every(
      0,
      paces.pruneMs,
      inTurns(() => [() => prune(store, clock.now())]),
    ),
  ]
  const walk = (look: (gateway: string) => void) =>
    inTurns(() => registry.gateways().map(gateway => () => look(gateway)))
  rounds.push(every(0, paces.standingMs, walk(standing.look)))
  rounds.push(every(0, paces.endsMs, walk(standing.lookAtEnds)))
  rounds.push(
    every(
      0,
      paces.endsMs,
      inTurns(() => [() => standing.lookAtServer(watching.certificates?.() ?? [])]),
    ),
  )
  if (gateways !== undefined) rounds.push(every(0, paces.gatewaysMs, walk(gateways.look)))
  if (devices !== undefined) rounds.push(every(paces.firstDevicesMs, paces.devicesMs, walk(devices.look)))
  const deliveries = telling.channels.map(channel => startDelivery({ store, channel, clock, log, fail }))

  /** Works of a round, some at a time; a database that is busy ends the round, and the next one does the rest. */
  function inTurns(worksOf: () => (() => void)[]) {
    return (done: () => void, later: (next: NodeJS.Immediate) => void): void => {
      let works: (() => void)[] | undefined
      const turn = (): void => {
        try {
          works ??= worksOf()
          const some = works.splice(0, turnGateways)
          if (unlessBusy(() => some.map(work => work())) === undefined) works = []
        } catch (error) {
          fail(error)
          return
        }
        if (works.length === 0) done()
        else later(setImmediate(turn))
      }
      turn()
    }
  }

  return {
    stop: async () => {
      for (const round of rounds) round.stop()
      await Promise.all(deliveries.map(one => one.stop()))
      unlessBusy(() => closeChannels(store))
    },
  }
}

/** Does a round after `firstMs`, and again `everyMs` after it was done, until stopped. */
function every(
  firstMs: number,
  everyMs: number,
  round: (done: () => void, later: (next: NodeJS.Immediate) => void) => void,
) {
  let immediate: NodeJS.Immediate | undefined
  let timer: NodeJS.Timeout | undefined
  const plan = (ms: number): void => {
    timer = setTimeout(() => {
      round(
        () => plan(everyMs),
        next => {
          immediate = next
        },
      )
    }, ms).unref()
  }
  plan(firstMs)
  return {
    stop: () => {
      clearTimeout(timer)
      clearImmediate(immediate)
    },
  }
}

/** Tells each row of the registry that is not believed, once. */
function watchDamaged({ store, registry, telling, clock }: Watching): () => void {
  const known = new Set<string>()
  const to = telling.channels.map(({ name }) => name)
  return () => {
    for (const { message } of registry.damage()) {
      if (known.has(message)) continue
      const at = clock.now()
      store.write(() => {
        const detail = `${message}; see the log, and restore the database from a backup`
        const alert = { kind: 'store-damaged', gateway: null, detail, at } as const
        const told = store.get("SELECT 1 FROM alerts WHERE kind = 'store-damaged' AND detail = ?", detail)
        if (told === undefined) addAlert(store, to, alert, at)
      })
      known.add(message)
    }
  }
}
