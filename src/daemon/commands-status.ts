import { type Act, done } from './commands.ts'
import type { OutboxStats } from './custody.ts'
import type { Moments } from './moment.ts'
import type { Stations } from './stations.ts'

/** What is told of a gateway from afar: counts, never a value. */
export interface StatusParts {
  software: string
  moments: Moments
  stations: Pick<Stations, 'states'>
  stats(): Promise<OutboxStats>
}

/** Tells how the gateway stands. */
export const statusAct = ({ software, moments, stations, stats }: StatusParts): Act<'status'> => ({
  async act() {
    const { queued, receipted, oldest, intake } = await stats()
    const devices = stations.states()
    const { wall, source } = moments.at()
    return done({
      software,
      devices: devices.length,
      'devices-open': devices.filter(one => one.state === 'open').length,
      queued,
      receipted,
      // a clock that was set back must not tell an age below nothing
      'oldest-age-ms': oldest === null ? 0 : Math.max(0, wall - oldest),
      'outbox-percent': Math.floor((intake.used * 100) / intake.quota),
      refusing: intake.refusingSince !== null,
      'clock-source': source,
    })
  },
})
