import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Keeps what was compiled beside the installed modules, where only those may write who may write the program itself;
 * under systemd in its own cache folder.
 */
export function keepCompiled(): void {
  const beside = new URL('../../node_modules/.cache/vitalgate', import.meta.url)
  enableCompileCache(process.env.CACHE_DIRECTORY ?? fileURLToPath(beside))
}

/** The environment of a thread: by itself Node.js keeps only what the main thread compiled. */
export function threadEnv(): NodeJS.ProcessEnv {
  const kept = getCompileCacheDir()
  // it names the folder of this version of Node.js inside the one that was asked for
  return kept === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(kept) }
}
