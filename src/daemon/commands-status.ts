import type { Abandoning, Waiting } from './abandon.ts'
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
  abandoning: Pick<Abandoning, 'waiting'>
}

/** Members of one result that tell of rows which an order could give up; it holds 16 (WIRE 1.5). */
const toldLimit = 5

/** Which ids an order would name, and how many rows it would give up: an operator is to know before. */
const toldOf = ({ servers, keys }: Waiting): [string, string][] =>
  [
    ...servers.map(({ server, rows }, at): [string, string] => [
      `former-${at + 1}`,
      `${server} ${rows ?? '?'}`,
    ]),
    ...keys.map(({ key, rows }, at): [string, string] => [`revoked-${at + 1}`, `${key} ${rows}`]),
  ].slice(0, toldLimit)

/** Tells how the gateway stands. */
export const statusAct = ({
  software,
  moments,
  stations,
  stats,
  abandoning,
}: StatusParts): Act<'status'> => ({
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
      ...Object.fromEntries(toldOf(await abandoning.waiting())),
    })
  },
})
