import { base64url } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { startPart } from './part.ts'
import type { SinkOrder } from './sink.ts'
import type { Seen } from './sink-chains.ts'
import type { Stage } from './stage.ts'

/** The stand-in server of sink.ts while it runs. */
export interface Sink {
  pid: number
  seen(): Promise<Seen>
  stop(): Promise<void>
}

/** Starts the sink for the box of a state folder, in the place of the receiver, which must not run. */
export async function startSink(stage: Stage, state: string): Promise<Sink> {
  const identity = loadIdentity(state)
  if (identity.phase === 'fresh') throw new Fault('identity.unprovisioned', 'the box has no keys')
  const { gateway, keys } = identity
  const { receiver, brokerPort: port } = stage.site
  const order: SinkOrder = { receiver, port, gateway, box: base64url(keys.box.publicKey) }
  const { pid, ask, stop } = await startPart(stage, 'sink.ts', order)
  return { pid, stop, seen: async () => (await ask('seen')) as Seen }
}
