import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { sourceUrl } from '../attacks/piece.ts'

/*
 * Where the product meets the world, the simulation stands: the network, the worker's thread, the outbox's file.
 * Everything else is the product as it is. The product knows nothing of this.
 */
const here = (file: string): string => new URL(file, import.meta.url).href
const [session, custody, schema] = ['uplink/session.ts', 'daemon/custody.ts', 'outbox/schema.ts'].map(
  sourceUrl,
)
const thread = sourceUrl('daemon/custody-thread.ts')

const standIns: Record<string, Record<string, string>> = {
  [session!]: { './connection.ts': here('line.ts') },
  [custody!]: { 'node:worker_threads': here('threads.ts') },
  [schema!]: { 'better-sqlite3': here('database.ts') },
}

/** The thread's program is loaded for each start: its types are stripped once. */
const stripped = new Map<string, string>()

function plain(url: string): string {
  const file = url.slice(0, url.indexOf('?'))
  let source = stripped.get(file)
  if (source === undefined) {
    source = stripTypeScriptTypes(readFileSync(fileURLToPath(file), 'utf8'))
    stripped.set(file, source)
  }
  return source
}

registerHooks({
  resolve(specifier, context, next) {
    const parent = context.parentURL ?? ''
    const url = standIns[parent]?.[specifier]
    if (url !== undefined) return { url, format: 'module-typescript', shortCircuit: true }
    if (parent.startsWith(`${thread}?`) && specifier === 'node:worker_threads') {
      const query = parent.slice(parent.indexOf('?'))
      return { url: `${here('thread.ts')}${query}`, format: 'module-typescript', shortCircuit: true }
    }
    return next(specifier, context)
  },
  load(url, context, next) {
    if (!url.includes('?thread=')) return next(url, context)
    return { format: 'module', source: plain(url), shortCircuit: true }
  },
})
