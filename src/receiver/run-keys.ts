import { isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Registry } from './registry.ts'
import { brokerTls, clientTls, type TlsEnd } from './state.ts'

/** How often to look whether other certificates are to be shown: a comparison in memory where they are not. */
const lookMs = 1000

/** Watches over what broker and receiver show each other until stopped. */
export interface KeyWatch {
  stop(): void
}

/** Who is told of other certificates. */
export interface Shown {
  broker(tls: TlsEnd): void
  client(tls: TlsEnd): void
}

const textOf = ({ certificate, authority }: TlsEnd): string => `${certificate}${authority}`

/**
 * Tells what is to be shown from now on when keys were made or given up while the receiver runs. `fail` gets what is
 * no fault; a key file that cannot be read is logged, and what was shown before is shown on.
 */
export function watchKeys(
  state: string,
  registry: Pick<Registry, 'keys'>,
  shown: Shown,
  log: Log,
  fail: (error: unknown) => void,
): KeyWatch {
  let sets = registry.keys.sets()
  let before = { broker: textOf(brokerTls(state)), client: textOf(clientTls(state)) }

  const look = (): void => {
    const now = registry.keys.sets()
    if (now === sets) return
    sets = now
    const [broker, client] = [brokerTls(state), clientTls(state)]
    const next = { broker: textOf(broker), client: textOf(client) }
    log.info({ part: 'keys', count: now.length }, 'the keys of the server were read anew')
    if (next.broker !== before.broker) shown.broker(broker)
    if (next.client !== before.client) shown.client(client)
    before = next
  }

  const timer = setInterval(() => {
    try {
      look()
    } catch (error) {
      if (!isFault(error)) return fail(error)
      log.error({ part: 'keys', code: error.code, err: error }, 'what is shown was not renewed')
    }
  }, lookMs).unref()
  return { stop: () => clearInterval(timer) }
}
