import { Fault } from '../../src/base/fault.ts'
import type { Abandoning } from '../../src/daemon/abandon.ts'

/** A gateway on which nothing waits that could be given up. */
export const nothingWaits: Pick<Abandoning, 'give' | 'waiting'> = {
  waiting: async () => ({ servers: [], keys: [] }),
  give: async () => {
    throw new Fault('abandon.refused', 'nothing waits here')
  },
}
