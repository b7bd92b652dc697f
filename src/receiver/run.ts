import { systemClock } from '../base/clock.ts'
import { readTextFile } from '../base/files.ts'
import { type Log, makeLog } from '../base/log.ts'
import { notify } from '../base/notify.ts'
import { exit, say } from '../base/output.ts'
import { type Broker, startBroker } from './broker.ts'
import { makeCommander } from './command-dispatch.ts'
import { watchCommands } from './command-watch.ts'
import { type Listener, type Remote, startListener } from './listen.ts'
import type { BrokerWatch } from './mosquitto-watch.ts'
import { makeReceive } from './receive.ts'
import { openRegistry, type Registry } from './registry.ts'
import { type RegistryWatch, watchRegistry } from './registry-watch.ts'
import { makeCertificates } from './renew.ts'
import { type DamageWatch, watchDamage } from './run-damage.ts'
import { type KeyWatch, watchKeys } from './run-keys.ts'
import { onRefusedOf, partiesOf, startBrokerWatch } from './run-refusals.ts'
import { adoptSecret, brokerTls, clientTls, paths, readAuthority, readFacts } from './state.ts'
import { openStore, type Store } from './store.ts'
import { startWatch, type Telling, type Watch, type Watching } from './watch.ts'

/** How to run a receiver. */
export interface RunOptions {
  /** The state folder that `init` made. */
  state: string
  log?: Log
  /** The log of a broker that somebody else runs, to learn from it what that refused. */
  brokerLog?: string
  /** Whom to tell of flags and of what is silent; nobody if left out. */
  telling?: Telling
  /** Ends the receiver when aborted, as the first signal does. */
  signal?: AbortSignal
  /** Called once everything is up, with the embedded broker's port. */
  onReady?: (port: number | null) => void
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
    parties: partiesOf(registry),
    onRefused: onRefusedOf({ store, registry, log, fail }),
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
  fail: (error: unknown) => void,
): Listener {
  const { facts } = registry
  const authority = () => readAuthority(state, registry.entry().ca)
  const certificates = makeCertificates({ store, registry, authority, clock: systemClock, log, fail })
  const commander = makeCommander(store, registry, log, systemClock.mono, certificates)
  const remote = (): Remote => ({ url: facts.broker, host: hostOf(facts.broker), tls: clientTls(state) })
  const listener = startListener({
    broker: embedded?.connectReceiver ?? remote(),
    clientId: facts.client,
    server: registry.server.id,
    shared: embedded === undefined,
    receive: makeReceive({ store, trust: registry, clock: systemClock, log, commander }),
    log,
  })
  const commands = watchCommands({ store, commander, send: listener.send, clock: systemClock, fail })
  return {
    ...listener,
    stop: () => {
      commands.stop()
      return listener.stop()
    },
  }
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
  if (adoptSecret(state)) log.info('the key files are under the credential now, the secret file is removed')
  const ending = endOf(options.signal)
  const broken = Promise.withResolvers<never>()
  // it may break before or after anybody waits for it
  broken.promise.catch(() => undefined)
  const store = openStore(paths(state).database)
  let watch: DamageWatch | undefined
  let kept: RegistryWatch | undefined
  let brokerWatch: BrokerWatch | undefined
  let told: Watch | undefined
  let keyWatch: KeyWatch | undefined
  try {
    const registry = openRegistry(state, store.db)
    watch = watchDamage(registry, log, broken.reject)
    kept = watchRegistry({ state, store, clock: systemClock, log, fail: broken.reject })
    const keeping = { store, registry, log, fail: broken.reject }
    brokerWatch = startBrokerWatch(options.brokerLog, state, keeping)
    const certificates = () => ownCertificates(state)
    told = tell(options, { store, registry, log, certificates, fail: broken.reject })
    const broker =
      registry.facts.broker === 'embedded'
        ? await startEmbedded(state, store, registry, log, broken.reject)
        : undefined
    broker?.failed.catch(broken.reject)
    try {
      const port = broker?.port ?? null
      const listener = startListening(state, store, registry, broker, log, broken.reject)
      try {
        keyWatch = watchKeys(
          state,
          registry,
          { broker: tls => broker?.show(tls), client: listener.show },
          log,
          broken.reject,
        )
        // the embedded broker is there or nothing works; another may be away for days
        if (broker !== undefined) await Promise.race([listener.listening, ending.asked, broken.promise])
        tellReady(registry, port)
        options.onReady?.(port)
        await Promise.race([ending.asked, listener.failed, broken.promise])
        notify('STOPPING=1')
      } finally {
        keyWatch?.stop()
        await listener.stop()
      }
    } finally {
      await broker?.stop()
    }
  } finally {
    watch?.stop()
    await kept?.stop()
    await brokerWatch?.stop()
    await told?.stop()
    store.close()
    ending.forget()
  }
}

function tell({ telling }: RunOptions, given: Omit<Watching, 'telling' | 'clock'>): Watch | undefined {
  return telling === undefined ? undefined : startWatch({ ...given, telling, clock: systemClock })
}

/** The certificates that the receiver itself shows, or its broker. */
const ownCertificates = (state: string): { name: string; certificate: string }[] => [
  { name: 'broker', certificate: readTextFile(paths(state).brokerCertificate) },
  { name: 'receiver', certificate: readTextFile(paths(state).clientCertificate) },
  { name: 'certificate authority', certificate: readTextFile(paths(state).authorityCertificate) },
]

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
