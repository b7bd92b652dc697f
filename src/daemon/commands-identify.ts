import type { Log } from '../base/log.ts'
import type { After } from '../transport/port.ts'
import { type Act, done } from './commands.ts'
import { pause } from './commands-wait.ts'
import type { Stations } from './stations.ts'

/** Three signals, a second apart, are seen by somebody who looks for the box. */
const signals = { count: 3, everyMs: 1000 }

/** Shows somebody who stands before it which box this is. */
export const identifyAct = (
  { log, after }: { log: Log; after: After },
  stations: Pick<Stations, 'signal'>,
): Act<'identify'> => ({
  async act(intent, end) {
    log.info({ intent }, 'identify')
    let devices = 0
    for (let time = 0; time < signals.count; time++) {
      if (time > 0 && !(await pause(after, signals.everyMs, end))) break
      devices = stations.signal('attributed')
      if (devices === 0) break
    }
    return done({ devices })
  },
})
