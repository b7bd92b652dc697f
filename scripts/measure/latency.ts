import { closeSync, openSync, writeSync } from 'node:fs'
import { bootId, systemClock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import type { Taken } from '../../src/control/api.ts'
import { type Gateway, makeGateway } from '../../src/daemon/gateway.ts'
import { watchMoments } from '../../src/daemon/moment.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { parseConfig } from '../../src/identity/config.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { after } from '../../src/transport/port.ts'
import { type Site, siteBox } from '../scenario/site.ts'

/** The gateway of the daemon, in this process, so that one clock sees both ends of the way. */
async function gatewayHere(state: string): Promise<Gateway> {
  const boot = bootId()
  const moments = await watchMoments(systemClock, boot, () => {})
  const parts = {
    state,
    software: 'bench',
    config: parseConfig('', 'defaults'),
    clock: systemClock,
    after,
    boot,
    log: makeLog('error'),
    drivers: await loadDrivers(),
    moments,
  }
  return makeGateway(parts, loadIdentity(state), why => {
    throw why
  })
}

/**
 * Milliseconds from the last byte at the port to the receipt that verified, one reading after the other:
 * port, driver, signature, seal, fsync, TLS, broker, receiver with its own fsync, and back.
 */
export async function measureLatency(site: Site, readings: number): Promise<number[]> {
  const box = siteBox(site)
  await box.daemon.stop()
  const { port, device } = await site.plug('bench-scale')
  const gateway = await gatewayHere(box.state)
  await gateway.connect()
  const link = gateway.link()
  if (link === undefined) throw new Error('the box has no route')
  await link.welcomed(AbortSignal.timeout(20_000))
  gateway.stations.add({
    id: 'bench-scale',
    driver: 'and-line',
    port,
    station: 'bench',
    options: { mode: 'on-print' },
  })

  const end = new AbortController()
  let arrived: (taken: Taken) => void = () => {}
  const listening = gateway.taken.listen(taken => arrived(taken), end.signal)
  const line = openSync(device, 'w')
  const durations: number[] = []
  const warmUp = 20
  await new Promise(resolve => setTimeout(resolve, 500))
  for (let i = 0; i < readings + warmUp; i++) {
    const taken = new Promise<Taken>(resolve => {
      arrived = resolve
    })
    const weight = (50 + (i % 400) / 10).toFixed(2).padStart(7, '0')
    const began = performance.now()
    writeSync(line, `ST,GS,+${weight}kg\r\n`)
    const { epoch, seq } = await taken
    await link.receipted({ epoch, seq, head: '', hash: '' }, AbortSignal.timeout(20_000))
    if (i >= warmUp) durations.push(performance.now() - began)
  }
  closeSync(line)
  end.abort()
  await listening
  await gateway.stop()
  gateway.parts.moments.stop()
  return durations
}
