import type { Clock } from '../base/clock.ts'
import { codeOf, Fault, isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import { type Certified, renewGateway } from './authority.ts'
import { isRevoked, type Registry } from './registry.ts'
import { insertRenewal, isHalfOver, isRenewed, newestCertificate, type RenewalRow } from './renewals.ts'
import type { Store } from './store.ts'

type Known = Pick<Registry, 'gateway' | 'revoked' | 'bindings'>

/** The certificate of a gateway's newest TLS key that was issued last. Fault `registry.unknown`. */
export function certificateOf(
  store: Store,
  registry: Known,
  gateway: string,
): { tls: string; certificate: string } {
  const held = registry.gateway(gateway)
  const certificate = held === undefined ? undefined : newestCertificate(store.db, gateway, held.tls)
  if (held !== undefined && certificate !== undefined) return { tls: held.tls, certificate }
  throw new Fault('registry.unknown', `gateway ${gateway} has no certificate of this server`)
}

/**
 * Issues the next certificate for the TLS key that a gateway has (WIRE 8.6), unless somebody else did meanwhile:
 * then undefined. Faults `registry.unknown`, `registry.known` where the gateway is revoked.
 */
export async function renew(
  store: Store,
  registry: Known,
  gateway: string,
  authority: Certified,
  { actor, now }: { actor: string; now: number },
): Promise<RenewalRow | undefined> {
  const { tls, certificate } = certificateOf(store, registry, gateway)
  if (isRevoked(registry, gateway)) {
    throw new Fault('registry.known', `gateway ${gateway} was revoked`, {
      hint: 'let the box make new keys and a new request, and enrol that',
    })
  }
  const next = await renewGateway(authority, gateway, certificate, now)
  return store.write(() => {
    if (newestCertificate(store.db, gateway, tls) !== certificate) return undefined
    return insertRenewal(store, { gateway, tls_key: tls, certificate: next, at: now, actor })
  })
}

/** The certificates that go down with hellos. */
export interface Certificates {
  /**
   * The certificate for whoever said a hello under this key: that of new keys until he speaks under them (WIRE 9.9),
   * and a renewed one now and then. Where the newest has passed half of its time, the next one is made meanwhile,
   * for a later hello. Inside `write`.
   */
  forHello(gateway: string, kid: string): string | undefined
  /** Resolves once nothing is being issued. */
  settled(): Promise<void>
}

/** What issuing needs. */
export interface Issuing {
  store: Store
  registry: Known
  /** The CA; read when it is needed, for its key lies in a file. */
  authority(): Certified
  clock: Clock
  log: Log
  /** Gets what is no fault: bugs. */
  fail(error: unknown): void
}

/**
 * A gateway tells nowhere which certificate it uses, and passes over one that it holds: so a renewed one is handed
 * over again after this time, by the steady clock.
 */
const againMs = 3_600_000
/** Certificates that are issued at a time; the others wait for the next hello of their gateways. */
const issuingLimit = 8

/** Issues and hands over certificates in a running receiver. */
export function makeCertificates({ store, registry, authority, clock, log, fail }: Issuing): Certificates {
  const issuing = new Map<string, Promise<void>>()
  const handed = new Map<string, { certificate: string; mono: number }>()

  async function issue(gateway: string): Promise<void> {
    try {
      const row = await renew(store, registry, gateway, authority(), { actor: 'receiver', now: clock.now() })
      if (row !== undefined) log.info({ part: 'certificates', gateway, number: row.number }, 'renewed')
    } catch (error) {
      // the key of the CA may be away, the database busy or closed by now: a later hello asks again
      const isPassing = isFault(error) || codeOf(error)?.startsWith('SQLITE_') === true || !store.db.open
      if (!isPassing) fail(error)
      else log.warn({ part: 'certificates', gateway, err: error }, 'certificate not renewed')
    }
  }

  function start(gateway: string): void {
    if (issuing.has(gateway) || issuing.size >= issuingLimit) return
    const work = issue(gateway).finally(() => issuing.delete(gateway))
    issuing.set(gateway, work)
  }

  function again(gateway: string, certificate: string): string | undefined {
    const last = handed.get(gateway)
    const mono = clock.mono()
    if (last?.certificate === certificate && mono - last.mono < againMs) return undefined
    handed.set(gateway, { certificate, mono })
    return certificate
  }

  return {
    forHello: (gateway, kid) => {
      const held = registry.gateway(gateway)
      const certificate = held === undefined ? undefined : newestCertificate(store.db, gateway, held.tls)
      if (held === undefined || certificate === undefined) return undefined
      if (held.verifyKey.kid !== kid) return certificate
      if (isHalfOver(certificate, clock.now())) start(gateway)
      return isRenewed(store.db, gateway, held.tls) ? again(gateway, certificate) : undefined
    },
    settled: async () => {
      await Promise.all(issuing.values())
    },
  }
}
