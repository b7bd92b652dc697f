import { bootId, systemClock } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { makeLog } from '../../src/base/log.ts'
import type { Taken } from '../../src/control/api.ts'
import { type Gateway, makeGateway } from '../../src/daemon/gateway.ts'
import { watchMoments } from '../../src/daemon/moment.ts'
import { cardCheck } from '../../src/daemon/prepare.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { readConfig } from '../../src/identity/config.ts'
import { readDevices } from '../../src/identity/devices.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { after } from '../../src/transport/port.ts'
import type { Scales } from './scales.ts'
import type { Stage } from './stage.ts'

/** The gateway of a state folder, in this process, so that one clock sees both ends of the way. */
async function gatewayHere(state: string, config: string): Promise<Gateway> {
  const boot = bootId()
  const drivers = await loadDrivers()
  const moments = await watchMoments(systemClock, boot, () => {})
  const own = { state, software: 'bench', config: readConfig(config), log: makeLog('error') }
  const parts = { ...own, clock: systemClock, after, boot, drivers, moments }
  const gateway = makeGateway(parts, loadIdentity(state), why => {
    throw why
  })
  await gateway.connect()
  for (const device of readDevices(state, cardCheck(drivers))) gateway.stations.add(device)
  return gateway
}

const warmUp = 20
const patienceMs = 20_000

/**
 * Milliseconds from the last byte at the port to the receipt that verified, one reading after the other: pseudo
 * terminal, driver, signature, seal, fsync, TLS, broker, receiver with its own fsync, and back.
 */
export async function measureLatency(
  stage: Stage,
  state: string,
  scales: Scales,
  readings: number,
): Promise<number[]> {
  const gateway = await gatewayHere(state, stage.config)
  const end = new AbortController()
  try {
    const link = gateway.link()
    if (link === undefined) throw new Fault('identity.unprovisioned', 'the box has no route')
    await link.welcomed(AbortSignal.timeout(patienceMs))
    await stage.until('every scale open', async () =>
      gateway.stations.states().every(one => one.state === 'open'),
    )
    let arrived: (taken: Taken) => void = () => {}
    void gateway.taken.listen(taken => arrived(taken), end.signal)
    const durations: number[] = []
    for (let number = 0; number < readings + warmUp; number++) {
      const { promise, resolve } = Promise.withResolvers<Taken>()
      arrived = resolve
      const began = performance.now()
      const printing = scales.print(1)
      const { epoch, seq } = await promise
      await link.receipted({ epoch, seq, head: '', hash: '' }, AbortSignal.timeout(patienceMs))
      if (number >= warmUp) durations.push(performance.now() - began)
      await printing
    }
    return durations
  } finally {
    end.abort()
    await gateway.stop()
    gateway.parts.moments.stop()
  }
}
