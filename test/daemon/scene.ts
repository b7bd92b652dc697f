import { systemClock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import type { Gateway } from '../../src/daemon/gateway.ts'
import type { StationEvent } from '../../src/daemon/station.ts'
import { openStations, type Stations } from '../../src/daemon/stations.ts'
import { wallOf } from '../../src/daemon/wall.ts'
import { openWays } from '../../src/daemon/ways.ts'
import type { Drivers } from '../../src/driver/load.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { bluezRadio } from '../../src/transport/bluez-radio.ts'
import { after } from '../../src/transport/port.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { portTag } from '../../src/wire/porttag.ts'

/** Stations with everything below them true, and a custody that takes all and remembers it. */
export interface DaemonScene {
  stations: Stations
  /** As much of a gateway as the handlers of devices use. */
  gateway: Gateway
  drafts: Draft[]
  told: StationEvent[]
  bugs: unknown[]
  log: Record<string, unknown>[]
  drivers: Drivers
  /** Resolves once this is so; whatever happens is looked at anew. */
  until(happened: () => boolean): Promise<void>
  close(): Promise<void>
}

const lookMs = 10

/** The id of the box in the scene: 16 zero bytes (WIRE 2.1). */
export const sceneGateway = 'a'.repeat(26)

/** Opens stations of a site in UTC. `refuse` makes custody say no. */
export async function openScene({ refuse = false } = {}): Promise<DaemonScene> {
  const drivers = await loadDrivers()
  const [drafts, told, bugs]: [Draft[], StationEvent[], unknown[]] = [[], [], []]
  const log: Record<string, unknown>[] = []
  const clock = systemClock
  const ways = openWays({ clock, after, timezone: 'UTC', makeRadio: () => bluezRadio() })
  const { Fault } = await import('../../src/base/fault.ts')
  const stations = openStations({
    drivers,
    ways,
    rules: { windowMs: 180_000, claimMs: 60_000, endCode: 'END' },
    clock,
    after,
    wall: wallOf('UTC'),
    moments: {
      at: (mono = clock.mono()) => ({
        wall: clock.now() - (clock.mono() - mono),
        source: 'ntp',
        uncertainty: 0,
        boot: '00'.repeat(16),
        mono,
      }),
      stop: () => {},
    },
    async take(draft) {
      if (refuse) throw new Fault('outbox.full', 'the outbox is full')
      drafts.push(draft)
      return { epoch: '00'.repeat(8), seq: drafts.length }
    },
    tell: event => void told.push(event),
    broken: error => void bugs.push(error),
    portTag: bound => portTag(sceneGateway, bound),
  })
  const parts = {
    clock,
    after,
    drivers,
    log: makeLog('info', { write: text => void log.push(JSON.parse(text)) }),
  }
  return {
    stations,
    gateway: { parts, stations, ways } as unknown as Gateway,
    drafts,
    told,
    bugs,
    log,
    drivers,
    async until(happened) {
      while (!happened()) await new Promise(resolve => setTimeout(resolve, lookMs))
    },
    async close() {
      await stations.stop()
      await ways.close()
    },
  }
}

/** The readings among what was taken. */
export const readingsOf = ({ drafts }: DaemonScene) =>
  drafts.flatMap(draft => (draft.type === 'reading' ? [draft.members] : []))
