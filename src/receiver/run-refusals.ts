import { codeOf, Fault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Refusal } from './broker-refusals.ts'
import type { Parties } from './broker-rules.ts'
import { noteRefusal } from './flags.ts'
import { type BrokerWatch, watchBroker } from './mosquitto-watch.ts'
import { isRevoked, type Registry } from './registry.ts'
import type { Store } from './store.ts'

/** Where refusals of a broker become flags. */
export interface RefusalKeeping {
  store: Store
  registry: Registry
  log: Log
  /** Gets what storing throws. */
  fail(error: unknown): void
}

/** Refusals that say nothing proven about the name in the certificate. */
const unproven = new Set<Refusal['reason']>(['no-tls', 'no-certificate', 'foreign-certificate'])

/** While another process holds the database. */
const busyMs = 200

/** The certificate as far as the broker showed it: the embedded one knows it, Mosquitto's log at most its name. */
function certificateOf({ fingerprint, name, reason }: Refusal): string {
  if (fingerprint !== null) return `certificate ${fingerprint.slice(0, 16)} (${name ?? 'no name'})`
  if (name !== null) return `certificate of ${name}`
  return reason === 'foreign-certificate' ? 'unknown certificate' : 'no certificate'
}

/** What is told of a refusal: whom TLS showed, what was tried, how often. */
function refusalDetail(refusal: Refusal): string {
  const { reason, detail, address, count } = refusal
  const what = detail === '' ? reason : `${reason} ${detail}`
  const where = address.replace(/^::ffff:/, '') || 'unknown address'
  return `${what}, from ${where} with ${certificateOf(refusal)}${count > 1 ? `, ${count} times` : ''}`
}

/** Stores a refusal; while another process holds the database, a little later. */
function keepRefusal(keeping: RefusalKeeping, refusal: Refusal): void {
  const { store, registry, fail } = keeping
  const { reason, name, address, at } = refusal
  const gateway = unproven.has(reason) ? null : name
  const claimsEnrolled = name !== null && registry.gateway(name) !== undefined
  try {
    noteRefusal(store, {
      gateway,
      detail: refusalDetail(refusal),
      at,
      kind: `${reason} ${address}`,
      claimsEnrolled,
    })
  } catch (error) {
    if (codeOf(error) !== 'SQLITE_BUSY') {
      fail(error)
      return
    }
    setTimeout(() => {
      if (store.db.open) keepRefusal(keeping, refusal)
    }, busyMs)
  }
}

/** Logs and stores what a broker refuses. */
export function onRefusedOf(keeping: RefusalKeeping): (refusal: Refusal) => void {
  return refusal => {
    const { reason, fingerprint } = refusal
    keeping.log.warn({ part: 'broker', reason, fingerprint }, 'refused')
    keepRefusal(keeping, refusal)
  }
}

/** Who may speak on a broker of this registry. */
export const partiesOf = (registry: Registry): Parties => ({
  server: registry.server.id,
  receiver: registry.facts.client,
  isEnrolled: gateway => registry.gateway(gateway) !== undefined,
  isRevoked: (gateway, tls) =>
    isRevoked(registry, gateway) ||
    (tls !== undefined && (registry.revokedTls(tls) !== undefined || registry.isReplacedTls(gateway, tls))),
})

/** Watches the log of a broker that somebody else runs; undefined where none is named. Fault `usage`, `permission`. */
export function startBrokerWatch(
  path: string | undefined,
  state: string,
  keeping: RefusalKeeping,
): BrokerWatch | undefined {
  if (path === undefined) return undefined
  const { registry, log, fail } = keeping
  if (registry.facts.broker === 'embedded') {
    throw new Fault('usage', 'the embedded broker has no log to read', {
      hint: 'it reports by itself; leave --broker-log out',
    })
  }
  return watchBroker({
    path,
    state,
    parties: partiesOf(registry),
    log,
    onRefused: onRefusedOf(keeping),
    fail,
  })
}
