import { type RunningBox, startBox } from './box.ts'
import type { Ends } from './flow.ts'
import { startReceiver } from './receiver.ts'
import { type Sink, startSink } from './sink-start.ts'
import type { Stage } from './stage.ts'

/** Waits until the gateway's server has answered it: by then it sends. */
const welcomed = (stage: Stage, { client }: RunningBox): Promise<number> =>
  stage.until('a welcome', async () => (await client.ask('status', {})).uplink.state === 'welcomed')

/** Runs a box and the receiver while something is measured on both. */
export async function withReceiver<T>(
  stage: Stage,
  state: string,
  work: (ends: Ends) => Promise<T>,
): Promise<T> {
  const receiver = await startReceiver(stage)
  try {
    const box = await startBox(stage, state)
    try {
      await welcomed(stage, box)
      return await work({ box, server: receiver.pid })
    } finally {
      await box.stop()
    }
  } finally {
    await receiver.stop()
  }
}

/** Runs a box against the sink. The state is one to throw away: what the sink receipts no receiver has. */
export async function withSink<T>(
  stage: Stage,
  state: string,
  work: (ends: Ends, sink: Sink) => Promise<T>,
): Promise<T> {
  const sink = await startSink(stage, state)
  try {
    const box = await startBox(stage, state)
    try {
      await welcomed(stage, box)
      return await work({ box, server: sink.pid }, sink)
    } finally {
      await box.stop()
    }
  } finally {
    await sink.stop()
  }
}
