import { syncBuiltinESMExports } from 'node:module'
import { pathToFileURL } from 'node:url'
import threads from 'node:worker_threads'

/*
 * Starts one of our programs as a test build: `launch.ts PIECES PROGRAM WORDS…`. The programs refuse to start
 * with foreign code (src/base/hardening.ts), so it is the foreign code that starts them.
 */
const [pieces, program, ...words] = process.argv.slice(2) as [string, string, ...string[]]
const hook = new URL('without.ts', import.meta.url)
hook.searchParams.set('pieces', pieces)

// hooks are of one thread: those of the program get them as they start
const { Worker } = threads
threads.Worker = class extends Worker {
  constructor(file: string | URL, options: threads.WorkerOptions = {}) {
    super(file, { ...options, execArgv: [...(options.execArgv ?? []), '--import', hook.href] })
  }
}
syncBuiltinESMExports()

await import(hook.href)
process.argv.splice(1, process.argv.length, program, ...words)
await import(pathToFileURL(program).href)
