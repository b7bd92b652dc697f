import { startBroker } from '../../src/receiver/broker.ts'
import { brokerTls, readFacts } from '../../src/receiver/state.ts'

/*
 * The receiver's embedded broker without a receiver behind it, in a process of its own: what it takes when nobody
 * looks at what is published. A part of the bench.
 */

/** What it is told once. */
export interface RawOrder {
  receiver: string
  port: number
}

process.once('message', ({ receiver, port }: RawOrder) => {
  const { server, client } = readFacts(receiver)
  const parties = { server, receiver: client, isEnrolled: () => true }
  const settings = { port, tls: brokerTls(receiver), parties, onRefused: () => undefined }
  startBroker(settings).then(
    () => process.send?.('listening'),
    (error: unknown) => {
      process.stderr.write(`broker: ${String(error)}\n`)
      process.exit(1)
    },
  )
})
process.once('disconnect', () => process.exit(0))
