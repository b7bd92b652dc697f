import { readFileSync } from 'node:fs'
import { connectAsync } from 'mqtt'
import { Fault } from '../../src/base/fault.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { paths } from '../../src/receiver/state.ts'
import { topics } from '../../src/wire/topics.ts'
import { startPart } from './part.ts'
import type { RawOrder } from './raw-broker.ts'
import type { Stage } from './stage.ts'

/** As many as a gateway has on their way. */
const window = 128

/**
 * Messages a second that mqtt.js publishes with QoS 1 over TLS to the receiver's own broker, with the certificate of a
 * box and nothing behind the broker: no signature, no seal, no disk, no receipt. `payload` is a reading's.
 */
export async function measurePublish(
  stage: Stage,
  state: string,
  payload: Uint8Array,
  { messages, times }: { messages: number; times: number },
): Promise<number[]> {
  const identity = loadIdentity(state)
  if (identity.route === undefined) throw new Fault('identity.unprovisioned', 'the box has no route')
  const { gateway, keys, route } = identity
  const { receiver, brokerPort: port } = stage.site
  const part = await startPart(stage, 'raw-broker.ts', { receiver, port } satisfies RawOrder)
  try {
    const client = await connectAsync(`mqtts://localhost:${port}`, {
      ...{ clientId: gateway, protocolVersion: 4, clean: true, reconnectPeriod: 0 },
      ...{
        key: keys.tlsKey,
        cert: route.certificate,
        ca: readFileSync(paths(receiver).authorityCertificate),
      },
    })
    const { up } = topics(route.server, gateway)
    const rates: number[] = []
    for (let time = 0; time < times; time++) {
      const began = performance.now()
      let left = messages
      const send = async (): Promise<void> => {
        while (left-- > 0) await client.publishAsync(up, Buffer.from(payload), { qos: 1 })
      }
      await Promise.all(Array.from({ length: window }, send))
      rates.push(messages / ((performance.now() - began) / 1000))
    }
    await client.endAsync()
    return rates
  } finally {
    await part.stop()
  }
}
