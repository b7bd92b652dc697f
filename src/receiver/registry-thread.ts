import { parentPort, workerData } from 'node:worker_threads'
import { Fault, isFault } from '../base/fault.ts'
import { openRegistry } from './registry.ts'
import type { SeenHead } from './registry-head.ts'
import { type RegistryVerified, verifyRegistryStore } from './registry-verify.ts'
import { paths } from './state.ts'
import { openStore } from './store.ts'

/** What a walk is given: the state folder, and where the receiver last saw the log end. */
export interface Walk {
  state: string
  saw: SeenHead | null
  /** One number: not 0 once the walk is to end. A thread that is ended from outside may take the process along. */
  end: Int32Array
}

/** How a walk ended: what was found, or why it could not go on. */
export type Walked = { found: RegistryVerified } | { fault: string } | { ended: true }

/** `registry verify` with a connection and a memory of its own: it may take its time, messages are taken meanwhile. */
async function walk({ state, saw, end }: Walk): Promise<Walked> {
  const going = (): void => {
    if (Atomics.load(end, 0) !== 0) throw new Fault('interrupted', 'the walk was to end')
  }
  try {
    going()
    const store = openStore(paths(state).database)
    try {
      const noted = saw === null ? undefined : { ...saw, by: 'this receiver' }
      return { found: await verifyRegistryStore(state, store, openRegistry(state, store.db), noted, going) }
    } finally {
      store.close()
    }
  } catch (error) {
    if (isFault(error, 'interrupted')) return { ended: true }
    if (isFault(error)) return { fault: error.message }
    throw error
  }
}

parentPort?.postMessage(await walk(workerData as Walk))
