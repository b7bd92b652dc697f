import { bootId, systemClock } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { parseAddress, portIdentity } from '../../src/base/portname.ts'
import { type Custody, openCustody } from '../../src/daemon/custody.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { places } from '../../src/identity/places.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { portTag } from '../../src/wire/porttag.ts'

/** More than any size needs. */
const quotaBytes = 16 * 2 ** 30
/** Readings on their way into custody at a time. */
const atOnce = 512

/** Opens the custody of a state folder whose daemon does not run, with its own keys. */
export async function openState(
  state: string,
): Promise<{ custody: Custody; gateway: string; server: string }> {
  const identity = loadIdentity(state)
  if (identity.route === undefined) throw new Fault('identity.unprovisioned', 'the box has no route')
  const { gateway, keys, route } = identity
  const { server } = route
  const room = { quotaBytes, intakeBytes: quotaBytes / 2 }
  const parties = { gateway, seed: keys.signSeed, server, serverBox: route.serverBox.publicKey }
  const path = places(state).outbox
  const custody = await openCustody({ path, ...room, graceMs: 86_400_000, ...parties, software: 'bench' })
  return { custody, gateway, server }
}

/** What a scale of the bench says, as its station hands it to custody. */
async function weighings(gateway: string, port: string): Promise<(number: number) => Draft> {
  const { hash, driver } = (await loadDrivers()).of('and-line')
  const tag = portTag(gateway, portIdentity(parseAddress(port)))
  const boot = bootId()
  return number => {
    const n = 4000 + (number % 6000)
    const raw = Buffer.from(`ST,GS,+${(n / 100).toFixed(2).padStart(7, '0')}kg\r\n`).toString('hex')
    return {
      type: 'reading',
      time: { wall: systemClock.now(), source: 'ntp', uncertainty: 5, boot, mono: systemClock.mono() },
      members: {
        ...{
          station: 'bench',
          device: 'scale-1',
          driver: { id: 'and-line', revision: driver.revision, hash },
        },
        link: { kind: 'serial', check: 'none', ...(tag !== undefined && { port: tag }) },
        ...{
          raw,
          values: { 'body-weight': { n, s: 2, u: 'kg' } },
          notes: ['unattributed', 'unguarded-frame'],
        },
      },
    }
  }
}

/**
 * Puts readings into the outbox of a box that does not run, through custody, as if its server were away: each is
 * signed, sealed, chained and on disk. Gives the seconds that it took.
 */
export async function fillOutbox(state: string, port: string, rows: number): Promise<number> {
  const { custody, gateway } = await openState(state)
  try {
    const draft = await weighings(gateway, port)
    const began = performance.now()
    for (let at = 0; at < rows; at += atOnce) {
      const some = Math.min(atOnce, rows - at)
      await Promise.all(Array.from({ length: some }, (_, number) => custody.take(draft(at + number))))
    }
    return (performance.now() - began) / 1000
  } finally {
    await custody.stop()
  }
}
