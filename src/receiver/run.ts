import { systemClock } from '../base/clock.ts'
import { codeOf } from '../base/fault.ts'
import { type Log, makeLog } from '../base/log.ts'
import { notify } from '../base/notify.ts'
import { exit, say } from '../base/output.ts'
import { type Broker, startBroker } from './broker.ts'
import type { Refusal } from './broker-refusals.ts'
import { noteRefusal } from './flags.ts'
import { type Listener, type Remote, startListener } from './listen.ts'
import { makeReceive } from './receive.ts'
import { openRegistry, type Registry } from './registry.ts'
import { type DamageWatch, watchDamage } from './run-damage.ts'
import { brokerTls, clientTls, paths, readFacts } from './state.ts'
import { openStore, type Store } from './store.ts'

/** How to run a receiver. */
export interface RunOptions {
  /** The state folder that `init` made. */
  state: string
  log?: Log
  /** Ends the receiver when aborted, as the first signal does. */
  signal?: AbortSignal
  /** Called once everything is up, with the embedded broker's port. */
  onReady?: (port: number | null) => void
}

/** Refusals that say nothing proven about the name in the certificate. */
const unproven = new Set<Refusal['reason']>(['no-tls', 'no-certificate', 'foreign-certificate'])

/** While another process holds the database. */
const busyMs = 200

/** What is told of a refusal: whom TLS showed, what was tried, how often. */
function refusalDetail({ reason, detail, address, name, fingerprint, count }: Refusal): string {
  const who =
    fingerprint === null ? 'no certificate' : `certificate ${fingerprint.slice(0, 16)} (${name ?? 'no name'})`
  const what = detail === '' ? reason : `${reason} ${detail}`
  return `${what}, from ${address.replace(/^::ffff:/, '') || 'unknown address'} with ${who}${count > 1 ? `, ${count} times` : ''}`
}

/** Stores a refusal; while another process holds the database, a little later. */
function keepRefusal(
  store: Store,
  registry: Registry,
  refusal: Refusal,
  fail: (error: unknown) => void,
): void {
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
      if (store.db.open) keepRefusal(store, registry, refusal, fail)
    }, busyMs)
  }
}

function startEmbedded(
  state: string,
  store: Store,
  registry: Registry,
  log: Log,
  fail: (error: unknown) => void,
): Promise<Broker> {
  return startBroker({
    port: registry.facts.port,
    tls: brokerTls(state),
    parties: {
      server: registry.server.id,
      receiver: registry.facts.client,
      isEnrolled: gateway => registry.gateway(gateway) !== undefined,
    },
    onRefused: refusal => {
      log.warn({ part: 'broker', reason: refusal.reason, fingerprint: refusal.fingerprint }, 'refused')
      keepRefusal(store, registry, refusal, fail)
    },
  })
}

/** The host in `mqtts://host:port`, without the brackets of an IPv6 address. */
const hostOf = (url: string): string => new URL(url).hostname.replace(/^\[|\]$/g, '')

function startListening(
  state: string,
  store: Store,
  registry: Registry,
  embedded: Broker | undefined,
  log: Log,
): Listener {
  const { facts } = registry
  const remote = (): Remote => ({ url: facts.broker, host: hostOf(facts.broker), tls: clientTls(state) })
  return startListener({
    broker: embedded?.connectReceiver ?? remote(),
    clientId: facts.client,
    server: registry.server.id,
    shared: embedded === undefined,
    receive: makeReceive({ store, trust: registry, clock: systemClock, log }),
    log,
  })
}

/**
 * Runs the receiver until a signal. Start-up is a list, shutdown its mirror; the first signal finishes what
 * is under way, the second stops waiting. Throws the fault that ends it.
 */
export async function runReceiver(options: RunOptions): Promise<void> {
  const { state } = options
  const log = options.log ?? makeLog('info')
  // says what to type where there is no receiver yet, before a database is made
  readFacts(state)
  const ending = endOf(options.signal)
  const broken = Promise.withResolvers<never>()
  // it may break before or after anybody waits for it
  broken.promise.catch(() => undefined)
  const store = openStore(paths(state).database)
  let watch: DamageWatch | undefined
  try {
    const registry = openRegistry(state, store.db)
    watch = watchDamage(registry, log, broken.reject)
    const broker =
      registry.facts.broker === 'embedded'
        ? await startEmbedded(state, store, registry, log, broken.reject)
        : undefined
    broker?.failed.catch(broken.reject)
    try {
      const port = broker?.port ?? null
      const listener = startListening(state, store, registry, broker, log)
      try {
        // the embedded broker is there or nothing works; another may be away for days
        if (broker !== undefined) await Promise.race([listener.listening, ending.asked, broken.promise])
        tellReady(registry, port)
        options.onReady?.(port)
        await Promise.race([ending.asked, listener.failed, broken.promise])
        notify('STOPPING=1')
      } finally {
        await listener.stop()
      }
    } finally {
      await broker?.stop()
    }
  } finally {
    watch?.stop()
    store.close()
    ending.forget()
  }
}

function tellReady(registry: Registry, port: number | null): void {
  const where = port === null ? registry.facts.broker : `port ${port}`
  say(`vitalgate-receiver: ready, server ${registry.server.id} on ${where}`)
  notify('READY=1')
}

/** When to end: a signal of the system or of the caller. A second signal of the system ends at once. */
function endOf(signal: AbortSignal | undefined): { asked: Promise<void>; forget(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let asked = false
  const onSignal = (): void => {
    if (asked) process.exit(exit.interrupted)
    asked = true
    resolve()
  }
  const onAbort = (): void => resolve()
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted === true) resolve()
  return {
    asked: promise,
    forget: () => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}
