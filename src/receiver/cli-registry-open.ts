import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { usage } from '../base/output.ts'
import { openRegistry, type Registry } from './registry.ts'
import { keepHead } from './registry-head.ts'
import { paths, readFacts } from './state.ts'
import { openStore, type Store } from './store.ts'

/** What a registry command works on. */
export interface Opened {
  state: string
  json: boolean
  store: Store
  registry: Registry
}

/**
 * Opens the registry that `--state` names, hands it to `work`, and closes it. If rows were met that are
 * not believed, the command fails in the end, after it showed what is.
 */
export async function withRegistry(
  command: Command,
  work: (opened: Opened) => void | Promise<void>,
): Promise<void> {
  const { state, json } = command.optsWithGlobals<{ state: string; json?: boolean }>()
  // says what to type where there is no registry yet, before a database is made
  readFacts(state)
  const store = openStore(paths(state).database)
  try {
    const registry = openRegistry(state, store.db)
    try {
      await work({ state, json: json === true, store, registry })
    } finally {
      // part of the work may be done though the rest failed
      keepHead(state, store.db)
    }
    for (const damage of registry.damage()) throw damage
  } finally {
    store.close()
  }
}

/** The gateway that an id or its beginning (6 characters or more) names. Fault `registry.unknown`. */
export function resolveGateway(registry: Registry, prefix: string): string {
  if (!/^[a-z2-7]{6,26}$/.test(prefix)) {
    throw usage(`${prefix} is no gateway id`, 'name it by its first 6 characters or more; see: registry list')
  }
  const found = registry.gateways().filter(id => id.startsWith(prefix))
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  throw new Fault(
    'registry.unknown',
    found.length === 0 ? `no gateway ${prefix} is enrolled` : `${prefix} begins ${found.length} gateway ids`,
    { hint: found.length === 0 ? 'type: vitalgate-receiver registry list' : `one of ${found.join(', ')}` },
  )
}

/** Who does it: the name given with --by, or whoever is logged in. */
export function actorOf(by: string | undefined): string {
  const name = (by ?? userInfo().username).trim()
  if (/^[^\p{Cc}]{1,64}$/u.test(name)) return name
  throw usage('--by is a name of 1 to 64 characters')
}
